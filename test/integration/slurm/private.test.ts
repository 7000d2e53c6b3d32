/** A private Slurm's life: start as any user, stop, death, and what is left afterwards: nothing. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
} from "node:fs";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test, vi } from "vitest";
import { loopbackNaming } from "../../../head/slurm/loopback.ts";
import { startPrivateSlurm } from "../../../head/slurm/private.ts";
import { signalExactly, sweep } from "../../../runtime/processes.ts";
import type { StarterAnswer, StarterOptions } from "./starter.ts";
import {
  JOB_WAIT,
  newAttempt,
  newMark,
  ourProcesses,
  release,
  startTestSlurm,
  submit,
  temporaryRoot,
  type TestSlurm,
  toEnd,
} from "./support.ts";

const NOBODY = 65534;
const AS_ROOT = process.getuid?.() === 0;
/** Whether name spaces can be made here, by root and by an ordinary user: containers forbid it. */
const MAY_UNSHARE = AS_ROOT && succeeds("unshare", "--mount", "--uts");
const MAY_USER_SPACE = AS_ROOT && succeeds("setpriv", `--reuid=${NOBODY}`, "unshare", "--user");
/** Root as in a locked-down container. */
const DROP = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"];
const ATTEMPT = join(import.meta.dirname, "../../../head/slurm/attempt.sh");
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe("a private Slurm", async () => {
  test("stops within seconds, in the middle of a job, and leaves no process", async () => {
    const at = await begin();
    await startRanks(at);
    expect(ourProcesses(at).length).toBeGreaterThan(5);
    const start = performance.now();
    const { remaining } = await at.started.stop();
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(remaining).toEqual([]);
    expect(ourProcesses(at)).toEqual([]);
  });

  const { loopbackOnly } = await loopbackNaming();
  test.runIf(loopbackOnly)("listens on loopback alone, its ranks included", async () => {
    const at = await begin();
    await startRanks(at);
    expect(at.started.loopbackOnly).toBe(true);
    const addresses = ourProcesses(at).flatMap(listeningAddresses);
    expect(addresses.length).toBeGreaterThanOrEqual(3);
    expect(addresses.filter((address) => !address.startsWith("127."))).toEqual([]);
  });

  test("stands beside another one: each knows its own jobs only", async () => {
    const [one, two] = await Promise.all([begin(), begin()]);
    expect(one.slurm.clusterName).not.toBe(two.slurm.clusterName);
    const script = 'echo "$LIGASE_SLURM" > "$out"';
    const attempts = [
      await newAttempt(one, { script }),
      await newAttempt(two, { script }),
    ] as const;
    const refs = [
      await submit(one.slurm, { ...attempts[0], ranks: 1 }),
      await submit(two.slurm, { ...attempts[1], ranks: 1 }),
    ] as const;
    expect(refs[0].id).toBe(refs[1].id);
    expect(await two.slurm.find(refs[0].name)).toEqual([]);
    expect(await two.slurm.poll(refs[0])).toBeUndefined();
    const outcomes = await Promise.all([
      toEnd(one.slurm, refs[0], attempts[0]),
      toEnd(two.slurm, refs[1], attempts[1]),
    ]);
    expect(outcomes.map(({ error }) => error)).toEqual([null, null]);
    expect(readFileSync(attempts[0].output, "utf8")).toBe(`${one.slurm.clusterName}\n`);
    expect(readFileSync(attempts[1].output, "utf8")).toBe(`${two.slurm.clusterName}\n`);
  });

  test("whose daemons are killed leaves slurmstepd and ranks, and a sweep ends them", async () => {
    const at = await begin();
    await startRanks(at);
    for (const daemon of at.started.processes) signalExactly(daemon, "SIGKILL");
    const names = () => ourProcesses(at).map(nameOf);
    await vi.waitUntil(
      () => !names().some((name) => /^(slurmd|slurmctld|munged)$/.test(name)),
      JOB_WAIT,
    );
    expect(names()).toEqual(expect.arrayContaining(["slurmstepd", "sleep"]));
    const { remaining } = await sweep({ mark: at.mark, folder: at.root });
    expect(remaining).toEqual([]);
    expect(ourProcesses(at)).toEqual([]);
  });

  test("that can't start says what its daemon said, and leaves no process", async () => {
    const root = await temporaryRoot();
    const mark = newMark();
    ends.push(() => rm(root, { recursive: true, force: true }));
    ends.push(() => sweep({ mark, folder: root }, { graceMs: 0 }));
    // munged can't listen where a folder stands.
    mkdirSync(join(root, "slurm", "munge", "sock", "inner"), { recursive: true });
    const starting = startPrivateSlurm({ folder: join(root, "slurm"), cpus: 1, mark });
    await expect(starting).rejects.toMatchObject({
      code: "SLURM_START_FAILED",
      what: expect.stringMatching(/a daemon ended: .*munged: Error: .*sock/s) as string,
    });
    expect(ourProcesses({ root, mark })).toEqual([]);
  });
});

