/** Stores and folders for tests of objects, with the addon and without. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { regionStatus } from "../../../runtime/native/regions.ts";
import { ObjectStore, type StoreOptions } from "../../../runtime/objects/index.ts";

export const MIB = 1024 * 1024;
/** With the addon where it is built, and without. */
export const WAYS = regionStatus().addon === undefined ? [false] : [true, false];

export function sharedFolder(): string {
  return folderIn("/dev/shm");
}

export function diskFolder(): string {
  return folderIn(tmpdir());
}

function folderIn(parent: string): string {
  const folder = mkdtempSync(join(parent, "ligase-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function storeOf(options: Partial<StoreOptions> = {}): ObjectStore {
  const root = options.root ?? sharedFolder();
  const store = new ObjectStore({ limitBytes: 8 * MIB, ...options, root });
  onTestFinished(() => store.close());
  return store;
}

/** Float64 values that tell which object and place they are of. */
export function valuesOf(length: number, start: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length }, (_, index) => start * 1e6 + index);
}
