/**
 * One run of the suite: the job from nothing, its fault, whatever commands it takes to finish, and
 * the verdict. All chance follows from the seed.
 */
import { sweep } from "../../../runtime/processes.ts";
import { nothingLeft } from "../../e2e/processes.ts";
import { type Ended, errorOf } from "../../e2e/support.ts";
import { Dice } from "./dice.ts";
import { mountDisk, unmountDisk } from "./disk.ts";
import type { Fault, Scene, Struck } from "./faults.ts";
import { type Running, startCommand, startOwn } from "./forms.ts";
import { FakeSlurm } from "../../slurm/fake.ts";
import { clear, type Job, withSlurm } from "./job.ts";
import { LogWatch } from "./log-watch.ts";
import { faultless } from "./s3.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** Commands after the disturbed one: what it left is repaired before the second of them. */
const COMMANDS_MAX = 3;
/** What a file's time may be behind the clock. */
const FILE_CLOCK_MS = 10;

export interface Outcome extends Verdict {
  readonly fault: string;
  readonly seed: number;
  readonly seconds: number;
  /** From the fault, or from its end, until all is made that was under way then. */
  readonly recoverySeconds: number | undefined;
  /** The code of the error that a command ended with, if one did. */
  readonly said: readonly string[];
}

/** Seeds tried for one run: a fault may find the job done already. */
const TRIES = 5;

/** A run whose fault struck, of this seed or the next ones; what it throws is what is wrong. */
export async function runStruck(fault: Fault, job: Job, first: number): Promise<Outcome> {
  const begunMs = performance.now();
  const failed = (what: string, seed: number): Outcome => {
    const seconds = (performance.now() - begunMs) / 1_000;
    const none = { lost: 0, doubled: 0, recoverySeconds: undefined, said: [] };
    return { ...none, fault: fault.name, seed, seconds, wrong: [what] };
  };
  for (let seed = first; seed < first + TRIES; seed += 1) {
    try {
      const outcome = await runOnce(fault, job, seed);
      if (outcome !== undefined) return outcome;
    } catch (thrown) {
      return failed(String(thrown), seed);
    }
  }
  return failed(`it never struck in ${TRIES} runs`, first);
}

/** Undefined when the run was over before the fault could strike. */
async function runOnce(fault: Fault, given: Job, seed: number): Promise<Outcome | undefined> {
  const slurm = fault.form === "slurm" ? await FakeSlurm.start() : undefined;
  const job = slurm === undefined ? given : withSlurm(given, slurm);
  clear(job);
  const disk = fault.disk === undefined ? undefined : mountDisk(job, fault.disk);
  const watch = new LogWatch(job.state);
  try {
    return await strikeOnce(fault, { job, watch, dice: new Dice(seed), disk }, seed);
  } finally {
    watch.stop();
    job.worlds.s3?.set(faultless);
    const { entry, folder } = job.place;
    await sweep({ entry, folder }, { graceMs: 0 });
    await slurm?.close();
    if (disk !== undefined) unmountDisk(disk);
  }
}

async function strikeOnce(
  fault: Fault,
  parts: Omit<Scene, "run">,
  seed: number,
): Promise<Outcome | undefined> {
  const begunMs = performance.now();
  const { job, watch, dice } = parts;
  const run = await start(fault, job, dice.whole(1, 3));
  const scene: Scene = { ...parts, run };
  const [struck, first] = await Promise.all([fault.strike(scene), run.ended]);
  const { wrong, said } = await finish(fault, scene, first);
  const verdict = await verdictOf(job);
  if (struck === undefined) return undefined;
  watch.stop();
  return {
    ...{ fault: fault.name, seed, seconds: (performance.now() - begunMs) / 1_000, said },
    ...{ lost: verdict.lost, doubled: verdict.doubled, wrong: [...wrong, ...verdict.wrong] },
    recoverySeconds: isMeasured(fault) ? recoveryOf(scene, struck) : undefined,
  };
}

async function start({ form }: Fault, job: Job, executors: number): Promise<Running> {
  switch (form) {
    case "two":
      return await startOwn(job, { workers: 2, standbyHeads: 0 });
    case "standby":
      return await startOwn(job, { workers: 1, standbyHeads: 1 });
    case "command":
    case "solve":
    case "s3":
    case "slurm":
      return startCommand(job, executors);
    default:
      return form satisfies never;
  }
}

/** Runs the command again until one succeeds; @returns what was not as it should be. */
async function finish(fault: Fault, { job, dice }: Scene, first: Ended) {
  const [wrong, said]: [string[], string[]] = [[], []];
  if (!fault.ends.includes(first.code)) wrong.push(`the command ended so: ${wordsOf(first)}`);
  if (first.code === 0 && fault.damage === undefined) return { wrong, said };
  said.push(codeOf(first));
  // A killed command leaves its supervisor to end what it owns.
  if (first.code === null) await nothingLeft(job.place);
  const undo = fault.damage?.(job, dice);
  for (let again = 0; again < COMMANDS_MAX; again += 1) {
    const ended = await startCommand(job, 2).ended;
    if (ended.code === 0) return { wrong, said };
    said.push(codeOf(ended));
    const isExpected = undo !== undefined && again === 0;
    if (!isExpected) wrong.push(`run again, it ended so: ${wordsOf(ended)}`);
    undo?.();
  }
  return { wrong, said };
}

function codeOf(ended: Ended): string {
  if (ended.code === null) return "killed";
  try {
    return errorOf(ended).code;
  } catch {
    return `exit ${ended.code}`;
  }
}

function wordsOf(ended: Ended): string {
  return `exit ${ended.code}: ${ended.stderr.trim().split("\n").slice(-3).join(" | ")}`;
}

/** Whether what comes after the fault is recovery, not repair or a solve. */
function isMeasured({ damage, form }: Fault): boolean {
  return damage === undefined && form !== "slurm";
}

/**
 * Seconds until the shards that were under way are all made: whoever had them may be gone. A fault
 * that passes counts from its end, unless others did its work before.
 */
function recoveryOf({ job, run, watch }: Scene, struck: Struck): number | undefined {
  const receipts = watch.receipts();
  const madeMs = (shard: string) => receipts.get(shard) ?? Infinity;
  const left = job.order.filter((shard) => madeMs(shard) > struck.atMs);
  const lastMs = Math.max(...left.slice(0, run.underWay).map(madeMs));
  if (!Number.isFinite(lastMs)) return undefined;
  const { atMs, healedMs = atMs } = struck;
  const isPast = lastMs > healedMs - FILE_CLOCK_MS;
  return Math.max(0, lastMs - (isPast ? healedMs : atMs)) / 1_000;
}
