/**
 * Caller and host together, by random steps: calls of every kind, cancels, deadlines, links that
 * break at either end or both, actors that end and come back. What must hold whatever happens.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { callContext } from "../../../runtime/actor/context.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { Bench, breathe, LOST, type Wire } from "./support.ts";

/** What ran: which call, in which life. */
interface Ran {
  readonly call: number;
  readonly life: number;
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant("call" as const), n: fc.nat(7) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("carry" as const), n: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("settle" as const), n: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("abort" as const), n: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("pass" as const), n: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("cut" as const), n: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("end" as const), n: fc.nat(1) }) },
);

class World {
  readonly bench = new Bench();
  readonly ran: Ran[] = [];
  readonly results: Promise<unknown>[] = [];
  readonly aborts: AbortController[] = [];
  /** Retries of each call. */
  readonly retries: number[] = [];
  readonly gates: PromiseWithResolvers<void>[] = [];
  wire: Wire;
  life = 0;

  constructor() {
    this.#create();
    this.wire = this.bench.attached();
  }

  #create(): void {
    const { ran, gates, life } = this;
    class Actor {
      now(call: number): number {
        ran.push({ call, life });
        return call;
      }
      async later(call: number): Promise<number> {
        ran.push({ call, life });
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        callContext().signal.addEventListener("abort", () => gate.resolve());
        await gate.promise;
        return call;
      }
      async *items(call: number): AsyncGenerator<number> {
        ran.push({ call, life });
        for (let n = 0; n < 40; n += 1) yield n;
      }
    }
    this.bench.create(Actor, { incarnation: life });
  }

  call(kind: number): void {
    const { caller } = this.bench;
    const call = this.results.length;
    const abort = new AbortController();
    const retries = kind % 2 === 0 ? 0 : 2;
    const options =
      kind < 2 ? (retries > 0 ? { retries } : undefined) : { signal: abort.signal, retries };
    this.retries.push(retries);
    this.aborts.push(abort);
    const timed = kind === 5 ? { ...options, deadlineMs: 30 } : options;
    const result =
      kind === 7
        ? takeAll(caller.stream("x", "items", [call], timed))
        : caller.call("x", kind % 3 === 0 ? "later" : "now", [call], timed);
    result.catch(() => undefined);
    this.results.push(result);
  }

  /** The link is over for one end or for both; the caller opens another one. */
  cut(ends: number): void {
    if (ends !== 1) this.wire.near.over(LOST);
    if (ends !== 0) this.wire.far.over(LOST);
    if (ends !== 1) this.reopen();
  }

  reopen(): void {
    this.wire = this.bench.wire();
    this.bench.caller.attach("x", this.wire.callerLink);
  }

  end(): void {
    void this.bench.host.end("x", this.life, new SystemError("ACTOR_DIED", "ended"));
    this.life += 1;
    this.#create();
  }

  /** Whoever hears that the actor is gone finds its next life. */
  heal(): void {
    if (this.bench.gone.splice(0).length > 0) this.bench.caller.attach("x", this.wire.callerLink);
    else if (!this.wire.near.isOpen || !this.wire.far.isOpen) {
      this.wire.near.over(LOST);
      this.reopen();
    }
  }
}

async function takeAll(stream: AsyncGenerator<unknown, void, void>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function run(world: World, { op, n }: { readonly op: string; readonly n: number }) {
  const { bench } = world;
  if (op === "call") world.call(n);
  else if (op === "carry") {
    if (n !== 1) world.wire.toHost();
    if (n !== 0) world.wire.toCaller();
    bench.clock.turn();
  } else if (op === "settle") world.gates.splice(0, n).forEach(({ resolve }) => resolve());
  else if (op === "abort") world.aborts[n]?.abort();
  else if (op === "pass") bench.clock.pass(n);
  else if (op === "cut") world.cut(n);
  else world.end();
  await breathe();
  world.heal();
}

test("every call ends, in order, and runs no oftener than it may", async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const world = new World();
    for (const one of steps) await run(world, one);
    // From here on nothing breaks any more, and the host has noticed what did.
    for (const { near, far } of world.bench.wires) if (!near.isOpen) far.over(LOST);
    for (let quiet = 0; quiet < 3; ) {
      const moved = world.gates.length > 0 || world.bench.gone.length > 0;
      world.gates.splice(0).forEach(({ resolve }) => resolve());
      world.heal();
      await world.bench.rest();
      quiet = moved || world.gates.length > 0 ? 0 : quiet + 1;
    }
    const settled = await Promise.race([Promise.allSettled(world.results), breathe()]);
    expect(settled, "a call never ended").toBeDefined();
    expect(settled).toHaveLength(world.results.length);
    expect(world.bench.caller.pendingOf("x")).toBe(0);
    const rest = { waiting: 0, running: 0, streams: 0 };
    expect(world.bench.host.stats("x")).toMatchObject([rest]);
    check(world, settled as PromiseSettledResult<unknown>[]);
  });
  await fc.assert(property, { numRuns: 300 });
}, 60_000);

function check({ ran, retries, results }: World, settled: PromiseSettledResult<unknown>[]): void {
  for (const [call, outcome] of settled.entries()) {
    const lives = ran.filter((one) => one.call === call).map(({ life }) => life);
    // Once in a life, though a caller may ask again; a stream that gave nothing starts again.
    const isStream = outcome.status === "fulfilled" && Array.isArray(outcome.value);
    if (!isStream) expect(lives.length).toBeLessThanOrEqual((retries[call] ?? 0) + 1);
    if (outcome.status === "fulfilled") {
      const expected = isStream ? Array.from({ length: 40 }, (_, n) => n) : call;
      expect(outcome.value).toEqual(expected);
      expect(lives.length).toBeGreaterThan(0);
    } else if ((outcome.reason as SystemError).code === "ACTOR_DIED") {
      // It says that the call never started.
      expect(lives).toEqual([]);
    }
  }
  // Calls without retries run in the order they were made, those with them before later ones.
  const first = new Map<number, number>();
  for (const [at, { call }] of ran.entries()) if (!first.has(call)) first.set(call, at);
  const plain = results.map((_, call) => call).filter((call) => retries[call] === 0);
  const places = plain.flatMap((call) => first.get(call) ?? []);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
}
