/** The parts of transfers that need no network: turns, tokens, what comes in pieces, looking. */
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../runtime/clock.ts";
import type { SystemError } from "../../../runtime/errors.ts";
import type { Identity } from "../../../runtime/ids.ts";
import { receiveStaged } from "../../../runtime/transfer/connection.ts";
import { Inbound } from "../../../runtime/transfer/inbound.ts";
import { TRANSFER_TOKEN_MS } from "../../../runtime/transfer/limits.ts";
import {
  decodeRequest,
  encodeReply,
  encodeRequest,
  refusalBytesOf,
  refusalOf,
  REPLY_BYTES,
} from "../../../runtime/transfer/wire.ts";
import { TOKENS_PER_ASKER_MAX } from "../../../worker/transfer/limits.ts";
import { listObjects, memoryOf, pidsByInode } from "../../../worker/transfer/scan.ts";
import { Tokens } from "../../../worker/transfer/tokens.ts";
import { Turns } from "../../../worker/transfer/turns.ts";

const [A, B] = ["c-00000000000a", "c-00000000000b"] as Identity[] as [Identity, Identity];

describe("turns", () => {
  const bounds = { most: 2, weight: 100, waiting: 5 };

  test("go round between those who want them", async () => {
    const turns = new Turns({ ...bounds, most: 1 });
    const order: string[] = [];
    const first = await turns.take("a", 1);
    const want = async (of: string, name: string): Promise<void> => {
      const giveBack = await turns.take(of, 1);
      order.push(name);
      giveBack();
      giveBack();
    };
    const all = [want("a", "a1"), want("a", "a2"), want("a", "a3"), want("b", "b1")];
    expect([turns.running, turns.waiting]).toEqual([1, 4]);
    first();
    await Promise.all(all);
    expect(order).toEqual(["a1", "b1", "a2", "a3"]);
    expect([turns.running, turns.waiting]).toEqual([0, 0]);
  });

  test("bound what is under way, but let the heaviest through alone", async () => {
    const turns = new Turns(bounds);
    const heavy = await turns.take("a", 1_000);
    let began = 0;
    const light = turns.take("b", 1).then((giveBack) => {
      began += 1;
      return giveBack;
    });
    await Promise.resolve();
    expect(began).toBe(0);
    heavy();
    const giveBack = await light;
    await turns.take("a", 99);
    const late = new AbortController();
    const waits = turns.take("c", 1, late.signal);
    expect(turns.waiting).toBe(1);
    late.abort();
    await expect(waits).rejects.toMatchObject({ code: "CANCELLED" });
    expect(turns.waiting).toBe(0);
    giveBack();
  });

  test("refuse a crowd", async () => {
    const turns = new Turns({ ...bounds, most: 1, waiting: 1 });
    await turns.take("a", 1);
    void turns.take("a", 1);
    await expect(turns.take("b", 1)).rejects.toMatchObject({ code: "OVERLOADED" });
  });
});

describe("tokens", () => {
  test("are good once, for one, and not for long", () => {
    let nowMs = 0;
    const lapsed: string[] = [];
    const clock = { now: () => nowMs } as Clock;
    const tokens = new Tokens<string>(clock, (ticket) => lapsed.push(ticket));
    const refused = expect.objectContaining({ code: "NOT_AUTHORIZED" }) as SystemError;
    const token = tokens.mint(A, "one");
    expect(tokens.burn(token, A)).toBe("one");
    expect(() => tokens.burn(token, A)).toThrow(refused);
    const stolen = tokens.mint(A, "two");
    expect(() => tokens.burn(stolen, B)).toThrow(refused);
    expect(() => tokens.burn(stolen, A)).toThrow(refused);
    const old = tokens.mint(A, "three");
    nowMs = TRANSFER_TOKEN_MS;
    expect(() => tokens.burn(old, A)).toThrow(refused);
    expect(lapsed).toEqual(["two", "three"]);
    for (let one = 0; one < TOKENS_PER_ASKER_MAX; one += 1) tokens.mint(A, "many");
    expect(() => tokens.mint(A, "more")).toThrow(/holds 4096 unused/);
    expect(tokens.burn(tokens.mint(B, "other"), B)).toBe("other");
  });
});

