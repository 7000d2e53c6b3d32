/**
 * The faults of the suite, by name: what each does to a run, at which moment, and how the disturbed
 * command may end. Chance comes from the run's dice alone.
 */
import { setTimeout as delay } from "node:timers/promises";
import { identityOf, type ProcessIdentity, signalExactly } from "../../../runtime/processes.ts";
import { freeze, holdsOne, parentOf, type Part, partsOf, thaw } from "../../e2e/processes.ts";
import { until } from "../../e2e/support.ts";
import { damages, type Undo } from "./damage.ts";
import { MISBEHAVIOURS } from "../../slurm/fake.ts";
import { Balloon } from "./disk.ts";
import type { Dice } from "./dice.ts";
import type { Running } from "./forms.ts";
import type { Job } from "./job.ts";
import type { LogWatch } from "./log-watch.ts";
import { faultless, faulty, outage } from "./s3.ts";

/** Where and when a fault strikes. */
export interface Scene {
  readonly job: Job;
  readonly run: Running;
  readonly watch: LogWatch;
  readonly dice: Dice;
  /** The small disk of this run, if its fault has one. */
  readonly disk: string | undefined;
}

export interface Struck {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** When a fault that passes had passed. */
  readonly healedMs?: number;
}

export interface Fault {
  readonly name: string;
  readonly form: "command" | "two" | "standby" | "solve" | "slurm" | "s3";
  /** Exit codes of the disturbed command; null is its own SIGKILL. After others it runs again. */
  readonly ends: readonly (number | null)[];
  /** What it strikes; undefined when there was nothing left to strike. */
  readonly strike: (scene: Scene) => Promise<Struck | undefined>;
  /** A folder of the output that is a small disk of its own. */
  readonly disk?: "output" | "state";
  /** What is done to the files after the first command; what it gives repairs them. */
  readonly damage?: (job: Job, dice: Dice) => Undo | undefined;
}

/** Shares of runs that are struck while they start, and of shards before the last strike. */
const START_SHARE = 0.12;
const RECEIPTS_SHARE = 0.85;
const DELAY_MS = 120;
const PAUSE_MS = 6_000;
const PAUSE_MORE_MS = 14_000;
const DISK_FULL_MS = 4_000;
const S3_GONE_MS = 6_000;
const MISBEHAVIOURS_EACH = 3;
const SOLVER_MS = 1_500;
const RANK_MS = 600;
/** Looks for an executor with an input open, 20 ms apart. */
const LOOKS = 20;

/** Waits for a moment of the run that chance gives; false when the run was over before. */
async function moment({ job, run, watch, dice }: Scene): Promise<boolean> {
  const isAtStart = dice.next() < START_SHARE;
  const receipts = isAtStart ? 0 : dice.whole(0, Math.floor(job.order.length * RECEIPTS_SHARE));
  const lateMs = dice.whole(0, DELAY_MS);
  const first = isAtStart ? "epoch" : "dataset.planned";
  const isThere = await watch.count(first, 1, run.ended);
  if (!isThere || !(await watch.count("shard.committed", receipts, run.ended))) return false;
  await delay(lateMs);
  return true;
}

async function inSolve({ run, watch, dice }: Scene): Promise<boolean> {
  const lateMs = dice.whole(0, SOLVER_MS);
  if (!(await watch.count("solve.attempted", 1, run.ended))) return false;
  await delay(lateMs);
  return true;
}

/** Amid a rank's own work. */
async function inRank({ job, run, dice }: Scene): Promise<boolean> {
  const lateMs = dice.whole(0, RANK_MS);
  let isOver = false;
  const end = (): void => void (isOver = true);
  run.ended.then(end, end);
  await until("a rank runs", () => isOver || partsOf(job.place, "rank").length > 0, 120);
  await delay(lateMs);
  return !isOver;
}

type Victims = (scene: Scene) => Promise<readonly ProcessIdentity[]>;

const part =
  (what: Part): Victims =>
  async ({ job }) =>
    partsOf(job.place, what).slice(0, 1);

/** Of two heads the first one leads. */
const leader: Victims = async ({ job }) =>
  partsOf(job.place, "head")
    .sort((a, b) => a.startTicks - b.startTicks)
    .slice(0, 1);

