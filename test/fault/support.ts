/**
 * What the tests of faults share: inputs that take long enough to be caught at, what an undisturbed
 * run makes of them, and a solver that waits at a gate.
 */
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../runtime/ids.ts";
import { SOLVER } from "../parity/support.ts";
import { partsOf } from "../e2e/processes.ts";
import {
  digestsOf,
  factsNamed,
  makeInputs,
  namesIn,
  type Place,
  resultOf,
  run,
  until,
} from "../e2e/support.ts";

/** Shards of a run: ~0.2 s of work each. */
export const SHARDS = 8;

export async function makeReads(place: Place): Promise<string[]> {
  return await makeInputs(place, { files: SHARDS, reads: 3_000 });
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
