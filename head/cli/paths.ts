/** Where a run reads and writes, from what was typed. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { SystemError } from "../../runtime/errors.ts";
import { sha256Hex, short12 } from "../../runtime/ids.ts";
import { checkUri, isS3 } from "../../runtime/storage/uri.ts";

/** Name of the run that makes its own input. */
const SAMPLE = "sample";
/** Fresh runs of one output. */
const FRESH_MAX = 10_000;

/** Where the person typed: npm runs scripts in the checkout and says where it was called. */
export function typedFolder(env: NodeJS.ProcessEnv, workingFolder: string): string {
  const byNpm = env["npm_lifecycle_event"] === "start" ? env["INIT_CWD"] : undefined;
  return byNpm ?? workingFolder;
}

/**
 * A path as it was typed, absolute; a name in S3 as it is, without a slash at its end.
 * @throws {SystemError} USAGE: an empty one names no file, not all texts name an object, and there
 * is no storage for other schemes.
 */
export function typedPath(from: string, path: string): string {
  if (isS3(path)) {
    checkUri(path);
    return path.replace(/\/$/, "");
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    throw new SystemError("USAGE", "it is neither a path nor s3://", { uri: path });
  }
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
  if (!fresh) return folder;
  if (!isS3(folder)) return firstFree(folder);
  throw new SystemError("USAGE", "--fresh is for folders: name another --output", { uri: folder });
}

/** Where a cluster keeps its state. */
export interface StatePlaces {
  /** Locks, sockets, logs and solves: always a folder of this machine, or a shared one. */
  readonly stateDir: string;
  /** What is durable; absent: in that folder too. */
  readonly stateUri?: string;
}

/**
 * The places of the cluster's state: as given, else `.ligase` in the output; absolute. Of a state
 * in S3 only what is durable lies there, the rest in a folder of its own in the person's state.
 * @throws {SystemError} USAGE for an output in S3 without a state.
 */
export function statePlaces(
  given: string | undefined,
  output: string,
  from: string,
  env: NodeJS.ProcessEnv = process.env,
): StatePlaces {
  if (given !== undefined) {
    const place = typedPath(from, given);
    if (!isS3(place)) return { stateDir: place };
    const home = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local", "state");
    return { stateDir: join(home, "ligase", short12(sha256Hex(place))), stateUri: place };
  }
  if (!isS3(output)) return { stateDir: join(output, ".ligase") };
  const what = "an --output in S3 needs --state: a folder, or s3://, for the job's state";
  throw new SystemError("USAGE", what, { uri: output });
}

/**
 * Refuses what phase 2 and the sample can't do in S3 yet.
 * @throws {SystemError} USAGE, with what to type instead.
 */
export function checkPlaces(
  output: string,
  { inputs, solve }: { readonly inputs: readonly string[]; readonly solve: boolean },
): void {
  if (!isS3(output)) return;
  if (solve) {
    const what = "phase 2 reads shards from a folder: add --no-solve, or name a local --output";
    throw new SystemError("USAGE", what, { uri: output });
  }
  if (inputs.length > 0) return;
  const what = "the sample is made in a folder: name an --input, or a local --output";
  throw new SystemError("USAGE", what, { uri: output });
}

/** The name without folder and without what says the format. */
function stemOf(path: string): string {
  const name = basename(path);
  const stem = name
    .replace(/\.(gz|bgz|bgzf|zst)$/i, "")
    .replace(/\.(fastq|fq|fasta|fa|fna|faa|csv)$/i, "");
  return stem === "" ? name : stem;
}

function firstFree(folder: string): string {
  if (!existsSync(folder)) return folder;
  for (let n = 2; n < FRESH_MAX; n += 1) {
    if (!existsSync(`${folder}-${n}`)) return `${folder}-${n}`;
  }
  throw new SystemError("USAGE", `${FRESH_MAX} fresh runs stand there`, { uri: folder });
}
