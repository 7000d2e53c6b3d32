/** Methods that yield: every item in order, never more ahead than the window, and their ends. */
import { describe, expect, test } from "vitest";
import { withOptions } from "../../runtime/index.ts";
import { client, journal, useActors } from "./actor-suite.ts";
import { codeOf, entryOf, marksOf, processOf } from "./actors.ts";
import { kill } from "./processes.ts";
import { LifeActor } from "./programs/lives.ts";

const CARRIERS = ["auto", "nats"] as const;
/** Items that a generator may be ahead of its consumer, and their bytes. */
const WINDOW_ITEMS = 16;
const WINDOW_BYTES = 1024 * 1024;

useActors();

const spawn = (carrier: (typeof CARRIERS)[number], maxRestarts = 0) =>
  client.spawn(LifeActor, [{ journal }], { carrier, maxRestarts });
type Life = Awaited<ReturnType<typeof spawn>>;

/** What its generators made, once two looks in a row agree. */
async function settledYield(life: Life): Promise<number> {
  for (let last = -1; ; ) {
    // Each is a call through the same link: what was asked for before it has been done.
    const now = await life.yielded();
    await life.together(50);
    if (now === last) return now;
    last = now;
  }
}

describe.each(CARRIERS)("over %s", (carrier) => {
  test("every item comes once and in order, and the end runs what is behind it", async () => {
    const life = await spawn(carrier);
    let next = 0;
    for await (const item of life.numbers(5_000, "all")) {
      expect(item).toBe(next);
      next += 1;
    }
    expect(next).toBe(5_000);
    await entryOf(journal, "all returned");
  });

  test("a slow consumer holds the generator back, and the actor serves others", async () => {
    const life = await spawn(carrier);
    const numbers = life.numbers(1_000, "slow");
    expect((await numbers.next()).value).toBe(0);
    const made = await settledYield(life);
    report(`${made} made, 1 taken`);
    // One is taken, the window is full, one more was made and waits for room.
    expect(made).toBeGreaterThan(1);
    expect(made).toBeLessThanOrEqual(WINDOW_ITEMS + 2);
    for (let i = 1; i <= 100; i += 1) expect((await numbers.next()).value).toBe(i);
    expect(await settledYield(life)).toBeLessThanOrEqual(100 + 1 + WINDOW_ITEMS + 2);
    await numbers.return(undefined);
  });

  test("large items: the window is 1 MiB", async () => {
    const life = await spawn(carrier);
    const bytes = 256 * 1024;
    const blocks = life.blocks(40, bytes);
    expect((await blocks.next()).value?.length).toBe(bytes);
    const made = await settledYield(life);
    report(`${made} blocks of 256 KiB made, 1 taken`);
    expect(made).toBeLessThanOrEqual(WINDOW_BYTES / bytes + 3);
    let taken = 1;
    for await (const block of blocks) {
      expect(block[7]).toBe(taken % 256);
      taken += 1;
    }
    expect(taken).toBe(40);
  });

  test("break runs the generator's finally in the actor", async () => {
    const life = await spawn(carrier);
    for await (const item of life.numbers(1_000_000, "broken")) if (item === 40) break;
    await entryOf(journal, "broken returned");
    const made = await settledYield(life);
    expect(made).toBeLessThanOrEqual(41 + WINDOW_ITEMS + 2);
  });

  test("an abort ends it at both ends", async () => {
    const life = await spawn(carrier);
    const stop = new AbortController();
    const slow = withOptions(life, { signal: stop.signal }).slowly(60_000, "aborted");
    expect((await slow.next()).value).toBe(0);
    const next = codeOf(slow.next());
    stop.abort();
    expect(await next).toBe("CANCELLED");
    await entryOf(journal, "aborted returned");
  });

  test("a deadline ends it at both ends", async () => {
    const life = await spawn(carrier);
    const slow = withOptions(life, { deadlineMs: 400 }).slowly(60_000, "late");
    expect((await slow.next()).value).toBe(0);
    expect(await codeOf(slow.next())).toBe("DEADLINE_EXCEEDED");
    await entryOf(journal, "late returned");
  });

  test("what it throws comes after its last item", async () => {
    const life = await spawn(carrier);
    const items: number[] = [];
    const all = (async () => {
      for await (const item of life.failsAfter(30)) items.push(item);
    })();
    await expect(all).rejects.toMatchObject({ code: "APPLICATION", what: "no more" });
    expect(items.length).toBe(30);
  });

  test("after its first item a kill is OUTCOME_UNKNOWN, retries or not", async () => {
    const life = await spawn(carrier, 3);
    const victim = processOf(await life.pid());
    const slow = withOptions(life, { retries: 3 }).slowly(60_000, "killed");
    expect((await slow.next()).value).toBe(0);
    const next = codeOf(slow.next());
    await kill(victim);
    expect(await next).toBe("OUTCOME_UNKNOWN");
    expect((await slow.next()).done).toBe(true);
    expect(await withOptions(life, { retries: 3 }).add(1)).toBe(1);
    expect(marksOf(journal)).toEqual([]);
  });

  test("many at once don't hold up each other", async () => {
    const life = await spawn(carrier);
    const parked = Array.from({ length: 20 }, () => life.numbers(1_000, "parked"));
    for (const one of parked) expect((await one.next()).value).toBe(0);
    let sum = 0;
    for await (const item of life.numbers(2_000, "through")) sum += item;
    expect(sum).toBe((2_000 * 1_999) / 2);
    await Promise.all(parked.map((one) => one.return(undefined)));
  });
});

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
