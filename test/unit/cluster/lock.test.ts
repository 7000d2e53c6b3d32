import { mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LockOwner, takeLock, thisProcess } from "../../../head/cluster/lock.ts";

const PID_MAX = 4_194_304;

let stateDir = "";
let swept: LockOwner[] = [];

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "lgt-"));
  swept = [];
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

const self = (): LockOwner => ({
  ...thisProcess(),
  mark: "00112233445566ff",
  runtimeFolder: "/tmp/lg-00000001",
  socket: "/tmp/lg-00000001/follow.sock",
});
const dead = (): LockOwner => ({ ...self(), pid: PID_MAX, runtimeFolder: "/tmp/lg-00000002" });
const take = (
  sweep: (owner: LockOwner) => Promise<void> = async (owner) => void swept.push(owner),
) => takeLock({ stateDir, self: self(), sweep });

async function record(generation: number, owner: LockOwner): Promise<void> {
  await mkdir(join(stateDir, "lock"), { recursive: true });
  await writeFile(join(stateDir, "lock", String(generation)), JSON.stringify(owner));
}

const records = async () => (await readdir(join(stateDir, "lock"))).sort();

describe("the state lock", () => {
  it("of a fresh folder is ours, and the record says who we are", async () => {
    expect(await take()).toMatchObject({ kind: "owned", generation: 1 });
    const stored = JSON.parse(await readFile(join(stateDir, "lock", "1"), "utf8"));
    expect(stored).toEqual(self());
    expect(swept).toEqual([]);
  });

  it("of a living owner is busy", async () => {
    await record(3, self());
    expect(await take()).toEqual({ kind: "busy", owner: self() });
    expect(swept).toEqual([]);
    expect(await records()).toEqual(["3"]);
  });

  it.each([
    ["whose process is gone", dead],
    ["whose pid another process has now", () => ({ ...self(), startTicks: 1 })],
    ["of an earlier boot", () => ({ ...self(), bootId: "another" })],
  ])("of an owner %s is taken, once that one is swept", async (_what, owner) => {
    await record(7, owner());
    let recordsAtSweep: string[] = [];
    const outcome = await take(async (found) => {
      swept.push(found);
      recordsAtSweep = await records();
    });
    expect(outcome).toMatchObject({ kind: "owned", generation: 8 });
    expect(swept).toEqual([owner()]);
    expect(recordsAtSweep).toEqual(["7"]);
    expect(await records()).toEqual(["8"]);
  });

  it("isn't taken when the dead owner's processes can't be swept", async () => {
    await record(1, dead());
    const failing = () => Promise.reject(new Error("process 9 stays"));
    await expect(take(failing)).rejects.toThrow("process 9 stays");
    expect(await records()).toEqual(["1"]);
  });

  it("of another host is OUTPUT_BUSY and names it: its processes can't be seen", async () => {
    await record(1, { ...dead(), host: "elsewhere" });
    await expect(take()).rejects.toMatchObject({
      code: "OUTPUT_BUSY",
      what: expect.stringContaining("elsewhere"),
    });
    expect(swept).toEqual([]);
    expect(await records()).toEqual(["1"]);
  });

  it("with a damaged record is OUTPUT_BUSY and names the file", async () => {
    await record(4, self());
    await writeFile(join(stateDir, "lock", "4"), '{"pid":');
    await expect(take()).rejects.toMatchObject({
      code: "OUTPUT_BUSY",
      where: { uri: join(stateDir, "lock", "4") },
    });
    expect(await records()).toEqual(["4"]);
  });

  it("gives way when others took it twice while it swept: the highest record counts", async () => {
    await record(1, dead());
    const outcome = await take(async () => {
      // Generation 2 came and died meanwhile; its successor 3 lives and has removed 1 and 2.
      await record(3, { ...self(), mark: "ffffffffffffffff" });
      await unlink(join(stateDir, "lock", "1"));
    });
    expect(outcome).toMatchObject({ kind: "busy", owner: { mark: "ffffffffffffffff" } });
    expect(await records()).toEqual(["3"]);
  });

  it("in a folder that can't be made is OUTPUT_UNWRITABLE", async () => {
    await writeFile(join(stateDir, "lock"), "a file");
    await expect(take()).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });
});