describe("what comes in", () => {
  function inbound(): { inbound: Inbound; said: string[] } {
    const said: string[] = [];
    const incoming = {
      pause: () => said.push("pause"),
      resume: () => said.push("resume"),
      destroy: () => said.push("destroy"),
    };
    return { inbound: new Inbound(() => incoming), said };
  }

  test.each([1, 7, 4096, 70_000, 1_000_000])("is whole in pieces of %i", async (piece) => {
    const { inbound: from } = inbound();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 31);
    const head = from.read(100);
    const got = new Uint8Array(bytes.length - 100);
    const body = head.then(() =>
      receiveStaged(from, got.length, (offset, part) => got.set(part, offset)),
    );
    for (let at = 0; at < bytes.length; at += piece) {
      from.take(bytes.subarray(at, at + piece));
      await Promise.resolve();
    }
    await body;
    expect(Buffer.compare(await head, bytes.subarray(0, 100))).toBe(0);
    expect(Buffer.compare(got, bytes.subarray(100))).toBe(0);
  });

  test("waits unasked, stops the sender, and a flood ends it", async () => {
    const { inbound: from, said } = inbound();
    from.take(new Uint8Array(60_000));
    expect(said).toEqual(["pause"]);
    expect(await from.read(10)).toHaveLength(10);
    expect(said).toEqual(["pause", "pause"]);
    expect(await from.read(59_000)).toHaveLength(59_000);
    expect(said.at(-1)).toBe("resume");
    from.take(new Uint8Array(2_000_000));
    expect(said.at(-1)).toBe("destroy");
    await expect(from.read(1)).rejects.toMatchObject({ code: "TRANSFER_FAILED" });
  });

  test("requests and replies keep their form, and nothing else passes", () => {
    const token = new Uint8Array(32).fill(3);
    expect(decodeRequest(encodeRequest({ op: "put", token }))).toEqual({
      op: "put",
      token: Buffer.from(token),
    });
    const refusal = encodeReply(
      new (class extends Error {
        code = "OBJECT_LOST";
        what = "gone\nby now";
      })() as never,
    );
    expect(refusalBytesOf(refusal)).toBe(refusal.length - REPLY_BYTES);
    const { code, what } = refusalOf(refusal.subarray(REPLY_BYTES));
    expect({ code, what }).toEqual({ code: "OBJECT_LOST", what: "gone\nby now" });
    expect(refusalOf(Buffer.from("NO_SUCH\nx")).code).toBe("TRANSFER_FAILED");
    for (const at of [0, 4, 5]) {
      const bytes = encodeRequest({ op: "get", token });
      bytes[at] = 99;
      expect(() => decodeRequest(bytes)).toThrow(/TRANSFER_FAILED/);
    }
    const long = encodeReply();
    long.writeUInt32LE(1e9, 8);
    long[5] = 1;
    expect(() => refusalBytesOf(long)).toThrow(/TRANSFER_FAILED/);
  });
});

describe("looking through a million objects", () => {
  const count = 1_000_000;
  const one = { id: "0".repeat(32), job: "a", isSpilled: false, isCopy: false };
  const usage = { limitBytes: 1, sharedBytes: 0, idleBytes: 0, grantedBytes: 0, spilledBytes: 0 };
  const store = {
    folder: "/nowhere",
    jobs: new Map(),
    usage: () => ({
      ...usage,
      ...{ spillLimitBytes: 0, copyBytes: 0, objects: count, spilledObjects: 0, waiting: 0 },
    }),
    *objects() {
      for (let number = 1; number <= count; number += 1) {
        yield { ...one, number, bytes: number, job: number % 2 === 0 ? "a" : "b" };
      }
    },
  };

  test("filters first, and lets the loop go on", async () => {
    let turns = 0;
    let isOver = false;
    const spin = (): void => {
      turns += 1;
      if (!isOver) setImmediate(spin);
    };
    spin();
    const page = await listObjects(store, { filter: { job: "b" }, after: 999_990, limit: 3 });
    const memory = await memoryOf(store);
    isOver = true;
    expect(page).toMatchObject({ total: count / 2, next: 999_995 });
    expect(page.entries.map(({ bytes }) => bytes)).toEqual([999_991, 999_993, 999_995]);
    expect(memory.largest.map(({ bytes }) => bytes)[0]).toBe(count);
    // Each turn of looking is short: many others came between.
    expect(turns).toBeGreaterThan(20);
  });
});

test("locks of the kernel are read by the file's number", () => {
  const locks = [
    "1: FLOCK  ADVISORY  READ 4711 00:1a:99 0 EOF",
    "2: POSIX  ADVISORY  WRITE 4712 00:1a:99 0 EOF",
    "3: FLOCK  ADVISORY  READ 4713 00:1a:99 0 EOF",
    "4: FLOCK  ADVISORY  WRITE 0 00:1a:98 0 EOF",
  ].join("\n");
  expect(pidsByInode(locks)).toEqual(new Map([["99", new Set([4711, 4713])]]));
});