/** An executor that reads an input now, else any. */
const executorAtWork: Victims = async ({ job, dice }) => {
  for (let look = 0; look < LOOKS; look += 1) {
    const executors = partsOf(job.place, "executor");
    const busy = executors.filter(({ pid }) => holdsOne(pid, job.inputs));
    const from = busy.length > 0 ? busy : look === LOOKS - 1 ? executors : [];
    if (from.length > 0) return [dice.pick(from)];
    await delay(20);
  }
  return [];
};

/** The driver and spares: whatever executor reads no input. */
const driver: Victims = async ({ job }) =>
  partsOf(job.place, "executor").filter(({ pid }) => !holdsOne(pid, job.inputs));

/** The second worker's agent and all its executors, as its machine would go. */
const machine: Victims = async ({ job, run }) => {
  const agent = run.second?.agent;
  if (agent === undefined) return [];
  const executors = partsOf(job.place, "executor");
  return [agent, ...executors.filter(({ pid }) => parentOf(pid) === agent.pid)];
};

const killing =
  (victims: Victims, when = moment): Fault["strike"] =>
  async (scene) => {
    if (!(await when(scene))) return undefined;
    const found = await victims(scene);
    if (found.length === 0) return undefined;
    const atMs = Date.now();
    for (const one of found) signalExactly(one, "SIGKILL");
    return { atMs };
  };

const stopping =
  (victims: Victims, when = moment): Fault["strike"] =>
  async (scene) => {
    const pauseMs = PAUSE_MS + PAUSE_MORE_MS * scene.dice.next() ** 2;
    if (!(await when(scene))) return undefined;
    const found = await victims(scene);
    if (found.length === 0) return undefined;
    const atMs = Date.now();
    await Promise.all(found.map((one) => freeze(one).catch(() => undefined)));
    await delay(pauseMs);
    const healedMs = Date.now();
    for (const one of found) thaw(one);
    return { atMs, healedMs };
  };

const command: Victims = async ({ run }) => {
  const identity = run.command === undefined ? undefined : identityOf(run.command);
  return identity === undefined ? [] : [identity];
};

/** The second worker hears and says nothing for a while. */
const cutting: Fault["strike"] = async (scene) => {
  const pauseMs = PAUSE_MS + PAUSE_MORE_MS * scene.dice.next() ** 2;
  const worker = scene.run.second?.worker;
  if (!(await moment(scene)) || worker === undefined) return undefined;
  const atMs = Date.now();
  worker.cut();
  await delay(pauseMs);
  const healedMs = Date.now();
  worker.mend();
  return { atMs, healedMs };
};

/** No byte more can be written for a while. */
const filling: Fault["strike"] = async (scene) => {
  const fullMs = scene.dice.whole(200, DISK_FULL_MS);
  if (!(await moment(scene)) || scene.disk === undefined) return undefined;
  const atMs = Date.now();
  const balloon = Balloon.fill(scene.disk);
  await Promise.race([delay(fullMs), scene.run.ended.catch(() => undefined)]);
  balloon.remove();
  return { atMs, healedMs: Date.now() };
};

/** From a moment on many requests to S3 meet a fault, to the end of the command. */
const s3Failing: Fault["strike"] = async (scene) => {
  if (!(await moment(scene)) || scene.job.worlds.s3 === undefined) return undefined;
  const atMs = Date.now();
  scene.job.worlds.s3.set(faulty(scene.dice));
  await scene.run.ended.catch(() => undefined);
  scene.job.worlds.s3.set(faultless);
  return { atMs };
};

/** S3 refuses everything for a while. */
const s3Gone: Fault["strike"] = async (scene) => {
  const goneMs = scene.dice.whole(1_000, S3_GONE_MS);
  if (!(await moment(scene)) || scene.job.worlds.s3 === undefined) return undefined;
  const atMs = Date.now();
  scene.job.worlds.s3.set(outage);
  await delay(goneMs);
  const healedMs = Date.now();
  scene.job.worlds.s3.set(faultless);
  return { atMs, healedMs };
};

/** Slurm does some of all that it may do, at the calls that come next. */
const slurmMisbehaving: Fault["strike"] = async ({ job, run, dice }) => {
  const { slurm } = job.worlds;
  const atMs = Date.now();
  const hows = Array.from({ length: MISBEHAVIOURS_EACH }, () => dice.pick(MISBEHAVIOURS));
  for (const how of hows) slurm?.misbehave(how, dice.whole(1, 3));
  await run.ended.catch(() => undefined);
  slurm?.behave();
  return { atMs };
};

