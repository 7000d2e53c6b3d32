/**
 * 1,000,000 tasks that fit no worker, submitted by one client through the bus to a head: how many a
 * second from the first `submit` until the head says that all wait, what each costs the head's
 * process, and how long a task that fits then takes, from its submission until its result is there.
 *
 * Estimate: the head decodes a frame of 4,096 tasks in ~0.4 ms and takes ~0.4 us for a task's row,
 * queue and page of numbers: 0.5 us of 5. The client encodes arguments, makes a promise and keeps
 * the frame: 2 us. A row is 49 B, its number 4 B, its arguments 8 B.
 */
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { cpuMs, type Descendant, descendants } from "./machine.ts";
import { Noop, Numbered } from "./noop.ts";
import { ray, RivalRuns } from "./rivals.ts";

const PROGRAM = new URL("./noop.ts", import.meta.url);
const TASKS = 1_000_000;
/** Submitted in one turn; more would keep the client from sending. */
const TURN = 20_000;
/** What no worker has. */
const NOWHERE = { resources: { custom: { nowhere: 1 } } };
/** Tasks that fit, one after the other. */
const SINGLE = 100;
const DEADLINE_MS = 120_000;

interface Turn {
  readonly perSecond: number;
  readonly bytesInHead: number;
  /** Microseconds of processor time a task. */
  readonly headUs: number;
  readonly clientUs: number;
  /** Of a task that fits, before and behind the others. */
  readonly idleMs: number;
  readonly behindMs: number;
  readonly slowestMs: number;
}

export const queueBench: Bench = {
  name: "queue",
  async run(times): Promise<BenchResult> {
    const turns: Turn[] = [];
    const rivals = new RivalRuns();
    for (let i = 0; i < times; i += 1) {
      turns.push(await oneTurn());
      rivals.add("Ray, 20,000 of them, /s", (await ray("queue"))?.queuedPerSecond);
    }
    const of = (figure: (turn: Turn) => number): number => median(turns.map(figure));
    const runs = turns.map(({ perSecond }) => perSecond);
    return {
      name: "queue",
      unit: "tasks/s",
      ours: median(runs),
      runs,
      also: {
        "in the head, B a task": of(({ bytesInHead }) => bytesInHead),
        "processor time of the head, us a task": of(({ headUs }) => headUs),
        "processor time of the owner, us a task": of(({ clientUs }) => clientUs),
        "one that fits, none waiting, p50, ms": of(({ idleMs }) => idleMs),
        "one that fits, 1,000,000 waiting, p50, ms": of(({ behindMs }) => behindMs),
        "the same, slowest, ms": Math.max(...turns.map(({ slowestMs }) => slowestMs)),
      },
      rivals: rivals.medians(),
    };
  },
};

async function oneTurn(): Promise<Turn> {
  await using cluster = await connect({ program: PROGRAM, executors: 2 });
  const idle = await oneByOne(cluster);
  const { pid, pssMb: headMb } = leader();
  const before = { head: cpuMs(pid), client: cpuMs(process.pid) };
  const begunMs = performance.now();
  for (let i = 0; i < TASKS; i += 1) {
    cluster.submit(Numbered, [i], NOWHERE);
    if (i % TURN === 0) await new Promise(setImmediate);
  }
  await allWait(cluster);
  const tookMs = performance.now() - begunMs;
  const [headMs, clientMs] = [cpuMs(pid) - before.head, cpuMs(process.pid) - before.client];
  const behind = await oneByOne(cluster);
  return {
    perSecond: (TASKS / tookMs) * 1_000,
    bytesInHead: ((leader().pssMb - headMb) * 1_024 ** 2) / TASKS,
    headUs: (headMs * 1_000) / TASKS,
    clientUs: (clientMs * 1_000) / TASKS,
    idleMs: median(idle),
    behindMs: median(behind),
    slowestMs: Math.max(...behind),
  };
}

/** The process that leads. */
function leader(): Descendant {
  const head = descendants().find(({ command }) => command === "daemon/main.ts");
  if (head === undefined) throw new Error("no head is there");
  return head;
}

async function allWait(cluster: Cluster): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const { tasks } = await cluster.summary("tasks");
    const waiting = tasks.find(({ task }) => task === "numbered")?.waiting ?? 0;
    if (waiting === TASKS) return;
    if (performance.now() > endMs) throw new Error(`only ${waiting} tasks wait`);
  }
}

async function oneByOne(cluster: Cluster): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < SINGLE; i += 1) {
    const begunMs = performance.now();
    await cluster.submit(Noop, []);
    took.push(performance.now() - begunMs);
  }
  return took;
}
