/** The set-up's promises: stamps, failures, time limits, interruption, SIGKILL, one at a time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { acquireLock } from "../../deploy/setup/lock.mjs";
import { setUp, type Step } from "../../deploy/setup/runner.mjs";

const FIXTURE = join(import.meta.dirname, "setup-fixture.mjs");

let folder = "";
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ligase-setup-"));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A step that writes its input to `<folder>/<name>`; `runs` counts. */
function fakeStep(name: string, state: { input: string; runs: number; fails?: boolean }): Step {
  const result = join(folder, name);
  return {
    name,
    title: `step ${name}`,
    timeoutMs: 10_000,
    stamp: join(folder, `${name}.stamp`),
    inputs: () => [state.input],
    present: () => existsSync(result),
    run: async ({ run }) => {
      state.runs += 1;
      const script = state.fails === true ? "seq 1 50; exit 3" : `echo ok > ${result}`;
      await run("sh", ["-c", script]);
    },
  };
}

async function runAll(steps: readonly Step[], signal = new AbortController().signal) {
  let output = "";
  const code = await setUp(steps, {
    lockFolders: [join(folder, "lock")],
    logFolder: join(folder, "log"),
    mark: `test-${folder}`,
    signal,
    write: (text) => {
      output += text;
    },
  });
  return { code, output };
}

/** The fixture as a process; its stderr is gathered. */
function startFixture(...args: string[]) {
  const child = spawn(process.execPath, [FIXTURE, folder, ...args], { stdio: "pipe" });
  children.push(child);
  const said: string[] = [];
  child.stderr.on("data", (data) => said.push(String(data)));
  const exit = once(child, "exit").then(([code, signal]) => ({
    code,
    signal,
    said: said.join(""),
  }));
  return { child, exit, said: () => said.join("") };
}

function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** The pid of the fixture's hanging command, once it runs. */
async function hangingChild(): Promise<number> {
  const path = join(folder, "child");
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 10_000 });
  return Number(readFileSync(path, "utf8"));
}

describe("a step", () => {
  test("runs once and is up to date then", async () => {
    const [a, b] = [
      { input: "1", runs: 0 },
      { input: "1", runs: 0 },
    ];
    const steps = [fakeStep("a", a), fakeStep("b", b)];
    expect((await runAll(steps)).output).toMatch(/^set-up: step a \.\.\. ok [\d.]+ s\n/);
    const second = await runAll(steps);
    expect(second.output).toMatch(/^set-up: all 2 steps up to date \([\d.]+ s\)\n$/);
    expect([second.code, a.runs, b.runs]).toEqual([0, 1, 1]);
  });

  test("runs again when its inputs change, and only it", async () => {
    const [a, b] = [
      { input: "1", runs: 0 },
      { input: "1", runs: 0 },
    ];
    await runAll([fakeStep("a", a), fakeStep("b", b)]);
    b.input = "2";
    const { output } = await runAll([fakeStep("a", a), fakeStep("b", b)]);
    expect([a.runs, b.runs]).toEqual([1, 2]);
    expect(output).toMatch(/step a: up to date\nset-up: step b \.\.\. ok/);
  });

  test("runs again when its result went away", async () => {
    const state = { input: "1", runs: 0 };
    await runAll([fakeStep("a", state)]);
    rmSync(join(folder, "a"));
    await runAll([fakeStep("a", state)]);
    expect(state.runs).toBe(2);
  });

  test("shows the end of its log when it fails, stops the set-up and leaves no stamp", async () => {
    const state = { input: "1", runs: 0, fails: true };
    const later = { input: "1", runs: 0 };
    const { code, output } = await runAll([fakeStep("a", state), fakeStep("b", later)]);
    expect([code, later.runs]).toEqual([4, 0]);
    expect(output).toContain("sh -c: exit code 3");
    expect(output.match(/^ {2}\| \d+$/gm)).toEqual(
      Array.from({ length: 20 }, (_, index) => `  | ${index + 31}`),
    );
    expect(output).toContain(join(folder, "log", "a.log"));
    expect(existsSync(join(folder, "a.stamp"))).toBe(false);
  });

  test("fails when its command ends well but the result isn't there", async () => {
    const step = { ...fakeStep("a", { input: "1", runs: 0 }), present: () => false };
    const { code, output } = await runAll([step]);
    expect([code, output]).toEqual([4, expect.stringContaining("its result isn't there")]);
    expect(existsSync(join(folder, "a.stamp"))).toBe(false);
  });

  test("ends with its whole process group at its time limit", async () => {
    const pidFile = join(folder, "pid");
    const script = `sleep 300 & echo $! > ${pidFile}; wait`;
    const step: Step = {
      ...fakeStep("a", { input: "1", runs: 0 }),
      timeoutMs: 500,
      run: ({ run }) => run("sh", ["-c", script]),
    };
    const { code, output } = await runAll([step]);
    expect([code, output]).toEqual([4, expect.stringContaining("time limit")]);
    await vi.waitFor(() => expect(isAlive(Number(readFileSync(pidFile, "utf8")))).toBe(false));
  });
});

