/** Identity of the program that `ligase run` submits: the sources of this package. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256Hex, short12 } from "../runtime/ids.ts";
import type { Program } from "../runtime/messages.ts";

/** What decides the bytes of a shard: not the head, not the solver's own sources. */
const FOLDERS = ["actors", "runtime", "worker"];
const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const URL_OF_PROGRAM = new URL(`../actors/pipeline${EXTENSION}`, import.meta.url).href;

/** The program `pipeline` by URL, with the hash of the package's sources. */
export function pipelineProgram(): Program {
  return { url: URL_OF_PROGRAM, sha256: sha256Hex(FOLDERS.map(linesOf).join("")) };
}

/**
 * The hash of each folder that such a program is made of; undefined for any other program, and for
 * the package's own in another version than the one that stands here.
 */
export function packageFolders(program: Program): Record<string, string> | undefined {
  if (program.url !== URL_OF_PROGRAM) return undefined;
  const lines = FOLDERS.map(linesOf);
  if (sha256Hex(lines.join("")) !== program.sha256) return undefined;
  return Object.fromEntries(
    FOLDERS.map((folder, index) => [folder, short12(sha256Hex(lines[index] ?? ""))]),
  );
}

function linesOf(folder: string): string {
  const root = fileURLToPath(new URL("../", import.meta.url));
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(EXTENSION) || name.endsWith(".onnx"))
    .sort()
    .map((name) => `${sha256Hex(readFileSync(join(root, folder, name)))} ${folder}/${name}\n`)
    .join("");
}
