/**
 * The same kinds of faults against Ray Data, with reads of the same form: `with_ray.py` starts the
 * job, strikes, runs it again when it fails, and counts. Ray lies in the folder PEERS_BASE.
 */
import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as v from "valibot";
import { makeInputs, type Place } from "../../e2e/support.ts";
import type { Outcome } from "./one-run.ts";

const SCRIPT = fileURLToPath(new URL("./with_ray.py", import.meta.url));
const RUN_MS = 1_800_000;
const FILES = 34;
const READS = 700;

/** Faults that the script knows. */
export const RAY_FAULTS = [
  "worker killed",
  "worker paused",
  "gcs killed",
  "raylet killed",
  "driver killed, run again",
] as const;

const figures = v.object({
  struck: v.boolean(),
  /** Exit codes of the driver, or "hangs". */
  ends: v.array(v.union([v.number(), v.string()])),
  recovery: v.nullable(v.number()),
  seconds: v.number(),
  lost: v.number(),
  doubled: v.number(),
  unreadable: v.array(v.string()),
});

export function rayInputs(place: Place): Promise<string[]> {
  return makeInputs(place, { files: FILES, reads: READS });
}

/** Undefined where Ray isn't installed. */
export async function runRay(
  fault: string,
  place: Place,
  inputs: readonly string[],
  seed: number,
): Promise<Outcome | undefined> {
  const base = process.env["PEERS_BASE"] ?? "";
  const python = join(base, "v", "bin", "python");
  if (base === "" || !existsSync(python)) return undefined;
  const output = place.path(`ray-${seed}`);
  const env = {
    ...{ RAY_TMPDIR: join(base, "ray"), RAY_USAGE_STATS_ENABLED: "0", PYTHONWARNINGS: "ignore" },
  };
  const args = [SCRIPT, fault, String(seed), output, ...inputs];
  const options = { timeout: RUN_MS, env: { ...process.env, ...env } };
  const { stdout } = await promisify(execFile)(python, args, options);
  const found = v.parse(figures, JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  for (const path of [output, `${output}.pids`]) rmSync(path, { recursive: true, force: true });
  const { lost, doubled, seconds, recovery } = found;
  const wrong = found.unreadable.map((name) => `unreadable ${name}`);
  if (!found.struck) wrong.push("it never struck");
  const recoverySeconds = recovery ?? undefined;
  const said = found.ends.filter((end) => end !== 0).map((end) => `exit ${end}`);
  return {
    fault: `Ray Data: ${fault}`,
    seed,
    seconds,
    recoverySeconds,
    said,
    lost,
    doubled,
    wrong,
  };
}
