/** The addon of shared memory: whatever is done with it, the process lives and gets an error. */
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type RegionAddon, regionStatus } from "../../../runtime/native/regions.ts";
import { diskFolder, sharedFolder } from "./fixture.ts";

const { addon, text } = regionStatus();

test("is built by the set-up alone: npm would build what lies at the root", () => {
  const root = join(import.meta.dirname, "..", "..", "..");
  expect(existsSync(join(root, "binding.gyp"))).toBe(false);
  expect(existsSync(join(root, "runtime", "native", "binding.gyp"))).toBe(true);
});

test("says aloud how objects are had", () => {
  expect(text).toMatch(addon === undefined ? /copied/ : /mapped/);
});

describe.runIf(addon !== undefined)("a region", () => {
  // Collected also where it doesn't run.
  const { Region, release, mapped } = addon ?? ({} as RegionAddon);

  test("is of this very Node", () => {
    expect(addon?.modules).toBe(process.versions.modules);
  });

  test("is written once and seen by views without a copy", async () => {
    const path = join(sharedFolder(), "a");
    const made = new Region(path, 3 * 4096);
    made.write(4094, Uint8Array.of(1, 2, 3, 4));
    made.seal();
    expect(statSync(path).mode & 0o777).toBe(0o400);
    expect(() => made.write(0, Uint8Array.of(1))).toThrow("sealed");
    made.unlock();
    const read = new Region(path);
    const view = read.view(true);
    expect(view.byteLength).toBe(3 * 4096);
    expect([...new Uint8Array(view, 4094, 4)]).toEqual([1, 2, 3, 4]);
    expect([...read.read(4095, 2)]).toEqual([2, 3]);
    const before = mapped();
    expect(release(view)).toBe(true);
    expect(view.byteLength).toBe(0);
    expect(release(view)).toBe(false);
    await turn();
    await turn();
    expect(mapped()).toBe(before - 1);
  });

  test("keeps what a reader writes with that reader", () => {
    const path = join(sharedFolder(), "a");
    const made = new Region(path, 4096);
    made.write(0, Uint8Array.of(7));
    made.seal();
    const [one, two] = [new Region(path).view(), new Region(path).view()];
    new Uint8Array(one)[0] = 9;
    expect(new Uint8Array(two)[0]).toBe(7);
    expect(readFileSync(path)[0]).toBe(7);
  });

  test("keeps what is written after the seal with who writes it, even when transferred", () => {
    const path = join(sharedFolder(), "a");
    const made = new Region(path, 4096);
    const place = new Uint8Array(made.writable());
    place[0] = 5;
    expect(() => made.writable()).toThrow("mapped already");
    made.seal();
    place[0] = 6;
    expect(readFileSync(path)[0]).toBe(5);
    const moved = place.buffer.transfer();
    expect(place.length).toBe(0);
    expect(release(moved)).toBe(true);
  });

  test("stays pinned by a view after its close, until the release", async () => {
    const path = join(sharedFolder(), "a");
    const made = new Region(path, 4096);
    made.seal();
    const reader = new Region(path);
    const view = reader.view();
    reader.close();
    expect(made.tryLock(true)).toBe(false);
    release(view);
    await expect.poll(() => made.tryLock(true)).toBe(true);
    expect(() => new Region(path)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
  });

  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 60, "1", null, {}])("of %s bytes is none", (bytes) => {
    const path = join(sharedFolder(), "a");
    expect(() => new Region(path, bytes as number)).toThrow();
    expect(existsSync(path)).toBe(false);
  });

  test("larger than the memory is an error, and leaves no trace", () => {
    const path = join(sharedFolder(), "a");
    const made = new Region(path, 2 ** 45);
    expect(() => made.writable()).toThrow(expect.objectContaining({ code: "ENOSPC" }));
    expect(() => made.read(0, 2 ** 44)).toThrow(RangeError);
    expect(() => made.view()).toThrow("holes");
    made.close();
  });

  test("isn't made where something stands, nor opened through a link or as no file", () => {
    const folder = sharedFolder();
    const path = join(folder, "a");
    const made = new Region(path, 4096);
    expect(() => new Region(path, 4096)).toThrow(expect.objectContaining({ code: "EEXIST" }));
    symlinkSync(path, join(folder, "link"));
    const open = (name: string) => () => new Region(join(folder, name));
    expect(open("link")).toThrow(expect.objectContaining({ code: "ELOOP" }));
    expect(open("none")).toThrow(expect.objectContaining({ code: "ENOENT" }));
    mkdirSync(join(folder, "folder"));
    expect(open("folder")).toThrow(expect.objectContaining({ code: "EPERM" }));
    writeFileSync(join(folder, "empty"), "");
    const empty = open("empty")();
    expect(() => empty.view()).toThrow("empty");
    linkSync(path, join(folder, "b"));
    expect(open("b")().bytes).toBe(made.bytes);
  });

  test("refuses what lies outside of it, and everything once it is closed", () => {
    const made = new Region(join(sharedFolder(), "a"), 4096);
    const one = Uint8Array.of(1);
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    made.write(0, detached);
    for (const at of [4096, -1, 2 ** 53, 0.5, NaN]) expect(() => made.write(at, one)).toThrow();
    for (const length of [4097, -1, 2 ** 53]) expect(() => made.read(0, length)).toThrow();
    const others = [undefined, "x", new Float32Array(1), new DataView(new ArrayBuffer(1)), {}];
    for (const other of others) expect(() => made.write(0, other as Uint8Array)).toThrow();
    expect(() => made.view()).toThrow("holes");
    made.write(0, one);
    const view = made.view();
    made.close();
    made.close();
    expect(new Uint8Array(view)[0]).toBe(1);
    const calls = [
      ...[() => made.write(0, one), () => made.read(0, 1), () => made.view()],
      ...[() => made.writable(), () => made.keep(), () => made.seal(), () => made.reopen()],
      ...[() => made.tryLock(true), () => made.unlock()],
    ];
    for (const call of calls) expect(call).toThrow("closed");
  });

  test("releases nothing that isn't a view", () => {
    const others = [new ArrayBuffer(8), {}, undefined, new Uint8Array(8), new SharedArrayBuffer(8)];
    for (const other of others) expect(() => release(other as ArrayBuffer)).toThrow(TypeError);
    const call = Region as unknown as () => unknown;
    expect(() => call()).toThrow();
    expect(() => new Region("")).toThrow(TypeError);
    expect(() => new Region("a\0b")).toThrow(TypeError);
    const region = new Region(join(diskFolder(), "a"), 1);
    const { view } = region;
    expect(() => Reflect.apply(view, {}, [])).toThrow();
  });
});