/** And the head dies amid it. */
const slurmAndHead: Fault["strike"] = async (scene) => {
  const [struck] = await Promise.all([
    slurmMisbehaving(scene),
    killing(part("head"), inSolve)(scene),
  ]);
  return struck;
};

/** Several of them, each at its own moment. */
const several: Fault["strike"] = async (scene) => {
  const strikes = [
    ...(["agent", "nats", "head"] as const).map((what) => killing(part(what))),
    killing(executorAtWork),
    killing(driver),
    stopping(executorAtWork),
    stopping(part("head")),
    stopping(part("nats")),
  ];
  const count = scene.dice.whole(2, 5);
  const chosen = Array.from({ length: count }, () => scene.dice.pick(strikes));
  const struck = (await Promise.all(chosen.map((strike) => strike(scene)))).filter(
    (one) => one !== undefined,
  );
  if (struck.length < 2) return undefined;
  const atMs = Math.min(...struck.map((one) => one.atMs));
  // Its recovery counts from the last of them.
  return { atMs, healedMs: Math.max(...struck.map((one) => one.healedMs ?? one.atMs)) };
};

const onCommand = (name: string, strike: Fault["strike"], ends: Fault["ends"] = [0]): Fault => {
  return { name, form: "command", ends, strike };
};
const onTwo = (name: string, strike: Fault["strike"]): Fault => {
  return { name, form: "two", ends: [0], strike };
};
const onStandby = (name: string, strike: Fault["strike"]): Fault => {
  return { name, form: "standby", ends: [0], strike };
};
const onS3 = (name: string, strike: Fault["strike"], ends: Fault["ends"] = [0]): Fault => {
  return { name, form: "s3", ends, strike };
};
const onSlurm = (name: string, strike: Fault["strike"]): Fault => {
  // A command whose Slurm doesn't answer its first question says so, with exit code 4.
  return { name, form: "slurm", ends: [0, 4, 6], strike };
};
const onSolve = (name: string, strike: Fault["strike"], ends: Fault["ends"] = [0]): Fault => {
  return { name, form: "solve", ends, strike };
};
const SUPERVISOR_ENDS = [0, 4] as const;

/** Every fault of the suite, by the name under which it is reported and asked for. */
export const FAULTS: readonly Fault[] = [
  onCommand("executor killed", killing(executorAtWork)),
  onCommand("driver killed", killing(driver)),
  onCommand("agent killed", killing(part("agent"))),
  onCommand("head killed", killing(part("head"))),
  onCommand("nats-server killed", killing(part("nats"))),
  onCommand("supervisor killed", killing(part("supervisor")), SUPERVISOR_ENDS),
  onCommand("command killed", killing(command), [null]),
  onTwo("worker killed", killing(machine)),
  onCommand("executor paused", stopping(executorAtWork)),
  onCommand("agent paused", stopping(part("agent"))),
  onCommand("head paused", stopping(part("head"))),
  onCommand("nats-server paused", stopping(part("nats"))),
  onCommand("command paused", stopping(command)),
  onStandby("head killed, another stands by", killing(leader)),
  onStandby("head paused, another stands by", stopping(leader)),
  onTwo("worker paused", stopping(machine)),
  onTwo("worker cut off", cutting),
  onCommand("several at once", several),
  { ...onCommand("disk of the output full", filling, [0, 4]), disk: "output" },
  { ...onCommand("disk of the state full", filling, [0, 4]), disk: "state" },
  ...damages.map((one): Fault => {
    const strike = killing(command, one.form === "solve" ? inSolve : moment);
    return { ...one, ends: [null], strike };
  }),
  onS3("requests to S3 fail", s3Failing, [0, 4]),
  onS3("S3 gone for a while", s3Gone, [0, 4]),
  onS3("executor killed, all in S3", killing(executorAtWork)),
  onS3("head killed, all in S3", killing(part("head"))),
  onS3("command killed, all in S3", killing(command), [null]),
  onSlurm("Slurm misbehaves", slurmMisbehaving),
  onSlurm("Slurm misbehaves, head killed", slurmAndHead),
  onSolve("solver rank killed", killing(part("rank"), inRank), [0, 6]),
  onSolve("solver rank paused", stopping(part("rank"), inRank)),
  onSolve("slurmctld killed", killing(part("slurmctld"), inSolve)),
  onSolve("head killed, solving", killing(part("head"), inSolve)),
  onSolve("command killed, solving", killing(command, inSolve), [null]),
  onSolve("supervisor killed, solving", killing(part("supervisor"), inSolve), SUPERVISOR_ENDS),
];
