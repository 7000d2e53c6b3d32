/** Finding, binding and ending processes, on real processes of this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  findByMark,
  findByOpenFiles,
  findExecutable,
  identityOf,
  isAlive,
  type ProcessIdentity,
  signalExactly,
  spawnBound,
  sweep,
} from "../../runtime/processes.ts";

const WAIT = { timeout: 5_000, interval: 5 };
let folder: string;
let mark: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lgp-"));
  mark = randomBytes(8).toString("hex");
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("an identity", () => {
  test("is alive while its process runs, and not once it ended", async () => {
    const child = run("exec sleep 600");
    const identity = expectIdentity(child);
    expect(isAlive(identity)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isAlive(identity)).toBe(false);
    expect(identityOf(identity.pid)).toBeUndefined();
  });

  test("isn't alive when its pid now belongs to a process of another start or boot", () => {
    const identity = expectIdentity(run("exec sleep 600"));
    expect(isAlive({ ...identity, startTicks: identity.startTicks - 1 })).toBe(false);
    expect(isAlive({ ...identity, bootId: "another" })).toBe(false);
  });

  test("isn't signalled when the pid was reused", async () => {
    const child = run("exec sleep 600");
    const identity = expectIdentity(child);
    expect(signalExactly({ ...identity, startTicks: 1 }, "SIGKILL")).toBe(false);
    expect(isAlive(identity)).toBe(true);
    expect(signalExactly(identity, "SIGKILL")).toBe(true);
    await vi.waitUntil(() => !isAlive(identity), WAIT);
  });

  test("of a zombie counts as dead", async () => {
    // The shell turns into a sleep, which never waits for the child that it inherits.
    const child = run(`sleep 600 & echo $! > ${folder}/pid; exec sleep 600`);
    const pid = await vi.waitUntil(() => readNumber(`${folder}/pid`), WAIT);
    await vi.waitUntil(() => readOr(`/proc/${child.pid}/comm`) === "sleep\n", WAIT);
    process.kill(pid, "SIGKILL");
    await vi.waitUntil(() => stateOf(pid) === "Z", WAIT);
    expect(child.exitCode).toBeNull();
    expect(identityOf(pid)).toBeUndefined();
  });

  test("reads a command's name with spaces and parentheses in it", async () => {
    const odd = join(folder, "a) R 1 (b");
    writeFileSync(odd, "#!/bin/sh\nexec 3</dev/null\nread line\n", { mode: 0o755 });
    const child = spawn(odd, { stdio: ["pipe", "ignore", "ignore"] });
    started.push(child);
    await vi.waitUntil(() => readOr(`/proc/${child.pid}/comm`).includes(") R 1"), WAIT);
    expect(expectIdentity(child).startTicks).toBeGreaterThan(1);
  });
});

describe("finding", () => {
  test("by mark takes the whole value and nothing but it", async () => {
    const ours = expectIdentity(run("exec sleep 600", { LIGASE_MARK: mark }));
    run("exec sleep 600", { LIGASE_MARK: `${mark}0` });
    run("exec sleep 600", { XLIGASE_MARK: mark, OTHER: `LIGASE_MARK=${mark}` });
    await vi.waitUntil(() => findByMark(mark).length > 0, WAIT);
    expect(findByMark(mark)).toEqual([ours]);
  });

  test("by folder sees open files, deleted ones too, and working directories", async () => {
    const file = run(`exec 3>${folder}/held; rm ${folder}/held; exec sleep 600`);
    const inside = spawn("sleep", ["600"], { cwd: folder, stdio: "ignore" });
    started.push(inside);
    run(`exec sleep 600 3>${folder}-other`);
    const pids = new Set([file.pid, inside.pid]);
    await vi.waitUntil(() => findByOpenFiles(folder).length === 2, WAIT);
    expect(new Set(findByOpenFiles(folder).map(({ pid }) => pid))).toEqual(pids);
    rmSync(`${folder}-other`);
  });

  test("looks through all of /proc in well under a tenth of a second", () => {
    findByMark(mark);
    const start = performance.now();
    findByMark(mark);
    findByOpenFiles(folder);
    expect(performance.now() - start).toBeLessThan(100);
  });
});

describe("a sweep", () => {
  test("ends what carries the mark and spares everything else, of the same name too", async () => {
    const ours = expectIdentity(run("exec sleep 600", { LIGASE_MARK: mark }));
    const other = expectIdentity(run("exec sleep 600"));
    const { ended, remaining } = await sweep({ mark });
    expect(ended).toEqual([ours]);
    expect(remaining).toEqual([]);
    expect(isAlive(other)).toBe(true);
  });

  test("kills what ignores SIGTERM, after the grace", async () => {
    const deaf = `trap '' TERM; : > ${folder}/deaf; while :; do read -r line; done`;
    const child = run(deaf, { LIGASE_MARK: mark });
    await vi.waitUntil(() => readOr(`${folder}/deaf`) !== "none", WAIT);
    const [, signal] = await Promise.all([
      sweep({ mark }, { graceMs: 50 }),
      once(child, "exit").then(([, by]) => by as string),
    ]);
    expect(signal).toBe("SIGKILL");
  });

  test("asks with SIGTERM first", async () => {
    const onTerm = `trap 'echo bye > ${folder}/bye; exit 0' TERM`;
    const polite = `${onTerm}; : > ${folder}/up; while :; do read -r x; done`;
    run(polite, { LIGASE_MARK: mark });
    await vi.waitUntil(() => readOr(`${folder}/up`) !== "none", WAIT);
    await sweep({ mark }, { graceMs: 3_000 });
    expect(readFileSync(`${folder}/bye`, "utf8")).toBe("bye\n");
  });

  test("ends what its victims start while they end", async () => {
    const heir = `setsid sh -c ': > ${folder}/heir; exec sleep 600' &`;
    const script = `trap "${heir} exit 0" TERM; : > ${folder}/up; while :; do read -r x; done`;
    run(script, { LIGASE_MARK: mark });
    await vi.waitUntil(() => readOr(`${folder}/up`) !== "none", WAIT);
    const { remaining } = await sweep({ mark }, { graceMs: 1_000 });
    expect(remaining).toEqual([]);
    await vi.waitUntil(() => findByMark(mark).length === 0, WAIT);
  });

  test("spares this process, its ancestors and the excepted", async () => {
    const spared = expectIdentity(run("exec sleep 600", { LIGASE_MARK: mark }));
    const held = openSync(join(folder, "held"), "w");
    expect(findByOpenFiles(folder).map(({ pid }) => pid)).toContain(process.pid);
    const swept = await sweep({ mark, folder }, { except: [spared.pid], graceMs: 0 });
    closeSync(held);
    expect(swept).toEqual({ ended: [], remaining: [] });
    expect(isAlive(spared)).toBe(true);
  });
});

describe("a bound child", () => {
  test.each(["KILL", "TERM"] as const)(
    "gets SIG%s when its parent is killed",
    async (deathSignal) => {
      const source = new URL("../../runtime/processes.ts", import.meta.url).href;
      const program = `
      const { spawnBound } = await import(${JSON.stringify(source)});
      const options = { env: process.env, deathSignal: ${JSON.stringify(deathSignal)} };
      const { identity } = spawnBound("sleep", ["600"], options);
      console.log(JSON.stringify(identity));
      setInterval(() => {}, 1000);`;
      const parent = spawn(process.execPath, ["--input-type=module", "-e", program]);
      started.push(parent);
      const [line] = (await once(parent.stdout, "data")) as [Buffer];
      const identity = JSON.parse(line.toString()) as ProcessIdentity;
      // setpriv's own name is replaced by sleep's once the signal is set.
      await vi.waitUntil(() => readOr(`/proc/${identity.pid}/comm`) === "sleep\n", WAIT);
      expect(isAlive(identity)).toBe(true);
      parent.kill("SIGKILL");
      await vi.waitUntil(() => !isAlive(identity), WAIT);
    },
  );

  test("has the identity of the command itself, its environment and folder", async () => {
    const options = { env: { LIGASE_MARK: mark }, cwd: folder, deathSignal: "KILL" } as const;
    const { child, identity } = spawnBound("sleep", ["600"], options);
    started.push(child);
    await vi.waitUntil(() => findByMark(mark).length === 1, WAIT);
    expect(findByMark(mark)).toEqual([identity]);
    expect(findByOpenFiles(folder)).toEqual([identity]);
  });

  test("that can't be found is an error that names it", () => {
    const options = { env: {}, deathSignal: "KILL" } as const;
    expect(() => spawnBound("no-such-command-here", [], options)).toThrow(
      expect.objectContaining({
        code: "SETUP_MISSING",
        what: "no executable no-such-command-here",
      }) as Error,
    );
  });
});

test("daemons are found in the system folders that a user's PATH lacks", () => {
  writeFileSync(join(folder, "tool"), "", { mode: 0o755 });
  writeFileSync(join(folder, "plain"), "", { mode: 0o644 });
  expect(findExecutable("tool", folder)).toBe(join(folder, "tool"));
  expect(findExecutable("plain", folder)).toBeUndefined();
  expect(findExecutable("sh", "")).toMatch(/bin\/sh$/);
  expect(findExecutable("./tool", folder)).toBeUndefined();
});

/** A shell that runs the script with only these variables. */
function run(script: string, variables: Record<string, string> = {}): ChildProcess {
  const env = { PATH: process.env["PATH"], ...variables };
  // A pipe that nobody writes to lets `read` wait without end; bash would take it for a remote
  // login's and run the user's .bashrc, hence --norc.
  const child = spawn("bash", ["--norc", "-c", script], {
    env,
    stdio: ["pipe", "ignore", "ignore"],
  });
  started.push(child);
  return child;
}

function expectIdentity(child: ChildProcess): ProcessIdentity {
  const identity = identityOf(child.pid ?? 0);
  if (identity === undefined) throw new Error("the test's process isn't there");
  return identity;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "none";
  }
}

function readNumber(path: string): number {
  return Number.parseInt(readOr(path), 10) || 0;
}

function stateOf(pid: number): string | undefined {
  return /\) (\w) /.exec(readOr(`/proc/${pid}/stat`))?.[1];
}
