/** Calls over a sequence: order, bounds, failures, ends. */
import { describe, expect, test } from "vitest";
import { mapSettled, type Settled } from "../../../runtime/client/actors/map.ts";
import { SystemError } from "../../../runtime/errors.ts";

interface Held {
  readonly item: number;
  readonly signal: AbortSignal;
  resolve(value: string): void;
  reject(error: Error): void;
}

/** Calls that are answered by hand. */
function hands() {
  const calls: Held[] = [];
  const call = (item: number, signal: AbortSignal): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    calls.push({ item, signal, resolve, reject });
    return promise;
  };
  return { calls, call };
}

/** Lets everything that is due happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function* numbers(taken: number[] = [], count = Infinity): Generator<number, void, void> {
  for (let i = 0; i < count; i += 1) {
    taken.push(i);
    yield i;
  }
}

const ports = { ordered: true, signal: undefined, bound: () => 3 };

test("results come in the items' order, however they are answered", async () => {
  const { calls, call } = hands();
  const results = mapSettled(numbers([], 3), { ...ports, call });
  const all = Array.fromAsync(results);
  await settle();
  for (const { item, resolve } of [...calls].reverse()) resolve(`r${item}`);
  expect((await all).map(({ value }) => value)).toEqual(["r0", "r1", "r2"]);
});

test("unordered results come as they are answered, each with its index", async () => {
  const { calls, call } = hands();
  const results = mapSettled(numbers([], 3), { ...ports, ordered: false, call });
  const first = results.next();
  await settle();
  calls[2]?.resolve("late item");
  expect((await first).value).toEqual({ index: 2, value: "late item" });
  calls[0]?.resolve("a");
  calls[1]?.resolve("b");
  expect((await Array.fromAsync(results)).length).toBe(2);
});

describe("the source", () => {
  test("isn't pulled further than the bound ahead of what was given", async () => {
    const taken: number[] = [];
    const { calls, call } = hands();
    const results = mapSettled(numbers(taken), { ...ports, call });
    const first = results.next();
    await settle();
    expect(taken.length).toBe(3);
    calls[1]?.resolve("b");
    await settle();
    expect(taken.length).toBe(3);
    calls[0]?.resolve("a");
    await first;
    const second = results.next();
    await settle();
    expect(taken.length).toBe(5);
    expect((await second).value).toEqual({ index: 1, value: "b" });
    await results.return();
  });

  test("may be slow: what is answered is given meanwhile", async () => {
    const gate = Promise.withResolvers<void>();
    async function* slow() {
      yield 0;
      await gate.promise;
      yield 1;
    }
    const results = mapSettled(slow(), { ...ports, call: async (item: number) => item });
    expect((await results.next()).value).toEqual({ index: 0, value: 0 });
    gate.resolve();
    expect((await results.next()).value).toEqual({ index: 1, value: 1 });
    expect((await results.next()).done).toBe(true);
  });

  test("is ended by break, and calls under way are cancelled", async () => {
    let ended = false;
    const signals: AbortSignal[] = [];
    async function* source() {
      try {
        for (let i = 0; ; i += 1) yield i;
      } finally {
        ended = true;
      }
    }
    const call = (item: number, signal: AbortSignal): Promise<number> => {
      signals.push(signal);
      return item === 0 ? Promise.resolve(0) : new Promise(() => undefined);
    };
    for await (const { value } of mapSettled(source(), { ...ports, call })) {
      expect(value).toBe(0);
      break;
    }
    expect(ended).toBe(true);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  test("that throws ends it with what it threw", async () => {
    function* bad(): Generator<number> {
      yield 0;
      throw new SystemError("INPUT_EMPTY", "no more");
    }
    const all = Array.fromAsync(mapSettled(bad(), { ...ports, call: async () => "x" }));
    await expect(all).rejects.toMatchObject({ code: "INPUT_EMPTY" });
  });
});

test("a failure is given with the index of its item", async () => {
  const call = async (item: number): Promise<number> => {
    if (item === 1) throw new SystemError("APPLICATION", "bad", { record: 9 });
    return item;
  };
  const all: Settled<number>[] = await Array.fromAsync(
    mapSettled(numbers([], 3), { ...ports, call }),
  );
  expect(all.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(all[1]?.error).toMatchObject({ code: "APPLICATION", where: { record: 9, index: 1 } });
});

test("a signal ends it, also while the source hangs", async () => {
  const end = new AbortController();
  async function* hanging(): AsyncGenerator<number> {
    yield 0;
    await new Promise(() => undefined);
  }
  const call = (): Promise<number> => new Promise(() => undefined);
  const next = mapSettled(hanging(), { ...ports, call, signal: end.signal }).next();
  await settle();
  end.abort("enough");
  await expect(next).rejects.toMatchObject({ code: "CANCELLED", what: "enough" });
});

test("a failure ends it though the source hangs in its next item", async () => {
  const { calls, call } = hands();
  async function* hanging(): AsyncGenerator<number, void, void> {
    yield 1;
    await new Promise<never>(() => undefined);
  }
  const taken = (async () => {
    for await (const { error } of mapSettled(hanging(), { ...ports, call })) {
      if (error !== undefined) throw error;
    }
  })();
  await settle();
  calls[0]?.reject(new SystemError("APPLICATION", "no such thing"));
  await expect(taken).rejects.toThrow("no such thing");
});

test("no item: no result", async () => {
  const { call } = hands();
  expect(await Array.fromAsync(mapSettled([], { ...ports, call }))).toEqual([]);
});

test("10,000 items in order with 100 in flight", async () => {
  const call = async (item: number): Promise<number> => {
    if (item % 7 === 0) await settle();
    return item * 2;
  };
  const all = await Array.fromAsync(
    mapSettled(numbers([], 10_000), { ...ports, bound: () => 100, call }),
  );
  expect(all.every(({ index, value }) => value === index * 2)).toBe(true);
  expect(all.length).toBe(10_000);
});
