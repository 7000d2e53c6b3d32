/** Objects as a process has them, over the store of its machine. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tableFromArrays, tableFromIPC, tableToIPC } from "apache-arrow";
import {
  putResult,
  refsAmong,
  resolveArguments,
} from "../../../runtime/client/objects/arguments.ts";
import { waitFor } from "../../../runtime/client/objects/wait.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import { newIdentity, newProcessId } from "../../../runtime/ids.ts";
import { FIELDS } from "../frame/fixtures.ts";
import { diskFolder, MIB, valuesOf } from "./fixture.ts";
import { nodeOf, objectsOf } from "./node.ts";

const ARRAYS = [
  Uint8Array.of(1, 2),
  Uint8ClampedArray.of(3),
  Int8Array.of(-4),
  Uint16Array.of(5),
  Int16Array.of(-6),
  Float16Array.of(0.5),
  Uint32Array.of(7),
  Int32Array.of(-8),
  Float32Array.of(1.5),
  Float64Array.of(0.1),
  BigUint64Array.of(9n),
  BigInt64Array.of(-10n),
];

/** A ref as another process gets it. */
function crossed(ref: ObjectRef): ObjectRef {
  return decodeFrame(encodeFrame(FIELDS, ref)).value as ObjectRef;
}

/** As large as needs a store. */
function large(array: (typeof ARRAYS)[number]): (typeof ARRAYS)[number] {
  const type = array.constructor as new (length: number) => (typeof ARRAYS)[number];
  const made = new type(100_000 / array.BYTES_PER_ELEMENT);
  (made as Uint8Array).set(array as Uint8Array, 7);
  return made;
}

describe("what one process puts another gets", () => {
  test.each(ARRAYS.map((array) => [array.constructor.name, array] as const))(
    "as the array it was: %s",
    async (_name, array) => {
      const node = await nodeOf();
      const [one, two] = [objectsOf(node), objectsOf(node)];
      for (const put of [array, large(array)]) {
        const ref = crossed(await one.put(put));
        expect(ref.node).toBe(put.length < 100 ? null : node.node);
        expect(await two.get(ref)).toStrictEqual(put);
      }
    },
  );

  test("bytes of any form, small and large, as bytes", async () => {
    const node = await nodeOf();
    const [one, two] = [objectsOf(node), objectsOf(node)];
    for (const length of [0, 1, 4096, 4097, 70_000, MIB]) {
      const bytes = new Uint8Array(length).fill(length % 251);
      const forms = [bytes, Buffer.from(bytes), bytes.buffer, new SharedArrayBuffer(length)];
      new Uint8Array(forms[3] as SharedArrayBuffer).set(bytes);
      for (const form of forms) {
        const got = await two.get(crossed(await one.put(form)));
        expect(got).toBeInstanceOf(Uint8Array);
        expect(Buffer.compare(got as Uint8Array, bytes)).toBe(0);
      }
    }
  });

  test("with its kind and shape", async () => {
    const node = await nodeOf();
    const [one, two] = [objectsOf(node), objectsOf(node)];
    for (const [rows, width] of [
      [2, 3],
      [100, 300],
    ] as const) {
      const ref = await one.put(new Float32Array(rows * width), { shape: [rows, width] });
      const view = await two.view(crossed(ref));
      expect(view).toMatchObject({ kind: "float32", shape: [rows, width] });
      view.release();
    }
    const bytes = tableToIPC(
      tableFromArrays({ x: Float32Array.from({ length: 5000 }, (_, i) => Math.sqrt(i)) }),
    );
    const arrow = await one.put(bytes, { kind: "arrow" });
    const got = (await two.get(crossed(arrow))) as Uint8Array;
    expect(tableFromIPC(got).getChild("x")?.get(4)).toBe(2);
    expect((await two.view(arrow)).kind).toBe("arrow");
  });

  test("any value that crosses, its arrays without a copy", async () => {
    const node = await nodeOf();
    const [one, two] = [objectsOf(node), objectsOf(node)];
    const small = { a: [1, null, undefined, "x"], when: new Date(5), at: Uint8Array.of(1) };
    const big = {
      name: "b",
      vectors: valuesOf(50_000, 1),
      ids: Int32Array.of(4, 5),
      nested: [[1n]],
    };
    for (const value of [
      small,
      big,
      undefined,
      null,
      7,
      "text",
      [new ObjectRef(crossedFields())],
    ]) {
      expect(await two.get(crossed(await one.put(value)))).toStrictEqual(value);
    }
    const got = (await two.get(await one.put(big))) as typeof big;
    expect(got.vectors.buffer).toBe(got.ids.buffer);
  });
});

function crossedFields() {
  return { id: "a".repeat(32), bytes: 3, job: newProcessId(), node: "w-0123456789ab" as never };
}

