/**
 * 10,000 tasks that do nothing, on two warm executors: submitted in one turn, until the last result
 * is there. Client, supervisor, nats-server, head, agent and two executors share the cores.
 *
 * Estimate: 20 us of two cores a task (50,000/s). Client 3 (a promise, a place in a frame, a result
 * unpacked), head 3 (a queue, an order, an event), agent 3 (an executor, its word, an event),
 * executor 5 (its mark 1.5, decode, call, result), nats-server and kernel 1: 15 of the 40 us that
 * two cores have.
 */
import { connect, type TaskType } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { Noop, NoopThread, Where, WhereThread } from "./noop.ts";
import { pssMb } from "./machine.ts";
import { ray, RivalRuns } from "./rivals.ts";

const PROGRAM = new URL("./noop.ts", import.meta.url);
const TASKS = 10_000;
const EXECUTORS = 2;
/** Tasks one after the other, for the time of one. */
const SINGLE = 200;

export const tasksBench: Bench = {
  name: "tasks",
  async run(times) {
    await using cluster = await connect({ program: PROGRAM, executors: EXECUTORS });
    return await measure(cluster, times);
  },
};

async function measure(cluster: Cluster, times: number): Promise<BenchResult> {
  const [runs, threads, singles, owner]: [number[], number[], number[], number[]] = [
    [],
    [],
    [],
    [],
  ];
  const rivals = new RivalRuns();
  for (let i = 0; i < 3; i += 1) await perSecond(cluster, Noop);
  await perSecond(cluster, NoopThread);
  for (let turn = 0; turn < times; turn += 1) {
    const before = process.cpuUsage();
    runs.push(await perSecond(cluster, Noop));
    const used = process.cpuUsage(before);
    owner.push((used.user + used.system) / TASKS);
    threads.push(await perSecond(cluster, NoopThread));
    singles.push(await oneByOne(cluster));
    rivals.add("Ray, /s", (await ray("tasks"))?.tasksPerSecond);
  }
  const memory = await memoryOf(cluster);
  return {
    name: "tasks",
    unit: "tasks/s",
    ours: median(runs),
    runs,
    also: {
      "in threads of one process, /s": median(threads),
      "one at a time, ms": median(singles),
      "processor time of the owner, us a task": median(owner),
      ...memory,
    },
    rivals: rivals.medians(),
  };
}

async function perSecond(cluster: Cluster, type: TaskType<() => undefined>): Promise<number> {
  const begunMs = performance.now();
  const handles = Array.from({ length: TASKS }, () => cluster.submit(type, []));
  await Promise.all(handles);
  return (TASKS / (performance.now() - begunMs)) * 1_000;
}

async function oneByOne(cluster: Cluster): Promise<number> {
  const begunMs = performance.now();
  for (let i = 0; i < SINGLE; i += 1) await cluster.submit(Noop, []);
  return (performance.now() - begunMs) / SINGLE;
}

/** Memory of an executor, as a process and as one of the threads of a process. */
async function memoryOf(cluster: Cluster): Promise<Record<string, number>> {
  const process = await cluster.submit(Where, []);
  const ofThreads = await cluster.submit(WhereThread, []);
  return {
    "memory of an executor, a process, MB": pssMb(process),
    [`memory of an executor, one of ${EXECUTORS} threads, MB`]: pssMb(ofThreads) / EXECUTORS,
  };
}
