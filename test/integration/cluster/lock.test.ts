import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { cleanUp, onEnd, temporaryFolder, until } from "./support.ts";

afterEach(cleanUp);

const SCRIPT = new URL("./take-lock.ts", import.meta.url).pathname;
const TAKERS = 10;
const ROUNDS = 3;

interface Taker {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: () => string[];
}

function startTaker(stateDir: string): Taker {
  const stdio: ["pipe", "pipe", "inherit"] = ["pipe", "pipe", "inherit"];
  const child = spawn(process.execPath, [SCRIPT, stateDir], { stdio });
  onEnd(async () => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (text: Buffer) => {
    said += text.toString();
  });
  return { child, lines: () => said.split("\n").slice(0, -1) };
}

describe("the state lock between processes", () => {
  it("has exactly one owner, again and again after the owner is killed", async () => {
    const stateDir = await temporaryFolder();
    for (let round = 1; round <= ROUNDS; round += 1) {
      const takers = Array.from({ length: TAKERS }, () => startTaker(stateDir));
      await until(
        "all are ready",
        () => takers.every((taker) => taker.lines().length === 1),
        30_000,
      );
      for (const taker of takers) taker.child.stdin.write("go\n");
      await until(
        "all are done",
        () => takers.every((taker) => taker.lines().length === 2),
        30_000,
      );
      const owners = takers.filter((taker) => taker.lines()[1]?.startsWith("owned"));
      expect(owners).toHaveLength(1);
      const pid = owners[0]?.child.pid;
      const busy = takers.filter((taker) => taker.lines()[1] === `busy ${String(pid)}`);
      expect(busy).toHaveLength(TAKERS - 1);
      expect(await readdir(join(stateDir, "lock"))).toEqual([String(round)]);
      const ends = takers.map((taker) => once(taker.child, "exit"));
      for (const taker of takers) taker.child.kill("SIGKILL");
      await Promise.all(ends);
    }
  });
});
