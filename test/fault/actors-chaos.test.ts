/**
 * Any part at any time: while clients call actors without a pause, parts of the cluster are killed
 * and stopped in an order that a seed gives. What must hold at the end is what section 5 promises:
 * every call is answered, a life makes no call twice and each caller's in order, "never begun" was
 * never begun. LIGASE_TEST_SEED runs one seed again, LIGASE_TEST_LONG more faults.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { statSync } from "node:fs";
import { randomInt } from "node:crypto";
import { withOptions } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import type { ProcessIdentity } from "../../runtime/processes.ts";
import {
  type ActorCluster,
  clientOf,
  codeOf,
  entriesOf,
  newJournal,
  startActors,
} from "../e2e/actors.ts";
import { freeze, kill, type Part, partsOf, thaw } from "../e2e/processes.ts";
import { LifeActor } from "../e2e/programs/lives.ts";
import { cleanUp, patience, until } from "../e2e/support.ts";

/** A part is restarted five times at most, so that the short form may kill each of them once. */
const FAULTS = process.env["LIGASE_TEST_LONG"] === undefined ? 10 : 18;
const CLIENTS = 3;
/** Calls that each client has under way at each actor. */
const IN_FLIGHT = 20;
/** Milliseconds that a stopped part stands still: shorter than any silence that counts. */
const STILL_MS = 1_500;
/** What some ten calls add to a journal. */
const HEALED_BYTES = 400;
/** A call is made again until it is answered. */
const RETRIES = 1_000;

const seed = Number(process.env["LIGASE_TEST_SEED"] ?? randomInt(1, 2 ** 31));

let actors: ActorCluster;
const clients: Cluster[] = [];
beforeAll(async () => {
  actors = await startActors();
  for (let i = 0; i < CLIENTS; i += 1) clients.push(await clientOf(actors.own));
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.close();
  await actors.stop();
  await cleanUp();
});

/** Numbers in [0, 1) that follow from the seed. */
function* random(): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 48_271) % 0x7fff_ffff;
    yield state / 0x7fff_ffff;
  }
}

interface Fault {
  readonly part: Part;
  readonly what: "kill" | "stop";
}

/** Each part at least once, then as it comes. */
function faults(): Fault[] {
  const numbers = random();
  const parts: readonly Part[] = ["executor", "nats", "head", "agent"];
  const kills: Fault[] = parts.map((part) => ({ part, what: "kill" }));
  const stops: Fault[] = parts.map((part) => ({ part, what: "stop" }));
  const more = Array.from({ length: FAULTS - kills.length - stops.length }, (): Fault => {
    return { part: "executor", what: numbers.next().value < 0.7 ? "kill" : "stop" };
  });
  const all = [...kills, ...stops, ...more].map((fault) => [numbers.next().value, fault] as const);
  return all.sort(([a], [b]) => a - b).map(([, fault]) => fault);
}

/** One living process of a part. */
async function oneOf(part: Part, numbers: Generator<number, never>): Promise<ProcessIdentity> {
  return await until(`a living ${part}`, () => {
    const found = partsOf(actors.place, part);
    return found[Math.floor(numbers.next().value * found.length)];
  });
}

async function commit({ part, what }: Fault, numbers: Generator<number, never>): Promise<void> {
  const victim = await oneOf(part, numbers);
  if (what === "kill") return await kill(victim);
  await freeze(victim);
  const stoppedMs = performance.now();
  await until("it stood still", () => performance.now() - stoppedMs > STILL_MS);
  thaw(victim);
}

type Life = Awaited<ReturnType<typeof spawn>>;
const spawn = (client: Cluster, journal: string, name: string) => {
  const options = { name, lifetime: "detached", maxRestarts: 1_000 } as const;
  return client.spawn(LifeActor, [{ journal }], options);
};

/** Calls until it is told to stop; @returns what became of each, by label. */
async function callOn(one: Life, retries: number, who: number, stop: AbortSignal) {
  const outcomes = new Map<string, unknown>();
  let next = 0;
  const target = withOptions(one, { retries });
  const worker = async (): Promise<void> => {
    while (!stop.aborted) {
      const label = `${who} ${next}`;
      next += 1;
      const code = String(await codeOf(target.mark(label)));
      outcomes.set(label, code.startsWith("fulfilled") ? "fulfilled" : code);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return outcomes;
}

/** Calls that a life made twice, or before an earlier one of the same caller. */
function breachesIn(journal: string): string[] {
  const last = new Map<string, number>();
  const breaches: string[] = [];
  for (const { pid, what } of entriesOf(journal)) {
    const [who, number] = what.split(" ").map(Number);
    if (number === undefined || Number.isNaN(number)) continue;
    const key = `life ${pid}, caller ${who}`;
    const before = last.get(key) ?? -1;
    if (number <= before) breaches.push(`${key}: ${number} after ${before}`);
    last.set(key, number);
  }
  return breaches;
}

type Outcomes = readonly (readonly [label: string, code: unknown])[];

/** Calls with retries that weren't answered, or were without having been made. */
function unkept(outcomes: Outcomes, journal: string): Outcomes {
  const made = new Set(entriesOf(journal).map(({ what }) => what));
  return outcomes.filter(([label, code]) => code !== "fulfilled" || !made.has(label));
}

/** Calls without retries whose answer isn't what became of them. */
function misreported(outcomes: Outcomes, journal: string): Outcomes {
  const made = new Map<string, number>();
  for (const { what } of entriesOf(journal)) made.set(what, (made.get(what) ?? 0) + 1);
  return outcomes.filter(([label, code]) => {
    const times = made.get(label) ?? 0;
    if (code === "fulfilled") return times !== 1;
    return code === "ACTOR_DIED" ? times !== 0 : code !== "OUTCOME_UNKNOWN" || times > 1;
  });
}

test(
  `every promise of calls holds under ${FAULTS} faults (seed ${seed})`,
  async () => {
    const [client = actors.client] = clients;
    const journals = { retried: newJournal(actors), once: newJournal(actors) };
    await spawn(client, journals.retried, "retried");
    await spawn(client, journals.once, "once");
    const stop = new AbortController();
    const callers = clients.map(async (caller, who) => {
      const carrier = who === 1 ? "nats" : "auto";
      const retried = await caller.actor(LifeActor, "retried", { carrier });
      const once = await caller.actor(LifeActor, "once", { carrier });
      return await Promise.all([
        callOn(retried, RETRIES, who, stop.signal),
        callOn(once, 0, who, stop.signal),
      ]);
    });
    const numbers = random();
    for (const fault of faults()) {
      const before = statSync(journals.retried).size;
      await commit(fault, numbers);
      // It heals: calls are made again, by whatever life.
      const healed = () => statSync(journals.retried).size > before + HEALED_BYTES;
      await until(`calls after ${fault.what} of ${fault.part} (seed ${seed})`, healed, 30);
    }
    stop.abort();
    const outcomes = await Promise.all(callers);
    const retried = outcomes.flatMap(([made]) => [...made]);
    const once = outcomes.flatMap(([, made]) => [...made]);
    // No assertion a call: there are some 100,000.
    expect([...breachesIn(journals.retried), ...breachesIn(journals.once)]).toEqual([]);
    expect(unkept(retried, journals.retried)).toEqual([]);
    expect(misreported(once, journals.once)).toEqual([]);
    const codes = Object.groupBy(once, ([, code]) => String(code));
    const counts = Object.entries(codes).map(([code, all]) => `${all?.length} ${code}`);
    process.stdout.write(`  retried: ${retried.length} answered; once: ${counts.join(", ")}\n`);
  },
  240_000 * patience(),
);