describe("started by another process, a private Slurm", () => {
  test("dies with it, and a later sweep ends what the daemons left", async () => {
    const at = await startElsewhere({ script: ': > "$out"; exec sleep 600' });
    const answer = await at.next<StarterAnswer>();
    await vi.waitUntil(() => readdirOr(join(at.root, "out")).length > 0, JOB_WAIT);
    at.child.kill("SIGKILL");
    await vi.waitUntil(() => !answer.pids.some((pid) => existsSync(`/proc/${pid}/exe`)), JOB_WAIT);
    const { remaining } = await sweep(at);
    expect(remaining).toEqual([]);
    expect(ourProcesses(at)).toEqual([]);
  });

  test.runIf(AS_ROOT)("works for an ordinary user without any right", async () => {
    const at = await startElsewhere({ script: 'id -u > "$out"', uid: NOBODY });
    expect(await at.next<StarterAnswer>()).toMatchObject({ uid: NOBODY });
    expect(await at.next()).toEqual({ state: "COMPLETED", exitCode: 0 });
    expect(readFileSync(join(at.root, "out", "x_sim.nc"), "utf8")).toMatch(/^65534\n/);
    at.child.stdin?.end();
    expect(await at.next()).toMatchObject({ remaining: [] });
    await once(at.child, "exit");
    expect(ourProcesses(at)).toEqual([]);
  });

  test.runIf(MAY_UNSHARE).each([undefined, NOBODY])(
    "works on a host whose name doesn't resolve (user %s)",
    async (uid) => {
      const rename = ["--uts", "sh", "-c", 'hostname no-such-host-here && exec "$@"', "sh"];
      const loopbackOnly = uid === undefined || MAY_USER_SPACE;
      expect(await lifeOf(uid, ["unshare", ...rename])).toMatchObject({ loopbackOnly });
    },
  );

  test.runIf(MAY_UNSHARE).each([
    ["Debian's 127.0.1.1, and binds to loopback", "127.0.1.1", [], true],
    ["a network's address, and binds to loopback", "10.77.0.2", [], true],
    ["one, where name spaces are forbidden", "127.0.1.1", DROP, false],
  ] as const)("works on a host whose name has %s", async (_what, address, drop, loopbackOnly) => {
    const hosts = `printf '127.0.0.1 localhost\\n${address} %s\\n' "$(hostname)" > "$0"`;
    const script = `${hosts} && mount --bind "$0" /etc/hosts && exec "$@"`;
    const root = await temporaryRoot();
    ends.push(() => rm(root, { recursive: true, force: true }));
    const spaces = ["unshare", "--mount", "--propagation", "private"];
    const wrapper = [...spaces, "sh", "-c", script, join(root, "hosts"), ...drop];
    expect(await lifeOf(undefined, wrapper)).toMatchObject({ loopbackOnly });
  });
});

/** Starts one, runs a job in it, stops it; nothing may go wrong or be left. */
async function lifeOf(uid: number | undefined, wrapper: readonly string[]): Promise<StarterAnswer> {
  const at = await startElsewhere({ script: 'hostname > "$out"', uid }, wrapper);
  const answer = await at.next<StarterAnswer>();
  expect(await at.next()).toEqual({ state: "COMPLETED", exitCode: 0 });
  at.child.stdin?.end();
  expect(await at.next()).toMatchObject({ remaining: [] });
  await once(at.child, "exit");
  expect(ourProcesses(at)).toEqual([]);
  return answer;
}

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, [...args, "true"]).status === 0;
}

async function begin(): Promise<TestSlurm> {
  const at = await startTestSlurm();
  ends.push(at.close);
  return at;
}

/** A job of two ranks that run without end. */
async function startRanks(at: TestSlurm): Promise<void> {
  const up = join(at.root, "up");
  const attempt = await newAttempt(at, { args: ["-c", ': > "$0"; exec sleep 600', up] });
  await release(at.slurm, await submit(at.slurm, attempt), attempt);
  await vi.waitUntil(() => existsSync(up), JOB_WAIT);
}

interface Elsewhere {
  readonly root: string;
  readonly folder: string;
  readonly mark: string;
  readonly child: ChildProcess;
  /** The next line of its answers. */
  next<T = unknown>(): Promise<T>;
}

async function startElsewhere(
  { script, uid }: { readonly script: string; readonly uid?: number | undefined },
  wrapper: readonly string[] = [],
): Promise<Elsewhere> {
  const root = await temporaryRoot();
  const mark = newMark();
  const attemptScript = join(root, "attempt.sh");
  copyFileSync(ATTEMPT, attemptScript);
  if (uid !== undefined) chownSync(root, uid, uid);
  const options: StarterOptions = { root, mark, script, attemptScript, ...(uid && { uid }) };
  const starter = join(import.meta.dirname, "starter.ts");
  const command = [...wrapper, process.execPath, starter, JSON.stringify(options)];
  const [first = "", ...rest] = command;
  const child = spawn(first, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>() => JSON.parse((await lines.next()).value as string) as T;
  ends.push(async () => {
    child.kill("SIGKILL");
    await sweep({ mark, folder: root });
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  return { root, folder: root, mark, child, next };
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

function readdirOr(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Addresses at which the process accepts TCP connections, as `127.0.0.1`; of IPv6 as hex. */
function listeningAddresses(pid: number): string[] {
  const held = new Set(
    readdirOr(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  const LISTEN = "0A";
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    readFileSync(table, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && held.has(fields[9]))
      .map((fields) => dotted(fields[1]?.split(":")[0] ?? "")),
  );
}

function dotted(hex: string): string {
  if (hex.length !== 8) return hex;
  return [...Buffer.from(hex, "hex").reverse()].join(".");
}
