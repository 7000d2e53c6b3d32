/** Tasks while a worker or a head is killed: every result comes to its owner, once. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { kill, partsOf } from "../e2e/processes.ts";
import { Add, Slowly } from "../e2e/programs/tasks.ts";
import { cleanUp, until } from "../e2e/support.ts";
import { linesOf, newJournal, startTasks, type TaskCluster } from "../e2e/tasks.ts";
import { SecondWorker } from "./second-worker.ts";

const TASKS = 200;

let tasks: TaskCluster;
let second: SecondWorker | undefined;
afterEach(async () => {
  await second?.stop();
  await second?.close();
  second = undefined;
  await tasks.stop();
  await cleanUp();
});

/** Tasks of which some are done, and how often each has settled at the owner. */
async function midWay() {
  const { journal } = newJournal(tasks);
  const settled = new Map<number, number>();
  const handles = Array.from({ length: TASKS }, (_, n) =>
    tasks.client.submit(Slowly, [journal, n]),
  );
  const all = handles.map((one, n) =>
    one.then((value) => {
      settled.set(n, (settled.get(n) ?? 0) + 1);
      return value;
    }),
  );
  await until("some are done", () => settled.size >= TASKS / 10);
  return { journal, settled, all: Promise.all(all) };
}

const numbers = Array.from({ length: TASKS }, (_, n) => n);

test("what a killed worker had runs on another one", async () => {
  tasks = await startTasks({ executors: 1, join: true });
  second = await SecondWorker.of(tasks);
  const agent = await second.start();
  const { journal, settled, all } = await midWay();
  const pids = () => new Set(linesOf(journal).map((line) => line.split(" ")[0]));
  await until("both workers have done some", () => pids().size === 2);
  await kill(agent);
  expect(await all).toEqual(numbers);
  expect([...settled.values()].every((times) => times === 1)).toBe(true);
  const done = new Set(linesOf(journal).map((line) => Number(line.split(" ")[1])));
  expect(done.size).toBe(TASKS);
}, 60_000);

test("a new head learns of all tasks: none is lost, none runs twice", async () => {
  tasks = await startTasks({ executors: 2, standbyHeads: 1 });
  const { place, own } = tasks;
  await until("a head stands by", () => partsOf(place, "head").length === 2);
  const leaders = () => {
    const text = readFileSync(join(own.stateDir, "logs", "supervisor.log"), "utf8");
    return [...text.matchAll(/ (\S[^\n]*) leads epoch (\d+)\n/g)].map(([, name = ""]) => name);
  };
  const [name] = await until("one leads", () => leaders().length > 0 && leaders());
  const head = partsOf(place, "head").find(({ pid }) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.some((word) => word.endsWith(`/${name}.json`));
  });
  if (head === undefined) throw new Error(`no head ${name}`);
  const { journal, settled, all } = await midWay();
  await kill(head);
  expect(await all).toEqual(numbers);
  expect([...settled.values()].every((times) => times === 1)).toBe(true);
  const runs = linesOf(journal).map((line) => Number(line.split(" ")[1]));
  expect(runs.toSorted((a, b) => a - b)).toEqual(numbers);
  expect(leaders().length).toBeGreaterThan(1);
  expect(await tasks.client.submit(Add, [1, 2])).toBe(3);
}, 60_000);
