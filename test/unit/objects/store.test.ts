/** The object store of one node, by the addon and by copies: one promise, two ways. */
import {
  existsSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tableFromArrays, tableFromIPC, tableToIPC } from "apache-arrow";
import { regionStatus } from "../../../runtime/native/regions.ts";
import { ObjectFolder } from "../../../runtime/objects/files.ts";
import { MappedFiles } from "../../../runtime/objects/mapped.ts";
import { ObjectReader, type ObjectStore } from "../../../runtime/objects/index.ts";
import { diskFolder, MIB, sharedFolder, storeOf, valuesOf, WAYS } from "./fixture.ts";

/** Of the 1,000 objects: 1 MiB in the long form. */
const OBJECT = process.env["LIGASE_TEST_LONG"] === "1" ? MIB : 64 * 1024;

/** What the store's files take of the memory file system. */
function memoryOf(store: ObjectStore): number {
  const names = readdirSync(store.folder, { recursive: true, encoding: "utf8" });
  const files = names.map((name) => statSync(join(store.folder, name), { throwIfNoEntry: false }));
  return files.reduce((sum, file) => sum + (file?.isFile() ? file.blocks * 512 : 0), 0);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

describe.each(WAYS)("a store (addon: %s)", (native) => {
  test("gives back what was put, as it was put", async () => {
    const store = storeOf({ native });
    const ref = await store.put("job", valuesOf(6, 1), { shape: [2, 3] });
    const view = await store.get(ref.id);
    expect(view.header).toEqual({ id: ref.id, kind: "float64", shape: [2, 3], bytes: 48 });
    expect(view.array).toEqual(valuesOf(6, 1));
    expect(ref.bytes).toBe(48);
    view.release();
    view.release();
    const shared = new Int32Array(new SharedArrayBuffer(8)).fill(4);
    const other = await store.get((await store.put("job", shared)).id);
    expect(other.array).toEqual(Int32Array.of(4, 4));
    const part = Buffer.from("abcdef").subarray(2, 4);
    const text = await store.get((await store.put("job", part)).id);
    expect(Buffer.from(text.array as Uint8Array).toString()).toBe("cd");
    expect((await store.get((await store.put("job", new Uint8Array())).id)).array).toHaveLength(0);
  });

  test("holds Arrow tables", async () => {
    const store = storeOf({ native });
    const bytes = tableToIPC(tableFromArrays({ x: Float32Array.of(1, 2, 3) }));
    const ref = await store.put("job", bytes, { kind: "arrow" });
    const { array, header } = await store.get(ref.id);
    expect(header.kind).toBe("arrow");
    const column = tableFromIPC(array as Uint8Array).getChild("x");
    expect(column?.toArray()).toEqual(Float32Array.of(1, 2, 3));
  });

  test("is read by who has its folder; a name shows only whole objects", async () => {
    const store = storeOf({ native });
    const { id } = await store.put("job", valuesOf(9, 2));
    const reader = new ObjectReader(store.folder, { native });
    expect(reader.open({ job: "job", id })?.array).toEqual(valuesOf(9, 2));
    const other = "f".repeat(32);
    expect(reader.open({ job: "job", id: other })).toBeUndefined();
    expect(() => reader.open({ job: "../x", id })).toThrow(/USAGE/);
    const place = { job: "job", id: other };
    const grant = await store.reserve("job", 8);
    await reader.write(place, Float64Array.of(3));
    await expect(reader.write(place, Float64Array.of(4))).rejects.toThrow(/USAGE/);
    expect(store.adopt("job", other, grant).bytes).toBe(8);
    expect((await store.get(other)).array).toEqual(Float64Array.of(3));
    expect(store.usage().grantedBytes).toBe(0);
  });

  test("keeps an object that another one claims to be", async () => {
    const store = storeOf({ native });
    const { id } = await store.put("job", valuesOf(1024, 1));
    const grant = await store.reserve("job", 8);
    expect(() => store.adopt("job", id, grant)).toThrow(/OBJECT_INVALID.*already/);
    expect((await store.get(id)).array).toEqual(valuesOf(1024, 1));
    expect(store.usage().grantedBytes).toBe(0);
  });

  test("takes nothing over that is larger than granted, or missing", async () => {
    const store = storeOf({ native });
    const id = "f".repeat(32);
    const small = await store.reserve("job", 8);
    await new ObjectReader(store.folder, { native }).write({ job: "job", id }, valuesOf(1024, 1));
    expect(() => store.adopt("job", id, small)).toThrow(/OBJECT_INVALID/);
    const grant = await store.reserve("job", 8);
    expect(() => store.adopt("job", id, grant)).toThrow(/OBJECT_LOST/);
    expect(() => store.giveBack(grant)).toThrow(/INTERNAL/);
    const empty = { sharedBytes: 0, grantedBytes: 0, objects: 0 };
    await expect.poll(() => store.usage()).toMatchObject(empty);
  });

  test("refuses files that are no objects", async () => {
    const store = storeOf({ native });
    const { id } = await store.put("job", valuesOf(9, 2));
    const reader = new ObjectReader(store.folder, { native });
    const [other, short] = ["e".repeat(32), "d".repeat(32)];
    writeFileSync(join(store.folder, "jobs", "job", other), Buffer.alloc(4096, 7));
    writeFileSync(join(store.folder, "jobs", "job", short), "x");
    expect(() => reader.open({ job: "job", id: other })).toThrow(/OBJECT_INVALID/);
    expect(() => reader.open({ job: "job", id: short })).toThrow(/OBJECT_INVALID/);
    expect(reader.open({ job: "job", id })).toBeDefined();
  });

  test("ends with its folders, and an ended job leaves nothing", async () => {
    const [root, spillRoot] = [sharedFolder(), diskFolder()];
    const store = storeOf({ native, root, spillRoot, spillLimitBytes: 64 * MIB });
    const kept = await store.put("other", valuesOf(10, 1));
    for (let i = 0; i < 12; i += 1) await store.put("job", new Uint8Array(MIB));
    expect(store.usage().spilledObjects).toBeGreaterThan(0);
    store.endJob("job");
    // The other job's object, unused for the longest time, went to the disk.
    expect(store.usage()).toMatchObject({ objects: 1, sharedBytes: 0, spilledBytes: 4096 });
    expect(memoryOf(store)).toBeLessThanOrEqual(2 * 4096);
    expect((await store.get(kept.id)).array).toEqual(valuesOf(10, 1));
    const late = store.put("job", new Uint8Array(1000));
    await store.close();
    await expect(late).rejects.toThrow(/CANCELLED|STORAGE_FAILED/);
    await expect(store.put("job", new Uint8Array(9))).rejects.toThrow(/CANCELLED/);
    expect([root, spillRoot].filter((folder) => existsSync(folder))).toEqual([]);
  });

  test("waits for room, and says after a bound that it is full", async () => {
    const store = storeOf({ native, limitBytes: 2 * MIB });
    const first = await store.put("job", new Uint8Array(1.5 * MIB));
    await expect(store.put("job", new Uint8Array(MIB), { waitMs: 50 })).rejects.toThrow(
      /OBJECT_STORE_FULL.*nothing is spilled/,
    );
    await expect(store.put("job", new Uint8Array(3 * MIB))).rejects.toThrow(/OBJECT_STORE_FULL/);
    const waiting = store.put("job", new Uint8Array(MIB));
    expect(store.usage().waiting).toBe(1);
    expect(store.release(first.id)).toBe(true);
    expect(store.release(first.id)).toBe(false);
    expect((await waiting).bytes).toBe(MIB);
    await expect(store.get(first.id)).rejects.toThrow(/OBJECT_LOST/);
  });

  test("ends the waits of an ended job", async () => {
    const store = storeOf({ native, limitBytes: 2 * MIB });
    await store.put("other", new Uint8Array(1.5 * MIB));
    const waiting = store.put("job", new Uint8Array(MIB));
    store.endJob("job");
    await expect(waiting).rejects.toThrow(/CANCELLED/);
    const writing = store.put("job", new Uint8Array(1000));
    store.endJob("job");
    await expect(writing).rejects.toThrow(/CANCELLED/);
    expect(store.usage()).toMatchObject({ objects: 1, waiting: 0 });
  });

  test("passes 1,000 objects through a tenth of their size, within the limit", async () => {
    const limitBytes = 100 * OBJECT;
    const spill = { spillRoot: diskFolder(), spillLimitBytes: 2000 * OBJECT };
    const store = storeOf({ native, limitBytes, ...spill });
    const refs = [];
    let most = 0;
    for (let i = 0; i < 1000; i += 1) {
      refs.push(await store.put("job", new Float64Array(OBJECT / 8 - 16).fill(i)));
      if (i % 50 === 0) most = Math.max(most, memoryOf(store));
      expect(store.usage().sharedBytes).toBeLessThanOrEqual(limitBytes);
    }
    for (const [i, { id }] of refs.entries()) {
      const view = await store.get(id);
      expect([view.array[0], view.array.at(-1)]).toEqual([i, i]);
      view.release();
      if (i % 50 === 0) most = Math.max(most, memoryOf(store));
      expect(store.usage().sharedBytes).toBeLessThanOrEqual(limitBytes);
    }
    expect(most).toBeLessThanOrEqual(1.2 * limitBytes);
    expect(most).toBeGreaterThan(limitBytes / 2);
  }, 60_000);

  test.each([
    ["cut off", (path: string) => truncateSync(path, 1_000)],
    ["emptied", (path: string) => truncateSync(path, 0)],
    ["another's", (path: string) => writeFileSync(path, Buffer.alloc(MIB, 7))],
    ["gone", (path: string) => rmSync(path)],
  ])("a copy on disk that is %s is lost, once for all, and takes no room", async (_how, damage) => {
    const spillRoot = diskFolder();
    const store = storeOf({ native, limitBytes: 2 * MIB, spillRoot, spillLimitBytes: 64 * MIB });
    for (let i = 0; i < 3; i += 1) await store.put("job", valuesOf(MIB / 8 - 100, i));
    const spilled = [...store.objects()].filter(({ isSpilled }) => isSpilled);
    expect(spilled.length).toBeGreaterThan(0);
    for (const { id } of spilled) {
      damage(join(spillRoot, readdirSync(spillRoot)[0] ?? "", id));
      const all = await Promise.all([1, 2, 3].map(() => store.get(id).catch(String)));
      for (const error of all) expect(error).toMatch(/OBJECT_LOST.*copy on disk/);
      await expect(store.get(id)).rejects.toThrow(/OBJECT_LOST: lost: its copy on disk.* at 20/);
    }
    expect(store.usage()).toMatchObject({ spilledObjects: 0, spilledBytes: 0, grantedBytes: 0 });
  });

  test("brings back at once what many ask for, and drops what is released meanwhile", async () => {
    const spill = { spillRoot: diskFolder(), spillLimitBytes: 64 * MIB };
    const store = storeOf({ native, limitBytes: 2 * MIB, ...spill });
    const put = (i: number) => store.put("job", valuesOf(MIB / 8, i).subarray(0, MIB / 8 - 100));
    const refs = [await put(0), await put(1), await put(2)];
    const id = refs[0]?.id ?? "";
    const views = await Promise.all([store.get(id), store.get(id), store.get(id)]);
    for (const { array } of views) expect(array[5]).toBe(5);
    for (const view of views) view.release();
    const moves = [store.get(refs[1]?.id ?? ""), put(3)].map((move) => move.catch(String));
    for (const ref of refs) store.release(ref.id);
    await Promise.all(moves);
    store.endJob("job");
    await expect.poll(() => store.usage().sharedBytes).toBe(0);
    expect(store.usage()).toMatchObject({ objects: 0, spilledBytes: 0, grantedBytes: 0 });
  });
});

describe.runIf(WAYS.includes(true))("readers", () => {
  test("pin what they read: it isn't spilled, and its memory isn't used again", async () => {
    const spill = { spillRoot: diskFolder(), spillLimitBytes: 64 * MIB };
    const store = storeOf({ limitBytes: 2 * MIB, ...spill });
    const size = MIB - 4096;
    const one = await store.put("job", new Uint8Array(size).fill(1));
    const reader = new ObjectReader(store.folder);
    const view = reader.open({ job: "job", id: one.id });
    const two = await store.put("job", new Uint8Array(size).fill(2));
    await store.put("job", new Uint8Array(size).fill(3));
    expect(reader.open({ job: "job", id: two.id })).toBeUndefined();
    store.release(one.id);
    await store.put("job", new Uint8Array(size).fill(4));
    expect(view?.array.at(-1)).toBe(1);
    expect(view?.array[0]).toBe(1);
    expect(store.usage().idleBytes).toBe(MIB);
    view?.release();
    await expect.poll(async () => (await store.put("job", new Uint8Array(size))).bytes).toBe(size);
  });

  test("who wrote for a store holds no memory of it", async () => {
    const store = storeOf();
    const [id, size] = ["f".repeat(32), MIB];
    const grant = await store.reserve("job", size);
    const writer = new ObjectReader(store.folder);
    await writer.write({ job: "job", id }, new Uint8Array(size));
    store.adopt("job", id, grant);
    store.release(id);
    await expect.poll(() => store.usage().sharedBytes).toBe(0);
    const files = readdirSync("/proc/self/fd").map((name) => linkOf(`/proc/self/fd/${name}`));
    const held = files.filter((path) => path.startsWith(join(store.folder, "idle")));
    expect(held).toEqual([]);
    expect(files.some((path) => path.startsWith(store.folder))).toBe(true);
  });

  test("memory is used again once nobody reads it", async () => {
    const store = storeOf();
    const one = await store.put("job", new Uint8Array(MIB).fill(1));
    store.release(one.id);
    const idle = store.usage().idleBytes;
    expect(idle).toBeGreaterThan(MIB);
    const two = await store.put("job", new Uint8Array(MIB - 5000).fill(2));
    expect(store.usage()).toMatchObject({ idleBytes: 0, sharedBytes: idle });
    const { array } = await store.get(two.id);
    expect(array).toEqual(new Uint8Array(MIB - 5000).fill(2));
  });
});

test.runIf(WAYS.includes(true))("memory is taken from its name before its lock is given up", () => {
  const { addon } = regionStatus();
  if (addon === undefined) throw new Error("no addon");
  const stood: boolean[] = [];
  /** Says at each end of a lock whether its file could still be found, and mapped, by its name. */
  class Watched extends addon.Region {
    readonly #path: string;
    #isAlone = false;
    constructor(path: string, bytes?: number) {
      if (bytes === undefined) super(path);
      else super(path, bytes);
      this.#path = path;
    }
    override tryLock(alone: boolean): boolean {
      this.#isAlone = super.tryLock(alone) && alone;
      return this.#isAlone || !alone;
    }
    override close(): void {
      // Withdrawn by now: any name it has is in the folder of idle files.
      if (this.#isAlone) stood.push(statSync(this.#path, { throwIfNoEntry: false }) !== undefined);
      if (this.#isAlone) stood.push(readdirSync(join(folder, "idle")).length > 0);
      super.close();
    }
  }
  const folder = sharedFolder();
  const names = new ObjectFolder(folder);
  names.make();
  const files = new MappedFiles({ ...addon, Region: Watched }, names, 0);
  const place = { job: "job", id: "a".repeat(32) };
  const header = { id: place.id, kind: "bytes", shape: [MIB], bytes: MIB } as const;
  return files
    .write("job", header, async (write) => write(0, new Uint8Array(MIB)))
    .then((bytes) => {
      const writer = { isGone: false, forget: () => undefined };
      files.remove(place, bytes, writer);
      expect(stood).toEqual([false, false]);
    });
});
