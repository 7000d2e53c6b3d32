/** Reading a log: from snapshots and segments, and every way in which what stands may be wrong. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../../head/core/core.ts";
import type { Fact } from "../../../head/core/facts.ts";
import { checkLog } from "../../../head/daemon/durable/check.ts";
import { Replica, replay } from "../../../head/daemon/durable/replica.ts";
import { encodeSnapshot, snapshotUri } from "../../../head/daemon/durable/snapshot.ts";
import { encodeSegment, segmentUri } from "../../../head/daemon/log.ts";
import { MemoryStorage } from "./memory.ts";
import { PROGRAM } from "./support.ts";

const STATE = "/state";
const SEGMENTS = 12;
const noPause = async (): Promise<void> => {};
const epochOf = (number: number) => ({ number, leader: `leader-${number}` });
const submitted = (n: number): Fact => {
  const jobId = String(n).padStart(64, "0");
  return { type: "program.submitted", jobId, program: PROGRAM, argv: [], atMs: n };
};

/** A log of two leaders, with snapshots after the segments that are named. */
async function newLog(snapshots: readonly number[] = []): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (let n = 1; n <= SEGMENTS; n += 1) {
    const epoch = epochOf(n < 6 ? 1 : 2);
    const begins: Fact[] = n === 1 || n === 6 ? [{ type: "epoch", ...epoch }] : [];
    storage.files.set(segmentUri(STATE, n), encodeSegment(n, epoch, [...begins, submitted(n)]));
    if (!snapshots.includes(n)) continue;
    const { state } = await replay(STATE, storage);
    storage.files.set(snapshotUri(STATE, n), await encodeSnapshot(n, state, n, noPause));
  }
  return storage;
}

const load = (storage: MemoryStorage) => Replica.load({ stateUri: STATE, storage });
const digest = async (storage: MemoryStorage) => digestOf((await load(storage)).state);

function removeSegments(storage: MemoryStorage, from: number, to: number): void {
  for (let n = from; n <= to; n += 1) storage.files.delete(segmentUri(STATE, n));
}

/** What a person is told: that it is damaged, and what to do. */
async function expectCorrupt(storage: MemoryStorage, what: RegExp): Promise<void> {
  const error = await load(storage).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "LOG_CORRUPT" });
  expect(String(error)).toMatch(what);
  expect(String(error)).toMatch(/restore it from a copy/);
  expect((await checkLog({ stateUri: STATE, storage })).error).toMatchObject({
    code: "LOG_CORRUPT",
  });
}

describe("a replica", () => {
  test("of snapshot and tail is that of the whole log", async () => {
    const whole = await digest(await newLog());
    const storage = await newLog([4, 9]);
    const replica = await load(storage);
    expect([replica.base, replica.tail]).toEqual([9, SEGMENTS]);
    removeSegments(storage, 1, 9);
    expect(await digest(storage)).toEqual(whole);
    const alone = await newLog([SEGMENTS]);
    removeSegments(alone, 1, SEGMENTS);
    const { tail, state } = await load(alone);
    expect([tail, digestOf(state)]).toEqual([SEGMENTS, whole]);
  });

  test("takes new segments as they come, and nothing twice", async () => {
    const storage = await newLog();
    const whole = await digest(storage);
    const last = storage.files.get(segmentUri(STATE, SEGMENTS));
    removeSegments(storage, SEGMENTS, SEGMENTS);
    const replica = await load(storage);
    expect(await replica.catchUp()).toBe(0);
    storage.files.set(segmentUri(STATE, SEGMENTS), last ?? Buffer.of());
    expect(await replica.catchUp()).toBe(1);
    expect(await replica.catchUp()).toBe(0);
    expect(digestOf(replica.state)).toEqual(whole);
  });

  test("knows that it was left behind when segments were removed meanwhile", async () => {
    const storage = await newLog([9]);
    removeSegments(storage, 4, SEGMENTS);
    const kept = storage.files.get(snapshotUri(STATE, 9));
    storage.files.delete(snapshotUri(STATE, 9));
    const replica = await load(storage);
    expect(await replica.isLeftBehind()).toBe(false);
    storage.files.set(snapshotUri(STATE, 9), kept ?? Buffer.of());
    expect(await replica.isLeftBehind()).toBe(true);
  });
});

