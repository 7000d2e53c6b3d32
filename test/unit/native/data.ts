/** The public data beside the checkout; where they are absent, what needs them is skipped. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const DATA = join(import.meta.dirname, "..", "..", "..", "..", "shared", "data");

export const hasData = existsSync(DATA);

export function dataFile(...names: readonly string[]): Buffer {
  return readFileSync(join(DATA, ...names));
}

/** Names of a folder's files, sorted; none where the data are absent. */
export function dataNames(folder: string, pattern: RegExp): readonly string[] {
  if (!hasData) return [];
  return readdirSync(join(DATA, folder))
    .filter((name) => pattern.test(name))
    .sort();
}
