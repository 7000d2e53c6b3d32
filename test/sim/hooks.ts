/**
 * What stands between a simulation and the modules it loads: shards' Parquet bytes are made once
 * for equal rows, and a guard may be edited out of the source of its module.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Edit } from "./guards.ts";

const ROOT = new URL("../../", import.meta.url);
const PARQUET = new URL("runtime/dataset/parquet.ts", ROOT).href;
const REMEMBERED = new URL("cluster/parquet.ts", import.meta.url).href;

/** Call it before anything that it is to reach is loaded. */
export function installHooks(edits: readonly Edit[]): void {
  const byUrl = new Map<string, Edit[]>();
  for (const edit of edits) {
    const url = new URL(edit.file, ROOT).href;
    byUrl.set(url, [...(byUrl.get(url) ?? []), edit]);
  }
  for (const [url, ofFile] of byUrl) apply(readFileSync(fileURLToPath(url), "utf8"), ofFile);
  registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context);
      const isTheirs = resolved.url === PARQUET && context.parentURL !== REMEMBERED;
      return isTheirs ? { ...resolved, url: REMEMBERED } : resolved;
    },
    load: (url, context, next) => {
      const ofFile = byUrl.get(url);
      const loaded = next(url, context);
      if (ofFile === undefined) return loaded;
      return { ...loaded, source: apply(readFileSync(fileURLToPath(url), "utf8"), ofFile) };
    },
  });
}

/** @throws {Error} when an edit's place isn't there: the guard moved, and isn't tested any more. */
function apply(source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { file, find, replace } of edits) {
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`${file}: ${parts.length - 1} times: ${find}`);
    text = parts.join(replace);
  }
  return text;
}
