/**
 * What the tests of faults share: inputs that take long enough to be caught at, what an undisturbed
 * run makes of them, and a solver that waits at a gate.
 */
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../runtime/ids.ts";
import { SOLVER } from "../parity/support.ts";
import type { ProcessIdentity } from "../../runtime/processes.ts";
import { freezeMidShard, partsOf } from "../e2e/processes.ts";
import {
  digestsOf,
  factsNamed,
  makeInputs,
  namesIn,
  type Place,
  resultOf,
  run,
  type Started,
  startRun,
  until,
} from "../e2e/support.ts";

/** Runs of which one must be caught at work. */
const ATTEMPTS_MAX = 4;
/** Shards of a run: ~0.2 s of work each. */
export const SHARDS = 8;

export async function makeReads(place: Place): Promise<string[]> {
  return await makeInputs(place, { files: SHARDS, reads: 3_000 });
}

/** A run that stands still: an executor is stopped within a shard. */
export interface FrozenRun {
  readonly started: Started;
  readonly executor: ProcessIdentity;
  readonly output: string;
  /** What it was started with. */
  readonly args: readonly string[];
}

/** A run of one shard for each input, stopped once `committed` receipts are in its log. */
export async function frozenRun(
  place: Place,
  inputs: readonly string[],
  options: { executors?: number; committed?: number; more?: readonly string[] } = {},
): Promise<FrozenRun> {
  const { executors = 1, committed = 1, more: asked = [] } = options;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const output = place.path(`out-${attempt}`);
    const more = ["--executors", String(executors), "--input", ...inputs, "--output", output];
    const args = ["--no-solve", ...asked, ...more];
    const started = startRun(place, args);
    const executor = await freezeMidShard(place, output, inputs, committed);
    if (executor !== undefined) return { started, executor, output, args };
    // This process got no time to look while the shards were made.
    await started.ended;
  }
  throw new Error(`no executor was caught within a shard, in ${ATTEMPTS_MAX} runs`);
}

/** sha256 of every shard of an undisturbed run. */
export async function undisturbedShards(
  place: Place,
  inputs: readonly string[],
): Promise<readonly string[]> {
  const output = place.path("undisturbed");
  resultOf(await run(place, ["--no-solve", "--input", ...inputs, "--output", output]));
  return await digestsOf(output);
}

/** Every shard of an output with the time it was written. */
export async function shardTimes(output: string): Promise<ReadonlyMap<string, number>> {
  const folder = join(output, "embeddings");
  const names = namesIn(folder).filter((name) => name.endsWith(".parquet"));
  const times = names.map(
    async (name) => [name, (await stat(join(folder, name))).mtimeMs] as const,
  );
  return new Map(await Promise.all(times));
}

/** A solver whose ranks wait until the gate is opened, then become the real one. */
export interface Gate {
  /** For the environment of a run. */
  readonly env: Readonly<Record<string, string>>;
  open(): Promise<void>;
}

export async function makeGate(place: Place): Promise<Gate> {
  const [script, gate] = [place.path("gated-solver"), place.path("gate")];
  const wait = `while [ ! -e '${gate}' ]; do sleep 0.05; done`;
  await writeFile(script, `#!/bin/sh\n${wait}\nexec '${SOLVER}' "$@"\n`);
  await chmod(script, 0o755);
  return { env: { LIGASE_SOLVER: script }, open: () => writeFile(gate, "") };
}

/** Waits until `ranks` of them stand at the gate. */
export async function atGate(place: Place, ranks: number): Promise<void> {
  const waiting = () => partsOf(place, "rank").length >= ranks;
  await until(`${ranks} ranks at the gate`, waiting, 60);
}

/** Slurm jobs that a run's log tells of. */
export async function attemptsOf(output: string): Promise<number> {
  return (await factsNamed(output, "solve.attempted")).length;
}

/** sha256 of the result, wherever it stands. */
export async function netcdfDigest(path: string | null): Promise<string> {
  return sha256Hex(await readFile(path ?? ""));
}
