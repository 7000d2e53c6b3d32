/** Objects between nodes: what is fetched is what was put, or one clear error says why not. */
import { describe, expect, test } from "vitest";
import { isLinkFrame } from "../../../runtime/frame/prefix.ts";
import { regionStatus } from "../../../runtime/native/regions.ts";
import { FarNode } from "../../bench/nodes/far.ts";
import { bytesOf, clientOn, hastyClock, JOB, MB, nodeOn, until, Wire } from "./nodes.ts";

const WAYS = regionStatus().addon === undefined ? [false] : [true, false];

describe.each(WAYS)("objects of another node (addon: %s)", (native) => {
  test("are fetched once by all who ask, and kept as copies", async () => {
    const wire = new Wire();
    const [a, b] = [nodeOn(wire, { native }), nodeOn(wire, { native })];
    const bytes = bytesOf(5_000_001, 7);
    const ref = await a.put(bytes);
    // Both listen from their first use on.
    await b.exchange.fetch(await a.put(bytesOf(10, 1)));
    let frames = 0;
    wire.drops = (frame) => {
      if (!isLinkFrame(frame)) frames += 1;
      return false;
    };
    await Promise.all(Array.from({ length: 20 }, () => b.exchange.fetch(ref)));
    await b.exchange.fetch(ref);
    // One question, one answer.
    expect(frames).toBe(2);
    expect(Buffer.compare(await b.read(ref.id), bytes)).toBe(0);
    const empty = await a.put(new Float64Array());
    await b.exchange.fetch(empty);
    const { header } = await b.store.get(empty.id);
    expect(header).toMatchObject({ kind: "float64", shape: [0] });
    expect([...b.store.objects()].map(({ isCopy }) => isCopy)).toEqual([true, true, true]);
  });

  test("come from the disk where they were spilled, and need no room there", async () => {
    const wire = new Wire();
    const a = nodeOn(wire, { native, limitBytes: 3 * MB, spillBytes: 100 * MB });
    const b = nodeOn(wire, { native });
    const all = [1, 2, 3, 4].map((seed) => bytesOf(MB + seed, seed));
    const refs = [];
    for (const bytes of all) refs.push(await a.put(bytes));
    const { spilledObjects } = a.store.usage();
    expect(spilledObjects).toBeGreaterThan(0);
    await Promise.all(refs.map((ref) => b.exchange.fetch(ref)));
    for (const [i, { id }] of refs.entries()) {
      expect(Buffer.compare(await b.read(id), all[i] as Uint8Array)).toBe(0);
    }
    expect(a.store.usage().spilledObjects).toBe(spilledObjects);
  });
});

test("copies make room for others, and none of them is spilled", async () => {
  const wire = new Wire();
  const a = nodeOn(wire);
  const b = nodeOn(wire, { limitBytes: 4 * MB, spillBytes: 100 * MB });
  const own = bytesOf(MB, 99);
  const mine = await b.put(own);
  for (let seed = 1; seed <= 6; seed += 1) {
    const bytes = bytesOf(MB, seed);
    const ref = await a.put(bytes);
    await b.exchange.fetch(ref);
    expect(Buffer.compare(await b.read(ref.id), bytes)).toBe(0);
  }
  const copies = [...b.store.objects()].filter(({ isCopy }) => isCopy);
  expect(copies.filter(({ isSpilled }) => isSpilled)).toEqual([]);
  expect(copies.length).toBeLessThanOrEqual(3);
  expect(b.store.usage().grantedBytes).toBe(0);
  expect(Buffer.compare(await b.read(mine.id), own)).toBe(0);
});

test("a fetch waits for room, and fails when none comes", async () => {
  const wire = new Wire();
  const [a, b] = [nodeOn(wire), nodeOn(wire, { limitBytes: 3 * MB })];
  const pinned = await b.put(bytesOf(2 * MB, 1));
  const view = await b.store.get(pinned.id);
  const ref = await a.put(bytesOf(2 * MB, 2));
  await expect(b.exchange.fetch(ref, { waitMs: 50 })).rejects.toMatchObject({
    code: "OBJECT_STORE_FULL",
  });
  const fetched = b.exchange.fetch(ref);
  await until(() => b.store.usage().waiting === 1);
  view.release();
  b.store.release(pinned.id);
  await fetched;
  expect(b.store.has(ref.id)).toBe(true);
});

