/** Processes that use a store together and are killed at any moment: nothing of them stays. */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ObjectStore } from "../../../runtime/objects/index.ts";
import { diskFolder, MIB } from "./fixture.ts";
import { nodeOf } from "./node.ts";

const CHURN = join(import.meta.dirname, "churn.ts");
const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const ROUNDS = LONG ? 30 : 2;
const PROCESSES = 3;
/** By all of them together in a round. */
const PUTS = 60;

async function churn(door: object): Promise<{ kill: () => Promise<string>; job: string }> {
  const child = spawn(process.execPath, [CHURN, JSON.stringify(door)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said += data.toString()));
  const ended = new Promise<string>((resolve) => child.once("close", () => resolve(said)));
  for await (const job of createInterface({ input: child.stdout })) {
    const kill = (): Promise<string> => {
      child.kill("SIGKILL");
      return ended;
    };
    return { kill, job };
  }
  throw new Error(`it ended: ${said}`);
}

/** Number of the object that was put last, of those that are there. */
function lastOf(store: ObjectStore): number {
  return [...store.objects()].at(-1)?.number ?? 0;
}

test(
  "killed amid puts and gets, they leave nothing: not in memory, not on disk",
  async () => {
    // Less than they keep: some of it is spilled, and some is read meanwhile.
    const spill = { spillRoot: diskFolder(), spillLimitBytes: 256 * MIB };
    const node = await nodeOf({ limitBytes: 40 * MIB, ...spill });
    const { store } = node;
    let last = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = await Promise.all(Array.from({ length: PROCESSES }, () => churn(node.door())));
      await expect.poll(() => node.jobs().length, { timeout: 20_000 }).toBe(PROCESSES);
      // At whatever they are then.
      await expect
        .poll(() => lastOf(store), { timeout: 20_000 })
        .toBeGreaterThan(last + PUTS + round);
      last = lastOf(store);
      const { limitBytes, sharedBytes } = store.usage();
      expect(sharedBytes).toBeLessThanOrEqual(limitBytes);
      expect(await Promise.all(all.map(({ kill }) => kill()))).toEqual(all.map(() => ""));
      const nothing = {
        objects: 0,
        sharedBytes: 0,
        grantedBytes: 0,
        idleBytes: 0,
        spilledBytes: 0,
      };
      await expect.poll(() => store.usage(), { timeout: 20_000 }).toMatchObject(nothing);
      const left = readdirSync(store.folder, { recursive: true, encoding: "utf8" }).sort();
      expect(left).toEqual(["idle", "jobs", "owner"]);
    }
  },
  ROUNDS * 60_000,
);
