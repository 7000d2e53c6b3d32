/** Tasks that fit no worker, in a process of their own: what each takes of its memory and time. */
import { cpus, givenIn, groupOf, TaskHead, workerName } from "./support.ts";

const FRAME = 4_096;
const tasks = Number(process.argv[2]);
const collect = globalThis.gc ?? (() => undefined);
const head = new TaskHead();
head.join(workerName(1), 2);
const group = groupOf({ resources: cpus(64) });

/** Bytes of this process's heap and of the arrays beside it. */
function used(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const before = used();
let tookMs = 0;
for (let first = 1; first <= tasks; first += FRAME) {
  const n = Math.min(FRAME, tasks - first + 1);
  const said = head.submission({ first, n, group });
  const begunMs = performance.now();
  head.feed({ type: "api", ...said });
  tookMs += performance.now() - begunMs;
  head.effects = [];
}
const bytes = (used() - before) / tasks;
const runnable = head.submission({ first: tasks + 1 });
const begunMs = performance.now();
const given = givenIn(head.feed({ type: "api", ...runnable }));
const runnableMs = performance.now() - begunMs;
if (given.length !== 1 || head.state.tasks.columns.used !== tasks + 1) {
  throw new Error("tasks are missing");
}
process.stdout.write(JSON.stringify({ bytes, submitUs: (tookMs * 1_000) / tasks, runnableMs }));
