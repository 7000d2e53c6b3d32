/** A recorded state as the folder that it was: its files lie flat in test/golden. */
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** Where a recorded state's files lie. */
export function goldenFolder(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}

/** A folder with log and snapshots of it, for one test. */
export async function recordedState(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgr-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const file of await readdir(goldenFolder(name))) {
    const [, kind, number] = /^(log|snapshot)-(\d+)$/.exec(file) ?? [];
    if (kind === undefined || number === undefined) continue;
    await mkdir(join(folder, kind), { recursive: true });
    await copyFile(join(goldenFolder(name), file), join(folder, kind, number));
  }
  return folder;
}