test("a view stays good when its object is released, and nothing of that is left", async () => {
  const node = await nodeOf();
  const [one, two] = [objectsOf(node), objectsOf(node)];
  const ref = await one.put(valuesOf(50_000, 3));
  const got = (await two.get(ref)) as Float64Array;
  await one.release([ref]);
  expect(node.store.usage().objects).toBe(0);
  expect(got).toEqual(valuesOf(50_000, 3));
  got[0] = 1;
  await expect(one.get(ref)).rejects.toThrow(/OBJECT_LOST.*this process released it/);
  const who = new RegExp(`OBJECT_LOST.*released by process ${ref.job} at 20\\d\\d-`);
  await expect(two.get(ref)).rejects.toThrow(who);
  await one.release([ref, ref]);
  await two.release([ref]);
  const folder = join(node.store.folder, "jobs", ref.job);
  expect(readdirSync(folder)).toEqual([]);
});

test("what is written into a got array stays with who wrote it", async () => {
  const node = await nodeOf();
  const [one, two] = [objectsOf(node), objectsOf(node)];
  for (const length of [10, 50_000]) {
    const ref = await one.put(valuesOf(length, 1));
    const got = (await two.get(ref)) as Float64Array;
    got.fill(0);
    expect(await two.get(ref)).toEqual(valuesOf(length, 1));
    expect(await one.get(ref)).toEqual(valuesOf(length, 1));
  }
});

