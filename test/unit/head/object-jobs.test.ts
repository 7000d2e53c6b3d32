/** Objects end with the process that they belong to, and with nobody else. */
import { expect, test } from "vitest";
import { CLIENT_SILENCE_MS, HEAD_LATE_MS } from "../../../runtime/limits.ts";
import { CALLER, type Decision, effectsOf, reportOf, TestHead } from "./support.ts";

const CLIENT = CALLER.process;
const DRIVER = "d".repeat(16);
const STEP_MS = HEAD_LATE_MS / 2;

function ended(decision: Decision, worker = "w1"): readonly string[] {
  const commands = effectsOf(decision, "command").filter((one) => one.worker === worker);
  return commands.flatMap((one) => one.endJobs ?? []);
}

/** A worker's report of objects, and of the executors that it runs. */
function says(head: TestHead, worker: string, objectJobs: string[], processes: string[] = []) {
  const report = reportOf({ objectJobs, processes, host: worker });
  return head.feed({ type: "report", worker, report });
}

test("a client that leaves ends its objects on each node that has some, until none has", () => {
  const head = new TestHead();
  expect(ended(says(head, "w1", [CLIENT]))).toEqual([]);
  says(head, "w2", [CLIENT]);
  head.feed({ type: "api", caller: CALLER, request: { op: "alive" } });
  head.feed({ type: "api", caller: CALLER, request: { op: "leave" } });
  expect(ended(says(head, "w1", [CLIENT]))).toEqual([CLIENT]);
  expect(ended(says(head, "w2", [CLIENT]), "w2")).toEqual([CLIENT]);
  expect(ended(says(head, "w1", [CLIENT]))).toEqual([CLIENT]);
  expect(ended(says(head, "w1", []))).toEqual([]);
});

test("nobody ends another's objects", () => {
  const head = new TestHead();
  says(head, "w1", [CLIENT]);
  head.feed({ type: "api", caller: CALLER, request: { op: "alive" } });
  const other = { ...CALLER, identity: "c-00000000000f" };
  head.feed({ type: "api", caller: other, request: { op: "leave" } });
  expect(ended(says(head, "w1", [CLIENT]))).toEqual([]);
});

test("a silent client's objects end, one that says that it is there keeps them", () => {
  const head = new TestHead();
  const other = { ...CALLER, process: "e".repeat(16) };
  says(head, "w1", [CLIENT, other.process]);
  let last: Decision | undefined;
  for (let ms = 0; ms <= CLIENT_SILENCE_MS + STEP_MS; ms += STEP_MS) {
    head.tick(STEP_MS);
    head.feed({ type: "api", caller: other, request: { op: "alive" } });
    last = says(head, "w1", [CLIENT, other.process]);
  }
  expect(last && ended(last)).toEqual([CLIENT]);
});

test("an executor's objects end with it, wherever they are", () => {
  const head = new TestHead();
  says(head, "w1", [DRIVER], [DRIVER]);
  expect(ended(says(head, "w2", [DRIVER]), "w2")).toEqual([]);
  expect(ended(says(head, "w1", [DRIVER], []))).toEqual([DRIVER]);
  expect(ended(says(head, "w2", [DRIVER]), "w2")).toEqual([DRIVER]);
});
