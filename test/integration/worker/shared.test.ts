/** Many light actors in shared executors: fast to begin, small to tell of, whole to new leaders. */
import { afterEach, expect, test } from "vitest";
import type { Bus } from "../../../runtime/bus/bus.ts";
import { FRAME_BYTES_MAX } from "../../../runtime/limits.ts";
import { hearing, commandSubject } from "../../../runtime/bus/subjects.ts";
import { type Identity, PROCESS_NONE } from "../../../runtime/ids.ts";
import {
  addressOf,
  cleanUp,
  CLUSTER,
  frameOf,
  hostOf,
  reportIn,
  startAgent,
  until,
} from "./support.ts";

afterEach(cleanUp);

const NONE = { heard: 0, assign: [], cancel: [], ack: [], end: [], endSeen: [], logs: [] };

const url = new URL("./program.ts", import.meta.url).href;
const ACTORS = 2_000;
const BATCH = 250;
/** A report of a worker that waits, however many actors live there. */
const SMALL_REPORT_BYTES = 1_000;

test("2,000 live in one executor, answer as themselves; a new leader hears of each", async () => {
  const { run, newCaller, head, worker, endOf, command } = await startAgent();
  const startedMs = performance.now();
  const processes = new Set<string>();
  let address;
  for (let first = 0; first < ACTORS; first += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, i) => {
      const id = `a${first + i}`;
      return hostOf(id, { url, actor: "subject", args: [id], hosting: "shared" });
    });
    for (const outcome of await run(batch)) {
      address = addressOf(outcome);
      processes.add(address.process);
    }
  }
  expect(processes.size).toBe(1);
  if (address === undefined) throw new Error("nothing was hosted");
  const caller = await newCaller(address);
  const names = Array.from({ length: ACTORS }, (_, i) => `a${i}`);
  expect(await Promise.all(names.map((id) => caller.call(id, "name")))).toEqual(names);
  const ms = performance.now() - startedMs;
  process.stdout.write(`  ${ACTORS} hosted and called in ${ms.toFixed(0)} ms\n`);

  let quietBytes = 0;
  const heard = new Set<string>();
  let isWhole = false;
  head.subscribe(hearing.events(CLUSTER), (_subject, bytes) => {
    const report = reportIn(bytes);
    if (report === undefined) return;
    expect(bytes.length).toBeLessThan(FRAME_BYTES_MAX / 2);
    expect(report.sharing).toBeGreaterThan(0);
    if (report.seen.epoch === 1) quietBytes = bytes.length;
    else for (const { record } of report.actors) heard.add(record.actorId);
    isWhole = report.seen.epoch === 2 && report.announced;
  });
  await until("a report of a quiet worker", () => quietBytes > 0);
  expect(quietBytes).toBeLessThan(SMALL_REPORT_BYTES);
  // One ends while the executor goes on.
  command({ end: [{ actorId: "a7", incarnation: 0 }] });
  expect((await endOf({ actorId: "a7", incarnation: 0 })).error.code).toBe("ACTOR_DIED");
  leadAnew(head, worker.identity);
  await until("all pages", () => isWhole);
  expect([...heard].sort()).toEqual(names.filter((id) => id !== "a7").sort());
}, 60_000);

/** Another leader, of which this worker hears for the first time. */
function leadAnew(head: Bus, worker: Identity): void {
  const order = { epoch: { number: 2, leader: "B" }, sequence: 1, ...NONE };
  const subject = commandSubject(CLUSTER, worker, head.identity);
  head.publish(subject, frameOf(PROCESS_NONE, PROCESS_NONE, order));
}

test("actors whose arguments fill frames are announced all the same, in more pages", async () => {
  const { run, head, worker } = await startAgent();
  const names = ["a", "b", "c", "d"];
  const large = (id: string) =>
    hostOf(id, { url, actor: "subject", args: ["x".repeat(300_000)], hosting: "shared" });
  for (const id of names) addressOf((await run([large(id)]))[0]);
  const heard = new Set<string>();
  let isWhole = false;
  head.subscribe(hearing.events(CLUSTER), (_subject, bytes) => {
    const report = reportIn(bytes);
    if (report === undefined) return;
    for (const { record } of report.actors) heard.add(record.actorId);
    isWhole = report.seen.epoch === 2 && report.announced;
  });
  await head.flush();
  leadAnew(head, worker.identity);
  await until("all pages", () => isWhole);
  expect([...heard].sort()).toEqual(names);
});

test("a shared executor that uses a processor for itself gets no more actors", async () => {
  const { run, newCaller } = await startAgent({ slots: 2 });
  const light = (id: string) => hostOf(id, { url, actor: "subject", hosting: "shared" });
  const [first, second] = (await run([light("a"), light("b")])).map(addressOf);
  expect(second?.process).toBe(first?.process);
  if (first === undefined) throw new Error("nothing was hosted");
  const caller = await newCaller(first);
  let other = first.process;
  for (let i = 0; other === first.process; i += 1) {
    const spinning = caller.call("a", "spin", 400);
    other = addressOf((await run([light(`c${i}`)]))[0]).process;
    expect(await spinning).toBe("done");
  }
  expect(other).not.toBe(first.process);
}, 30_000);