describe("misuse is an error by its code", () => {
  test("in put", async () => {
    const objects = objectsOf(await nodeOf());
    const gone = new Float32Array(10);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const wrong: [unknown, object, RegExp][] = [
      [gone, {}, /USAGE.*detached/],
      [gone.buffer, {}, /USAGE.*detached/],
      [Float32Array.of(1), { kind: "int8" }, /USAGE.*can't be put as int8/],
      [Float32Array.of(1), { shape: [2] }, /USAGE.*shape/],
      [Float32Array.of(1), { shape: Array(9).fill(1) }, /USAGE.*dimensions/],
      [{ a: 1 }, { kind: "bytes" }, /USAGE.*kind and shape/],
      [{ a: 1 }, { shape: [1] }, /USAGE.*kind and shape/],
      [new Map(), {}, /NOT_SERIALIZABLE/],
      [{ a: [() => 1] }, {}, /NOT_SERIALIZABLE.*\$\.a\[0\]/],
      [new DataView(new ArrayBuffer(1)), {}, /NOT_SERIALIZABLE/],
      [new Uint8Array(10_000), { signal: AbortSignal.abort() }, /CANCELLED/],
    ];
    for (const [value, options, error] of wrong) {
      await expect(objects.put(value, options)).rejects.toThrow(error);
    }
  });

  test("in get, of what is no ref or of no object", async () => {
    const node = await nodeOf();
    const objects = objectsOf(node);
    await expect(objects.get({ id: "a".repeat(32) } as ObjectRef)).rejects.toThrow(/USAGE/);
    await expect(objects.release([1 as never])).rejects.toThrow(/USAGE/);
    const fields = { id: "a".repeat(32), bytes: 5, job: newProcessId() };
    const never = new ObjectRef({ ...fields, node: node.node });
    await expect(objects.get(never)).rejects.toThrow(/OBJECT_LOST.*never here/);
    const foreign = new ObjectRef({ ...fields, node: "w-0123456789ab" as never });
    await expect(objects.get(foreign)).rejects.toThrow(/OBJECT_LOST.*another node/);
    const torn = new ObjectRef({ ...fields, node: null, inline: new Uint8Array(133) });
    await expect(objects.get(torn)).rejects.toThrow(/OBJECT_INVALID/);
    const ref = await objects.put(Uint8Array.of(1, 2, 3));
    const { bytes, job, node: none, inline } = ref;
    const other = new ObjectRef({ id: "b".repeat(32), bytes, job, node: none, inline });
    await expect(objects.get(other)).rejects.toThrow(/OBJECT_INVALID.*another object/);
  });

  test("of a wait or a ref that no store takes, alone: what others asked goes on", async () => {
    const node = await nodeOf();
    const objects = objectsOf(node);
    const { id, job } = await objects.put(new Uint8Array(10_000));
    const forged = [
      { bytes: 2 ** 50, node: node.node },
      { bytes: 5, node: "c-0123456789ab" as never },
    ].map((where) => new ObjectRef({ id, job, ...where }));
    const wrong = [-1, Number.NaN, Infinity, 2 ** 31, "5" as never].flatMap((waitMs) => [
      () => objects.put(new Uint8Array(10_000), { waitMs }),
      () => objects.get(forged[0] as ObjectRef, { waitMs }),
    ]);
    wrong.push(...forged.map((ref) => () => objects.get(ref)));
    wrong.push(...forged.map((ref) => async () => await objects.release([ref])));
    for (const call of wrong) {
      const [good, bad] = await Promise.allSettled([objects.put(new Uint8Array(10_000)), call()]);
      expect([good.status, String((bad as PromiseRejectedResult).reason)]).toEqual([
        "fulfilled",
        expect.stringMatching(/USAGE/),
      ]);
    }
  });

  test("of a closed client, and of one without a store", async () => {
    const node = await nodeOf();
    const objects = objectsOf(node);
    const ref = await objects.put(new Uint8Array(10_000));
    const got = (await objects.get(ref)) as Uint8Array;
    objects.close(new SystemError("CANCELLED", "the client closed"));
    for (const call of [objects.put(1), objects.get(ref), objects.release([ref])]) {
      await expect(call).rejects.toThrow(/CANCELLED.*the client closed/);
    }
    expect(got).toHaveLength(10_000);
    const { Objects } = await import("../../../runtime/client/objects/objects.ts");
    const alone = new Objects({ self: newProcessId(), door: async () => undefined });
    expect(await alone.get(await alone.put([1]))).toEqual([1]);
    await expect(alone.put(new Uint8Array(10_000))).rejects.toThrow(/NO_CAPACITY/);
  });

  test("of a stranger at the socket: no token, no store", async () => {
    const node = await nodeOf();
    const { Objects } = await import("../../../runtime/client/objects/objects.ts");
    const door = { ...node.door(), token: "guessed" };
    const stranger = new Objects({ self: newProcessId(), door: async () => door });
    await expect(stranger.put(new Uint8Array(10_000))).rejects.toThrow(/NOT_AUTHORIZED/);
    const used = node.door();
    node.shut(used.token);
    const late = new Objects({ self: newProcessId(), door: async () => used });
    await expect(late.put(new Uint8Array(10_000))).rejects.toThrow(/NOT_AUTHORIZED/);
  });
});

test("a put waits for room, then fails saying who holds what", async () => {
  const node = await nodeOf({ limitBytes: 2 * MIB });
  const [one, two] = [objectsOf(node), objectsOf(node)];
  const first = await one.put(new Uint8Array(1.5 * MIB));
  const late = two.put(new Uint8Array(MIB), { waitMs: 50 });
  const why = new RegExp(`OBJECT_STORE_FULL.*nothing is spilled.*job ${first.job} has 1\\d+ in 1`);
  await expect(late).rejects.toThrow(why);
  const stop = new AbortController();
  const given = two.put(new Uint8Array(MIB), { signal: stop.signal });
  stop.abort();
  await expect(given).rejects.toThrow(/CANCELLED/);
  const waiting = two.put(new Uint8Array(MIB));
  await expect.poll(() => node.store.usage().waiting).toBeGreaterThan(0);
  await one.release([first]);
  expect((await waiting).bytes).toBe(MIB);
  await expect.poll(() => node.store.usage().grantedBytes).toBe(0);
});

test("a wait of weeks waits", async () => {
  const objects = objectsOf(await nodeOf());
  const first = await objects.put(new Uint8Array(7 * MIB));
  const waiting = objects.put(new Uint8Array(7 * MIB), { waitMs: 2 ** 31 - 1 });
  const never = waitFor(objects, [new Promise<never>(() => {}), first], { timeoutMs: 1e12 });
  const turns = new Promise((resolve) => void setTimeout(resolve, 50, "it waits"));
  expect(await Promise.race([waiting.catch(String), never, turns])).toBe("it waits");
  await objects.release([first]);
  expect((await waiting).bytes).toBe(7 * MIB);
});

test("what was spilled comes back to who gets it", async () => {
  const node = await nodeOf({
    limitBytes: 4 * MIB,
    spillRoot: diskFolder(),
    spillLimitBytes: 64 * MIB,
  });
  const objects = objectsOf(node);
  const refs = [];
  for (let i = 0; i < 12; i += 1) refs.push(await objects.put(new Uint8Array(MIB).fill(i)));
  expect(node.store.usage().spilledObjects).toBeGreaterThan(7);
  for (const [i, ref] of refs.entries()) {
    const view = await objects.view(ref);
    expect([view.array[0], view.array.at(-1)]).toEqual([i, i]);
    view.release();
  }
  await objects.release(refs);
  expect(node.store.usage()).toMatchObject({ objects: 0, spilledBytes: 0 });
});

test("memory that a process wrote is written again by it, and given back by all ends", async () => {
  const node = await nodeOf({ limitBytes: 64 * MIB });
  const [one, two] = [objectsOf(node), objectsOf(node)];
  const ref = await one.put(new Uint8Array(4 * MIB).fill(1));
  const view = await two.view(ref);
  await one.release([ref]);
  // It is read still: the next one is elsewhere.
  const second = await one.put(new Uint8Array(4 * MIB).fill(2));
  expect(view.array[9]).toBe(1);
  view.release();
  await expect.poll(() => node.store.usage().idleBytes).toBeGreaterThan(0);
  await one.release([second]);
  const [before] = [node.store.usage().idleBytes];
  const third = await one.put(new Uint8Array(4 * MIB - 100).fill(3));
  expect(node.store.usage().idleBytes).toBeLessThan(before);
  const got = await two.view(third);
  expect([got.array.length, got.array[0], got.array.at(-1)]).toEqual([4 * MIB - 100, 3, 3]);
  got.release();
  // Another process can't use it.
  await one.release([third]);
  const other = await two.put(new Uint8Array(4 * MIB).fill(4));
  expect(((await one.get(other)) as Uint8Array)[5]).toBe(4);
  one.close(new SystemError("CANCELLED", "over"));
  await expect.poll(() => node.store.usage().idleBytes).toBe(0);
  expect(readdirSync(join(node.store.folder, "idle"))).toEqual([]);
});

describe("waiting", () => {
  test("tells what is ready, in the order of the call", async () => {
    const node = await nodeOf();
    const objects = objectsOf(node);
    const [a, b] = [await objects.put(1), await objects.put(new Uint8Array(10_000))];
    const never = new Promise<number>(() => undefined);
    const failed = Promise.reject(new Error("settled too"));
    expect(await waitFor(objects, [a, never, b, failed], { count: 3 })).toEqual({
      ready: [a, b, failed],
      pending: [never],
    });
    const timed = await waitFor(objects, [never, a], { count: 2, timeoutMs: 20 });
    expect(timed).toEqual({ ready: [a], pending: [never] });
    expect(await waitFor(objects, [], {})).toEqual({ ready: [], pending: [] });
    const lost = new ObjectRef({ ...crossedFields(), node: node.node });
    expect((await waitFor(objects, [lost], {})).ready).toEqual([lost]);
    const stop = new AbortController();
    const stopped = waitFor(objects, [never], { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow(/CANCELLED.*enough/);
    await expect(waitFor(objects, [a], { count: 2 })).rejects.toThrow(/USAGE/);
    await expect(waitFor(objects, [7 as never], {})).rejects.toThrow(/USAGE/);
  });
});

describe("arguments and results", () => {
  test("a top-level ref arrives as its value, a nested one as a ref", async () => {
    const objects = objectsOf(await nodeOf());
    const [small, big] = [await objects.put({ x: 1 }), await objects.put(valuesOf(9_000, 1))];
    const args = [small, 5, { in: big }, big];
    expect(refsAmong(args)).toEqual([small, big]);
    const values = await resolveArguments(objects, args);
    expect(values).toEqual([{ x: 1 }, 5, { in: big }, valuesOf(9_000, 1)]);
  });

  test("a result belongs to the task's owner, and ends with it", async () => {
    const node = await nodeOf();
    const objects = objectsOf(node);
    const owner = newProcessId();
    const ref = await putResult(objects, valuesOf(9_000, 1), owner);
    const mine = await objects.put(valuesOf(9_000, 2));
    expect(ref.job).toBe(owner);
    expect(await putResult(objects, ref, newProcessId())).toBe(ref);
    expect(node.jobs().sort()).toEqual([owner, mine.job].sort());
    node.endJob(owner);
    await expect(objects.get(ref)).rejects.toThrow(/OBJECT_LOST.*end of its job/);
    await expect(putResult(objects, valuesOf(9_000, 1), owner)).rejects.toThrow(/CANCELLED/);
    expect(await objects.get(mine)).toEqual(valuesOf(9_000, 2));
    expect(readdirSync(join(node.store.folder, "jobs"))).toEqual([mine.job]);
  });
});

test("what was released here and made again elsewhere is fetched from there", async () => {
  const node = await nodeOf();
  const ref = await objectsOf(node).put(new Uint8Array(MIB));
  if (ref.node === null) throw new Error("it is in no store");
  const place = { id: ref.id, bytes: ref.bytes, job: ref.job, node: ref.node };
  const asked: string[] = [];
  node.fetch = async (object) => void asked.push(object.node);
  node.release([place], "a test");
  await expect(node.bring(place, 0)).rejects.toThrow(/OBJECT_LOST.*released by a test at 20/);
  const elsewhere = { ...place, node: newIdentity("w") };
  await node.bring(elsewhere, 0);
  expect(asked).toEqual([elsewhere.node]);
});
