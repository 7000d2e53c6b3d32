/** Where a run reads and writes, from what was typed. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { SystemError } from "../../runtime/errors.ts";

/** Name of the run that makes its own input. */
const SAMPLE = "sample";
/** Fresh runs of one output. */
const FRESH_MAX = 10_000;

/** Where the person typed: npm runs scripts in the checkout and says where it was called. */
export function typedFolder(env: NodeJS.ProcessEnv, workingFolder: string): string {
  const byNpm = env["npm_lifecycle_event"] === "start" ? env["INIT_CWD"] : undefined;
  return byNpm ?? workingFolder;
}

/** A path as it was typed, absolute. @throws {SystemError} USAGE: an empty one names no file. */
export function typedPath(from: string, path: string): string {
  if (path !== "") return resolve(from, path);
  throw new SystemError("USAGE", "a path is empty: is a variable of the shell unset?");
}

/** The output folder: as given, else `ligase-runs/<stem of the first input>`; absolute. */
export function outputFolder(
  given: string | undefined,
  inputs: readonly string[],
  from: string,
  fresh: boolean,
): string {
  const stem = inputs[0] === undefined ? SAMPLE : stemOf(inputs[0]);
  const folder = typedPath(from, given ?? `ligase-runs/${stem}`);
  return fresh ? firstFree(folder) : folder;
}

/** The folder of the cluster's state: as given, else `.ligase` in the output; absolute. */
export function stateFolder(given: string | undefined, output: string, from: string): string {
  return given === undefined ? join(output, ".ligase") : typedPath(from, given);
}

function stemOf(path: string): string {
  return basename(path)
    .replace(/\.gz$/i, "")
    .replace(/\.(fastq|fq)$/i, "");
}

function firstFree(folder: string): string {
  if (!existsSync(folder)) return folder;
  for (let n = 2; n < FRESH_MAX; n += 1) {
    if (!existsSync(`${folder}-${n}`)) return `${folder}-${n}`;
  }
  throw new SystemError("USAGE", `${FRESH_MAX} fresh runs stand there`, { uri: folder });
}
