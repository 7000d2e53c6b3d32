/** Objects between processes: shared without copies, and swept after any of them was killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { ObjectReader, sweepDead } from "../../../runtime/objects/index.ts";
import { diskFolder, MIB, sharedFolder, storeOf, valuesOf, WAYS } from "./fixture.ts";

const CHILD = join(import.meta.dirname, "child.ts");

/** A child at its first line. */
async function childAt(
  native: boolean,
  ...args: readonly string[]
): Promise<{ child: ChildProcess; line: string }> {
  const env = { ...process.env, LIGASE_NATIVE: native ? "on" : "off" };
  const child = spawn(process.execPath, [CHILD, ...args], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line", { signal: AbortSignal.timeout(15_000) })) as [string];
  return { child, line };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

describe.each(WAYS)("processes (addon: %s)", (native) => {
  test("read what another one put", async () => {
    const store = storeOf({ native });
    const { id } = await store.put("job", valuesOf(1000, 0));
    const { line } = await childAt(native, "read", store.folder, "job", id);
    expect(line).toBe("499500");
  });

  test("killed amid a put leave nothing that is seen, and nothing after the sweep", async () => {
    const root = sharedFolder();
    const store = storeOf({ native, root });
    const { child } = await childAt(native, "hang", root, store.folder);
    const place = { job: "job", id: "a".repeat(32) };
    expect(sweepDead(root, undefined)).toBe(0);
    expect(store.sweep()).toBe(0);
    await kill(child);
    expect(new ObjectReader(store.folder, { native }).open(place)).toBeUndefined();
    expect(readdirSync(join(store.folder, "idle"))).toHaveLength(1);
    expect(store.sweep()).toBe(1);
    expect(readdirSync(join(store.folder, "idle"))).toEqual([]);
    // Its own store, with an object in it, goes with the next store that begins.
    expect(readdirSync(root)).toHaveLength(2);
    const next = storeOf({ native, root });
    expect(readdirSync(root).sort()).toEqual(
      [store.folder, next.folder].map((path) => path.slice(root.length + 1)).sort(),
    );
  });
});

test.runIf(WAYS.includes(true))("a killed reader pins nothing", async () => {
  const spill = { spillRoot: diskFolder(), spillLimitBytes: 64 * MIB };
  const store = storeOf({ limitBytes: 2 * MIB, ...spill });
  const { id } = await store.put("job", new Uint8Array(1.5 * MIB).fill(1));
  const { child, line } = await childAt(true, "read", store.folder, "job", id);
  expect(Number(line)).toBe(1.5 * MIB);
  const late = store.put("job", new Uint8Array(MIB), { waitMs: 100 });
  await expect(late).rejects.toThrow(/OBJECT_STORE_FULL/);
  await kill(child);
  await store.put("job", new Uint8Array(MIB));
  expect(store.usage()).toMatchObject({ spilledObjects: 1, objects: 2 });
});
