/**
 * `npm run test:fault -- [--runs N] [--fault NAME]... [--seed S] [--json] [--ray]`: faults strike
 * real processes of the main job at moments that seeds give. Every run's seed is printed; `--fault
 * NAME --seed S --runs 1` strikes again in the same way. With --ray the faults strike Ray Data
 * instead, where PEERS_BASE has it. The exit code is 1 when a run of ours isn't as it should be.
 */
import { availableParallelism, cpus, loadavg } from "node:os";
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { cleanUp, newPlace } from "../../e2e/support.ts";
import { FakeSlurm } from "../../slurm/fake.ts";
import { canMount } from "./disk.ts";
import { type Fault, FAULTS } from "./faults.ts";
import { type Job, type JobKind, prepareJob } from "./job.ts";
import { type Outcome, runStruck } from "./one-run.ts";
import { RAY_FAULTS, rayInputs, runRay } from "./rivals.ts";
import { startS3 } from "./s3.ts";
import { rowsOf, tableOf } from "./table.ts";

/** Between the seeds of two runs, so that tries of one aren't those of the next. */
const SEED_STEP = 100;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "26" },
    fault: { type: "string", multiple: true },
    seed: { type: "string" },
    json: { type: "boolean", default: false },
    ray: { type: "boolean", default: false },
  },
});
/** Set by a signal: the run under way is the last one, and the table is made. */
const asked = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => asked.abort());
const runs = Number(values.runs);
const seed = Number(values.seed ?? randomInt(1, 2 ** 31));
const chosen = FAULTS.filter(({ name }) => values.fault?.includes(name) ?? true);
const unknown = values.fault?.filter((name) => FAULTS.every((fault) => fault.name !== name)) ?? [];
if (unknown.length > 0 || !Number.isInteger(runs) || runs < 1 || !Number.isInteger(seed)) {
  const names = FAULTS.map(({ name }) => name).join("; ");
  process.stderr.write(`--runs and --seed take numbers, --fault one of: ${names}\n`);
  process.exitCode = 2;
} else {
  process.exitCode = values.ray ? await ray() : await main(chosen.filter(isPossible));
}

function isPossible({ name, disk }: Fault): boolean {
  const possible = disk === undefined || canMount();
  if (!possible) say(`${name}: not run, only root mounts a disk`);
  return possible;
}

function kindOf({ form }: Fault): JobKind {
  return form === "solve" || form === "slurm" || form === "s3" ? form : "plain";
}

async function main(faults: readonly Fault[]): Promise<number> {
  say(`seed ${seed}; ${cpus()[0]?.model ?? "unknown"} x ${availableParallelism()}, load ${load()}`);
  const place = await newPlace();
  const jobs = new Map<JobKind, Job>();
  const has = (asked: Fault["form"]) => faults.some(({ form }) => form === asked);
  const s3 = has("s3") ? await startS3() : undefined;
  const slurm = has("slurm") ? await FakeSlurm.start() : undefined;
  const worlds = { ...(s3 && { s3 }), ...(slurm && { slurm }) };
  const possible = faults.filter(({ form }) => form !== "s3" || s3 !== undefined);
  const outcomes: Outcome[] = [];
  try {
    for (let i = 0; i < runs && !asked.signal.aborted; i += 1) {
      const fault = possible[i % possible.length];
      if (fault === undefined) break;
      const kind = kindOf(fault);
      const job = jobs.get(kind) ?? (await prepareJob(place, kind, worlds));
      if (!jobs.has(kind)) say(`undisturbed, ${job.order.length} shards: ${fixed(job.seconds)} s`);
      jobs.set(kind, job);
      const outcome = await runStruck(fault, job, seed + i * SEED_STEP);
      say(`${i + 1}/${runs} ${lineOf(outcome)}`);
      outcomes.push(outcome);
    }
  } finally {
    await s3?.close();
    await slurm?.close();
    await cleanUp();
  }
  const rows = rowsOf(outcomes);
  say(`\n${tableOf(rows)}\n\nload ${load()}`);
  const failed = outcomes.filter((one) => one.lost + one.doubled + one.wrong.length > 0);
  for (const { fault, seed: own } of failed) {
    say(`failed: npm run test:fault -- --runs 1 --fault "${fault}" --seed ${own}`);
  }
  if (values.json) say(JSON.stringify({ seed, rows, outcomes }));
  return failed.length === 0 ? 0 : 1;
}

/** Ray's runs are told, not judged. */
async function ray(): Promise<number> {
  say(`seed ${seed}; Ray Data, load ${load()}`);
  const place = await newPlace();
  const outcomes: Outcome[] = [];
  try {
    const inputs = await rayInputs(place);
    for (let i = 0; i < runs && !asked.signal.aborted; i += 1) {
      const fault = RAY_FAULTS[i % RAY_FAULTS.length] ?? "";
      const outcome = await runRay(fault, place, inputs, seed + i * SEED_STEP);
      if (outcome === undefined) {
        say("Ray isn't there: PEERS_BASE names the folder that holds it");
        return 2;
      }
      say(`${i + 1}/${runs} ${lineOf(outcome)}`);
      outcomes.push(outcome);
    }
  } finally {
    await cleanUp();
  }
  const rows = rowsOf(outcomes);
  say(`\n${tableOf(rows)}\n\nload ${load()}`);
  if (values.json) say(JSON.stringify({ seed, rows, outcomes }));
  return 0;
}

function lineOf({ fault, seed: own, seconds, recoverySeconds, said, ...found }: Outcome): string {
  const { lost, doubled, wrong } = found;
  const isWell = lost + doubled + wrong.length === 0;
  const recovery =
    recoverySeconds === undefined ? "" : `, recovered in ${fixed(recoverySeconds)} s`;
  const words = said.length === 0 ? "" : `, ${said.join(", ")}`;
  const what = isWell ? "well" : `FAILED: lost ${lost}, doubled ${doubled}, ${wrong.join("; ")}`;
  return `${fault} (seed ${own}): ${fixed(seconds)} s${recovery}${words}: ${what}`;
}

function load(): string {
  return fixed(loadavg()[0] ?? 0);
}

function fixed(value: number): string {
  return value.toFixed(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
