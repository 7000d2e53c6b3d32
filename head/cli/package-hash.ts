/** Identity of the program that `ligase run` submits: the sources of this package. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256Hex } from "../../runtime/ids.ts";
import type { Program } from "../../runtime/messages.ts";

/** What decides the bytes of a shard: not the head, not the solver's own sources. */
const FOLDERS = ["actors", "runtime", "worker"];

/** The program `pipeline` by URL, with the hash of the package's sources. */
export function pipelineProgram(): Program {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const lines = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension) || name.endsWith(".onnx"))
      .sort()
      .map((name) => `${sha256Hex(readFileSync(join(root, folder, name)))} ${folder}/${name}\n`),
  );
  const url = new URL(`../../actors/pipeline${extension}`, import.meta.url).href;
  return { url, sha256: sha256Hex(lines.join("")) };
}
