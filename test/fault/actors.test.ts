/**
 * Calls under faults of processes: whoever is killed or stopped, no call is left unanswered, none
 * that says "never begun" was begun, and one life never makes a call twice.
 */
import { describe, expect, test } from "vitest";
import { withOptions } from "../../runtime/index.ts";
import { LINK_SILENCE_MS } from "../../runtime/limits.ts";
import { parentOf } from "../../runtime/processes.ts";
import {
  actors,
  client,
  journal,
  spawnLife as spawn,
  stop,
  useActors,
} from "../e2e/actor-suite.ts";
import {
  clientOf,
  codeOf,
  entriesOf,
  entryOf,
  marksOf,
  newGate,
  newJournal,
  open,
  processOf,
} from "../e2e/actors.ts";
import { kill, partOf, partsOf, thaw } from "../e2e/processes.ts";
import { LifeActor } from "../e2e/programs/lives.ts";
import { patience, until } from "../e2e/support.ts";

const CARRIERS = ["auto", "nats"] as const;
/** Calls made at once; the caller may have 10,000 pending. */
const CALLS = process.env["LIGASE_TEST_LONG"] === undefined ? 4_000 : 9_000;

useActors();

/** What each life did, by pid, in order. */
function byLife(): Map<number, string[]> {
  const lives = new Map<number, string[]>();
  for (const { pid, what } of entriesOf(journal)) {
    const marks = lives.get(pid) ?? [];
    lives.set(pid, marks);
    if (what !== "born") marks.push(what);
  }
  return lives;
}

const numbers = Array.from({ length: CALLS }, (_, i) => i);
const ascending = (marks: readonly string[]): boolean =>
  marks.every((mark, i) => i === 0 || Number(marks[i - 1]) < Number(mark));

describe.each(CARRIERS)("SIGKILL of an executor in the middle of calls over %s", (carrier) => {
  test("with retries all are answered; a life makes each once and in order", async () => {
    const one = await spawn({ carrier, maxRestarts: 1 });
    const victim = processOf(await one.pid());
    const retried = withOptions(one, { retries: 1 });
    const calls = Promise.all(numbers.map((i) => retried.mark(String(i))));
    await until("a third is done", () => marksOf(journal).length > CALLS / 3);
    await kill(victim);
    const killedMs = performance.now();
    await calls;
    report(`all answered ${(performance.now() - killedMs).toFixed(0)} ms after the kill`);
    const lives = [...byLife().values()];
    expect(lives.length).toBe(2);
    // Without a call that was made twice, it rises strictly.
    for (const marks of lives) expect(ascending(marks)).toBe(true);
    expect(new Set(lives.flat())).toEqual(new Set(numbers.map(String)));
    // The second life begins with a call that the first one hadn't been seen to answer.
    const [first = [], second = []] = lives;
    expect(Number(second[0])).toBeLessThanOrEqual(first.length);
  });

  test("without retries each is answered, unknown or never begun, as in the journal", async () => {
    const one = await spawn({ carrier });
    const victim = processOf(await one.pid());
    const outcomes = numbers.map((i) => codeOf(one.mark(String(i))));
    await until("a third is done", () => marksOf(journal).length > CALLS / 3);
    await kill(victim);
    const killedMs = performance.now();
    const codes = (await Promise.all(outcomes)).map((code) =>
      String(code).startsWith("fulfilled") ? "fulfilled" : code,
    );
    report(`all answered ${(performance.now() - killedMs).toFixed(0)} ms after the kill`);
    const made = new Set(marksOf(journal));
    expect(made.size).toBe(marksOf(journal).length);
    for (const [i, code] of codes.entries()) {
      if (code === "fulfilled") expect(made.has(String(i))).toBe(true);
      else if (code === "ACTOR_DIED") expect(made.has(String(i))).toBe(false);
      else expect(code).toBe("OUTCOME_UNKNOWN");
    }
    // In order of calls: answered, then unknown, then never begun.
    const order = ["fulfilled", "OUTCOME_UNKNOWN", "ACTOR_DIED"];
    const ranks = codes.map((code) => order.indexOf(String(code)));
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    expect(codes.filter((code) => code === "fulfilled").length).toBeLessThan(CALLS);
  });
});

