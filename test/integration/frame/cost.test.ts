/** No frame takes 5 ms to decode, whatever is in it: the worst of each kind, and of mixtures. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("./costliest.ts", import.meta.url));
/** Milliseconds that a process may not hear anything else for. */
const STALL_MS = 5;
const DEADLINE_MS = 115_000;

describe("the costliest frame of any kind", () => {
  it("is decoded, or refused, within 5 ms", async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const options = { timeout: DEADLINE_MS };
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, `${seed}`], options);
    const times = Object.entries(JSON.parse(stdout) as Record<string, number>);
    expect(times.length).toBeGreaterThan(40);
    const slow = times.filter(([, milliseconds]) => milliseconds >= STALL_MS);
    expect(slow, `mixtures of seed ${seed}`).toEqual([]);
  });
});