describe("damage", () => {
  test("of a segment is found wherever a bit flips, and is one clear error", async () => {
    const whole = await digest(await newLog());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: SEGMENTS }), fc.nat(), async (n, where) => {
        const storage = await newLog();
        storage.change(segmentUri(STATE, n), (bytes) => flipped(bytes, where));
        await expectCorrupt(storage, new RegExp(`log segment ${n}: `));
      }),
      { numRuns: 200 },
    );
    expect(await digest(await newLog())).toEqual(whole);
  });

  test("of a snapshot costs an older one or the segments, and a person is told", async () => {
    const whole = await digest(await newLog());
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.boolean(), async (where, isCut) => {
        const storage = await newLog([4, 9]);
        storage.change(snapshotUri(STATE, 9), (bytes) =>
          isCut ? bytes.subarray(0, where % bytes.length) : flipped(bytes, where),
        );
        const replica = await load(storage);
        expect(digestOf(replica.state)).toEqual(whole);
        expect(replica.base).toBe(4);
        expect(replica.remarks.join()).toMatch(/snapshot 9: .*an older one is read instead/);
        removeSegments(storage, 5, 9);
        await expectCorrupt(storage, /snapshot 9: .*log segment 5: it is missing/);
      }),
      { numRuns: 200 },
    );
  });

  test("of all snapshots is an error once segments were removed", async () => {
    const storage = await newLog([4, 9]);
    removeSegments(storage, 1, 4);
    for (const n of [4, 9]) storage.change(snapshotUri(STATE, n), (bytes) => flipped(bytes, 900));
    await expectCorrupt(storage, /snapshot 9: .*snapshot 4: .*log segment 1: it is missing/);
  });

  test("a missing middle is found, with and without snapshots before it", async () => {
    for (const snapshots of [[], [4]]) {
      const storage = await newLog(snapshots);
      removeSegments(storage, 7, 8);
      await expectCorrupt(storage, /log segment 7: it is missing/);
    }
    const behind = await newLog([9]);
    removeSegments(behind, 2, 7);
    expect((await load(behind)).tail).toBe(SEGMENTS);
  });

  test("a segment of another log, or of a head that didn't lead then, is refused", async () => {
    const storage = await newLog();
    const foreign = encodeSegment(8, { number: 2, leader: "another" }, [submitted(8)]);
    storage.files.set(segmentUri(STATE, 8), foreign);
    await expectCorrupt(storage, /log segment 8: it is of epoch 2 of another/);
    const older = encodeSegment(8, epochOf(1), [{ type: "epoch", ...epochOf(1) }]);
    storage.files.set(segmentUri(STATE, 8), older);
    await expectCorrupt(storage, /log segment 8: it is of epoch 1/);
  });

  test("half-written temp files are nothing, and foreign names are told of", async () => {
    const storage = await newLog();
    storage.files.set(`${STATE}/log/.000000000013.0123456789ab.tmp`, Buffer.from("half"));
    expect((await load(storage)).remarks).toEqual([]);
    storage.files.set(`${STATE}/log/000000000013 (copy)`, Buffer.from("x"));
    storage.files.set(`${STATE}/snapshot/notes.txt`, Buffer.from("x"));
    const replica = await load(storage);
    expect(replica.tail).toBe(SEGMENTS);
    expect(replica.remarks.join("\n")).toMatch(/notes.txt[^]*000000000013 \(copy\)/);
    const { foreign, error } = await checkLog({ stateUri: STATE, storage });
    expect([foreign, error]).toEqual([["000000000013 (copy)", "notes.txt"], null]);
  });

  test("is listed flaw by flaw for a person", async () => {
    const storage = await newLog([4, 9]);
    removeSegments(storage, 2, 2);
    storage.change(segmentUri(STATE, 11), (bytes) => bytes.subarray(0, 40));
    storage.change(snapshotUri(STATE, 4), (bytes) => flipped(bytes, 4_000));
    const report = await checkLog({ stateUri: STATE, storage });
    expect(report.flaws).toEqual([
      { uri: snapshotUri(STATE, 4), what: "its checksum doesn't match" },
      { uri: segmentUri(STATE, 2), what: "it is missing" },
      { uri: segmentUri(STATE, 11), what: "a line isn't JSON" },
    ]);
    expect(report.segments).toEqual({ first: 1, last: SEGMENTS, count: SEGMENTS - 1 });
    expect(report.snapshots.map(({ n, made }) => [n, made !== null])).toEqual([
      [4, false],
      [9, true],
    ]);
    expect(report.error?.what).toMatch(/log segment 11/);
  });
});

/** Bytes with one bit changed. */
function flipped(bytes: Buffer, where: number): Buffer {
  const at = where % bytes.length;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (where % 8));
  return bytes;
}
