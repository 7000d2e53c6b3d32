/** The program of the benches of calls: an actor that adds up, and one that calls many of them. */
import { type ActorRef, actor, currentCluster } from "ligase";

/** Calls that are under way at once, all callers of one process together. */
export const IN_FLIGHT = 1_000;

class Counter {
  #sum = 0;

  inc(n: number): number {
    this.#sum += n;
    return this.#sum;
  }

  async later(n: number): Promise<number> {
    this.#sum += n;
    return this.#sum;
  }
}

export const CounterActor = actor("counter", Counter);

class Caller {
  readonly #refs: readonly ActorRef[];
  #counters: readonly { inc(n: number): Promise<number> }[] = [];

  constructor(refs: readonly ActorRef[]) {
    this.#refs = refs;
  }

  /** Opens the ways to all counters. */
  async open(): Promise<void> {
    const cluster = currentCluster();
    const all = this.#refs.map((ref) => cluster.actorFrom(CounterActor, ref));
    this.#counters = await Promise.all(all);
    await Promise.all(this.#counters.map((counter) => counter.inc(0)));
  }

  /** Makes so many calls, spread over the counters. */
  async run(calls: number): Promise<number> {
    const counters = this.#counters;
    let turn = 0;
    await inFlight(calls, () => {
      turn = (turn + 1) % counters.length;
      return (counters[turn] as { inc(n: number): Promise<number> }).inc(1);
    });
    return calls;
  }
}

export const CallerActor = actor("caller", Caller);

/** Makes `calls` calls, IN_FLIGHT of them at once; calls a second. */
export async function inFlight(calls: number, call: () => Promise<unknown>): Promise<number> {
  let left = calls;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  const begunMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  return (calls / (performance.now() - begunMs)) * 1_000;
}