test("what was released is lost, and the error says by whom and when", async () => {
  const wire = new Wire();
  const [a, b] = [nodeOn(wire), nodeOn(wire)];
  const ref = await a.put(bytesOf(MB, 1));
  a.store.release(ref.id);
  const lost = { code: "OBJECT_LOST", where: { object: ref.id, node: a.identity } };
  await expect(b.exchange.fetch(ref)).rejects.toMatchObject(lost);
  await expect(b.exchange.fetch(ref)).rejects.toThrow(/released at \d{4}-/);
  expect(b.store.usage()).toMatchObject({ grantedBytes: 0, objects: 0 });
});

test("a node that answers nothing has lost its objects", async () => {
  const wire = new Wire();
  const [a, b] = [nodeOn(wire), nodeOn(wire, { clock: hastyClock })];
  const ref = await a.put(bytesOf(MB, 1));
  wire.leave(a.identity);
  const all = [b.exchange.fetch(ref), b.exchange.fetch(ref)];
  for (const one of all) {
    await expect(one).rejects.toMatchObject({ code: "OBJECT_LOST", where: { node: a.identity } });
  }
  await expect(b.exchange.fetch(ref)).rejects.toThrow(/hasn't answered for 5000 ms, since \d{4}-/);
  expect(b.store.usage().grantedBytes).toBe(0);
});

test("frames that are lost cost time alone", async () => {
  const wire = new Wire();
  const a = nodeOn(wire);
  const b = nodeOn(wire, { clock: hastyClock });
  const ref = await a.put(bytesOf(MB, 1));
  let frames = 0;
  // Two questions, then an answer.
  wire.drops = () => {
    frames += 1;
    return [1, 2, 4].includes(frames);
  };
  await b.exchange.fetch(ref);
  expect(b.store.has(ref.id)).toBe(true);
});

test("a node that is long at a question isn't taken for dead", async () => {
  const wire = new Wire();
  const a = nodeOn(wire, { limitBytes: 2 * MB });
  const { asks } = clientOn(wire, hastyClock);
  const view = await a.store.get((await a.put(bytesOf(MB, 1))).id);
  const room = { op: "object-room", job: JOB, bytes: MB + MB / 2, waitMs: 1_500 } as const;
  // Room doesn't come; the answer does, long after the silence that would be death.
  await expect(asks.ask(a.identity, room)).rejects.toMatchObject({ code: "OBJECT_STORE_FULL" });
  view.release();
});

test("the end of an asker amid a fetch leaves its source as it was", async () => {
  const wire = new Wire();
  const a = nodeOn(wire, { limitBytes: 100 * MB, spillBytes: 100 * MB });
  const [b, c] = [nodeOn(wire, { limitBytes: 90 * MB }), nodeOn(wire)];
  const ref = await a.put(bytesOf(60 * MB, 1));
  const fetched = b.exchange.fetch(ref).catch((error: unknown) => error);
  await until(() => b.store.usage().grantedBytes > 0);
  await b.kill();
  expect(await fetched).toBeInstanceOf(Error);
  await c.exchange.fetch(ref);
  expect((await c.read(ref.id)).length).toBe(60 * MB);
  // Nobody holds it: it can be spilled.
  await a.put(bytesOf(60 * MB, 2));
  expect(a.store.usage().spilledObjects).toBe(1);
});

test("the death of a source's process amid a fetch is one error, and room comes back", async () => {
  const wire = new Wire();
  const b = nodeOn(wire, { limitBytes: 300 * MB, clock: hastyClock });
  const far = new FarNode((from, to, frame) => wire.send(from, to, frame));
  await far.start({ limitBytes: 300 * MB });
  wire.listen(far.identity, (from, frame) => far.deliver(from, frame));
  const ref = await far.put(200 * MB, 1);
  const fetched = b.exchange.fetch(ref).then(
    () => "whole",
    (error: unknown) => error,
  );
  await until(() => b.store.usage().grantedBytes > 0);
  far.kill("SIGKILL");
  await far.end();
  const outcome = await fetched;
  if (outcome !== "whole") expect(outcome).toMatchObject({ code: "OBJECT_LOST" });
  expect(b.store.usage().grantedBytes).toBe(0);
});

test("the end of a job ends its fetches", async () => {
  const wire = new Wire();
  const [a, b] = [nodeOn(wire), nodeOn(wire, { limitBytes: 3 * MB })];
  const view = await b.store.get((await b.put(bytesOf(2 * MB, 1))).id);
  const other = "00000000000000bb" as typeof JOB;
  const ref = await a.put(bytesOf(2 * MB, 2), other);
  const fetched = b.exchange.fetch(ref);
  await until(() => b.store.usage().waiting === 1);
  b.store.endJob(other);
  await expect(fetched).rejects.toMatchObject({ code: "CANCELLED" });
  view.release();
});