describe("a set-up", () => {
  test("ends its command and exits 130 when it is interrupted", async () => {
    const { child, exit } = startFixture("hang");
    const pid = await hangingChild();
    child.kill("SIGTERM");
    expect(await exit).toMatchObject({ code: 130 });
    expect(isAlive(pid)).toBe(false);
  });

  test("killed in a step is finished by the next, which ends what was left running", async () => {
    const first = startFixture("hang");
    const pid = await hangingChild();
    first.child.kill("SIGKILL");
    await first.exit;
    expect(isAlive(pid)).toBe(true);
    const second = await startFixture().exit;
    expect(second).toMatchObject({ code: 0, said: expect.stringContaining("slow step ... ok") });
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
    expect((await startFixture().exit).said).toContain("all 1 steps up to date");
  });

  test("waits for another one, with a word", async () => {
    const first = startFixture("hang");
    await hangingChild();
    const second = startFixture();
    const word = `waiting for another one (process ${first.child.pid})`;
    await vi.waitFor(() => expect(second.said()).toContain(word), { timeout: 10_000 });
    expect(existsSync(join(folder, "result"))).toBe(false);
    first.child.kill("SIGTERM");
    expect(await second.exit).toMatchObject({ code: 0 });
  });
});

describe("the lock", () => {
  const onWait = () => {};

  test("is clean after a release and dirty after a dead owner", async () => {
    const { signal } = new AbortController();
    const path = join(folder, "lock");
    const first = await acquireLock(path, { onWait, signal });
    first.release();
    const second = await acquireLock(path, { onWait, signal });
    expect([first.dirty, second.dirty]).toEqual([false, false]);
    second.release();
    writeFileSync(join(path, "7"), JSON.stringify({ pid: process.pid, start: "1", boot: "x" }));
    expect((await acquireLock(path, { onWait, signal })).dirty).toBe(true);
  });

  test("says so where no folder can be made, and doesn't try for ever", async () => {
    const signal = new AbortController().signal;
    const lock = acquireLock("/proc/none/lock", { onWait: () => {}, signal });
    await expect(lock).rejects.toThrow(/no folder can be made/);
  });

  test("is refused to a second one while its owner lives", async () => {
    const path = join(folder, "lock");
    await acquireLock(path, { onWait, signal: new AbortController().signal });
    const waited: number[] = [];
    const signal = AbortSignal.timeout(300);
    const second = acquireLock(path, { onWait: (pid) => waited.push(pid), signal, pollMs: 20 });
    await expect(second).rejects.toThrow(/abort/i);
    expect(waited).toEqual([process.pid]);
  });

  test("goes to one at a time among many that find a dead owner", async () => {
    const path = join(folder, "lock");
    const lockUrl = new URL("../../deploy/setup/lock.mjs", import.meta.url);
    // Each holds the lock while it makes and removes one file: a second holder would find it there.
    const script = `
      import { acquireLock } from ${JSON.stringify(lockUrl.href)};
      import { rmSync, writeFileSync } from "node:fs";
      for (let round = 0; round < 20; round++) {
        const signal = AbortSignal.timeout(15_000);
        const lock = await acquireLock(${JSON.stringify(path)}, { onWait() {}, signal, pollMs: 1 });
        writeFileSync(${JSON.stringify(join(folder, "held"))}, "", { flag: "wx" });
        rmSync(${JSON.stringify(join(folder, "held"))});
        if (round === 19) process.kill(process.pid, "SIGKILL");
        lock.release();
      }`;
    const ends = Array.from({ length: 4 }, () => {
      const args = ["--input-type=module", "--eval", script];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
      children.push(child);
      return once(child, "exit");
    });
    for (const end of await Promise.all(ends)) expect(end).toEqual([null, "SIGKILL"]);
  });
});