describe("SIGKILL of the agent", () => {
  test("ends its actors; those with restarts live again under the next one", async () => {
    const once = await spawn();
    const again = await spawn({ maxRestarts: 1, name: "again" });
    const pids = [await once.pid(), await again.pid()];
    const gate = newGate(actors);
    const [unknown, retried] = [
      codeOf(once.markThenWait("once", gate)),
      withOptions(again, { retries: 1 }).markThenWait("again", gate),
    ];
    await entryOf(journal, "once");
    await entryOf(journal, "again");
    const executors = partsOf(actors.place, "executor");
    const killedMs = performance.now();
    await kill(await partOf(actors.place, "agent"));
    expect(await unknown).toBe("OUTCOME_UNKNOWN");
    report(`unknown after ${(performance.now() - killedMs).toFixed(0)} ms`);
    open(gate);
    const next = await retried;
    report(`made again after ${(performance.now() - killedMs).toFixed(0)} ms`);
    expect(pids).not.toContain(next);
    await until("the dead one's executors end", () => {
      const left = new Set(partsOf(actors.place, "executor").map(({ pid }) => pid));
      return executors.every(({ pid }) => !left.has(pid));
    });
    expect(await codeOf(once.add(1))).toBe("ACTOR_DIED");
    const found = await client.actor(LifeActor, "again");
    expect(await found.pid()).toBe(next);
    await client.kill(found, { restart: false });
  });
});

describe("an executor that stands still", () => {
  test("its calls are answered in bounded time, and none is made twice after", async () => {
    await Promise.all(CARRIERS.map(standStill));
  }, 60_000);

  test("busy in one long call it isn't taken for dead", async () => {
    const lives = await Promise.all(CARRIERS.map((carrier) => spawn({ carrier })));
    const pids = await Promise.all(lives.map((one) => one.pid()));
    const busyMs = LINK_SILENCE_MS + 3_000;
    const begunMs = performance.now();
    expect(await Promise.all(lives.map((one) => one.spin(busyMs)))).toEqual(pids);
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(busyMs);
  }, 60_000);
});

async function standStill(carrier: (typeof CARRIERS)[number]): Promise<void> {
  const own = newJournal(actors);
  const one = await client.spawn(LifeActor, [{ journal: own }], { carrier });
  const pid = await one.pid();
  await stop(processOf(pid));
  const stoppedMs = performance.now();
  const calls = [codeOf(one.mark("unretried")), codeOf(one.mark("unretried too"))];
  const retried = withOptions(one, { retries: 10 }).mark("retried");
  expect(await Promise.all(calls)).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
  const waitedMs = performance.now() - stoppedMs;
  report(`over ${carrier} answered after ${(waitedMs / 1_000).toFixed(1)} s`);
  expect(waitedMs).toBeGreaterThan(LINK_SILENCE_MS / 2);
  expect(waitedMs).toBeLessThan(LINK_SILENCE_MS + 3_000 * patience());
  thaw(processOf(pid));
  await retried;
  await one.mark("last");
  const marks = marksOf(own);
  for (const mark of ["unretried", "unretried too"]) {
    expect(marks.filter((it) => it === mark).length).toBeLessThanOrEqual(1);
  }
  expect(marks.filter((it) => it === "retried").length).toBe(1);
  expect(marks.at(-1)).toBe("last");
  expect(await one.pid()).toBe(pid);
}

test("an agent that stands still is taken for dead; what isn't told dead goes on", async () => {
  const [one, other] = [await spawn(), await spawn({ maxRestarts: 1 })];
  const [onePid, otherPid] = [await one.pid(), await other.pid()];
  const agent = await partOf(actors.place, "agent");
  expect(parentOf(onePid)).toBe(agent.pid);
  await stop(agent);
  await until("its silence is noticed", async () => {
    return (await client.stateOf(one)).state === "dead";
  });
  expect(await client.stateOf(other)).toMatchObject({ state: "restarting" });
  // Links need no agent on one machine: what is there answers.
  expect([await one.pid(), await other.pid()]).toEqual([onePid, otherPid]);
  thaw(agent);
  await until("what is told dead ends", () => !lives(onePid));
  // A call that met the end of the connection may have been taken.
  await until("it is gone", async () => (await codeOf(one.add(1))) === "ACTOR_DIED");
  // No other worker could start its next life: the one that stood still has it still.
  await until("it is told alive", async () => (await client.stateOf(other)).state === "alive");
  expect(await client.stateOf(other)).toMatchObject({ address: { pid: otherPid }, restarts: 0 });
  expect(await other.pid()).toBe(otherPid);
  expect(births()).toEqual([onePid, otherPid]);
}, 60_000);

function births(): number[] {
  const born = entriesOf(journal).filter(({ what }) => what === "born");
  return born.map(({ pid }) => pid);
}

function lives(pid: number): boolean {
  try {
    processOf(pid);
    return true;
  } catch {
    return false;
  }
}

test("two clients' calls don't wait for a third one that reads nothing", async () => {
  const one = await spawn({ name: "shared-by-clients" });
  const slow = await clientOf(actors.own);
  const stream = (await slow.actor(LifeActor, "shared-by-clients")).blocks(1_000, 100_000);
  expect((await stream.next()).value?.length).toBe(100_000);
  const begunMs = performance.now();
  for (let i = 0; i < 200; i += 1) await one.add(1);
  expect(performance.now() - begunMs).toBeLessThan(2_000 * patience());
  await stream.return(undefined);
  await slow.close();
});

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
