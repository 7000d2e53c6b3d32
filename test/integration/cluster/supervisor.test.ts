/** The embedded cluster and what ends it. Long because every way to end it is a case. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { followRun } from "../../../head/cluster/follow.ts";
import { parseSuperviseArguments } from "../../../head/cluster/supervisor.ts";
import { joinCluster } from "../../../runtime/bus/join.ts";
import { apiSubject } from "../../../runtime/bus/subjects.ts";
import {
  type EmbeddedOptions,
  type EmbeddedReady,
  startEmbedded,
} from "../../../runtime/client/embedded.ts";
import { HEAD_RESTARTS_MAX, SHUTDOWN_MS } from "../../../runtime/limits.ts";
import { findByMark, findByOpenFiles, identityOf } from "../../../runtime/processes.ts";
import type { Fake } from "./fake-main.ts";
import { busOf, cleanUp, onEnd, temporaryFolder, until } from "./support.ts";

afterEach(cleanUp);

const BIN = new URL("./supervise.ts", import.meta.url).pathname;
const COMMAND = new URL("./command.ts", import.meta.url).pathname;

async function state(
  fakes: { head?: Fake; worker?: Fake; slurm?: "real" | "stuck" } = {},
): Promise<string> {
  const stateDir = await temporaryFolder();
  await writeFile(join(stateDir, "fakes.json"), JSON.stringify(fakes));
  return stateDir;
}

type Some = Partial<EmbeddedOptions>;
const start = (stateDir: string, some: Some = {}) =>
  startEmbedded({ stateDir, slurm: "private", executors: 2, bin: BIN, ...some });

async function startReady(stateDir: string, some: Some = {}): Promise<EmbeddedReady> {
  const started = await start(stateDir, some);
  if (started.kind !== "ready") throw new Error("busy");
  onEnd(() => started.stop());
  return started;
}

type Name = "head" | "head-2" | "worker";

/** What a fake said, oldest first. */
async function said(stateDir: string, name: Name): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(stateDir, "logs", `${name}.log`), "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** What the supervisor configured it with. */
async function configOf(stateDir: string, name: Name) {
  const first = await until(`${name}'s words`, async () => (await said(stateDir, name))[0]);
  return first["config"] as { readonly mark: string; readonly runtimeDir: string };
}

/** What a fake heard first. */
async function heardBy(stateDir: string, name: Name): Promise<unknown> {
  return (await said(stateDir, name)).find((line) => "heard" in line)?.["heard"];
}

async function pidOf(stateDir: string, name: Name, life = 1): Promise<number> {
  return await until(`${name}'s life ${life}`, async () => {
    const pids = (await said(stateDir, name)).filter((line) => "pid" in line);
    return pids[life - 1]?.["pid"] as number | undefined;
  });
}

async function startCommand(stateDir: string, ...words: readonly "temporary"[]) {
  const child = spawn(process.execPath, [COMMAND, stateDir, ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onEnd(async () => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, ...(JSON.parse(line.toString()) as { mark: string; pid: number }) };
}

const isRunning = (pid: number): boolean => identityOf(pid) !== undefined;
const commands = (pids: readonly { readonly pid: number }[]) =>
  Promise.all(
    pids.map(async ({ pid }) =>
      (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim(),
    ),
  );

describe("an embedded cluster", () => {
  it("starts, lets its client in, and leaves nothing when it is stopped", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    const runtimeDir = dirname(cluster.socket);
    expect((await stat(runtimeDir)).mode & 0o777).toBe(0o700);
    for (const name of ["head.json", "worker.json"]) {
      expect((await stat(join(runtimeDir, name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(cluster.socket)).mode & 0o777).toBe(0o600);
    expect(await configOf(stateDir, "head")).toMatchObject({
      natsUrl: cluster.connection.natsUrl,
      cluster: cluster.mark,
      identity: expect.stringMatching(/^h-/),
      stateDir,
      runtimeDir,
      mark: cluster.mark,
      slurmMode: "private",
    });
    const hired = await configOf(stateDir, "worker");
    expect(hired).toMatchObject({ executors: 2 });
    const bus = await busOf(cluster.connection.natsUrl, cluster.connection);
    bus.publish(apiSubject(cluster.mark, cluster.connection.identity), new Uint8Array(1));
    await bus.flush();
    // The supervisor, nats-server, head and agent carry the mark.
    expect((await commands(findByMark(cluster.mark))).sort()).toHaveLength(4);
    await cluster.stop();
    expect(await cluster.exited).toEqual({ code: 0 });
    expect(findByMark(cluster.mark)).toEqual([]);
    expect(existsSync(runtimeDir)).toBe(false);
    expect(await said(stateDir, "head")).toContainEqual({ heard: { op: "stop" } });
  });

  it("has a session of its own, which no Ctrl-C of the terminal reaches", async () => {
    const cluster = await startReady(await state());
    const stat = await readFile(`/proc/${cluster.pid}/stat`, "utf8");
    const [, , group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect([Number(group), Number(session)]).toEqual([cluster.pid, cluster.pid]);
  });

  it("kills what doesn't stop, orphans too, within SHUTDOWN_MS", async () => {
    const stateDir = await state({
      head: { stubborn: true, orphan: true },
      worker: { stubborn: true },
    });
    const cluster = await startReady(stateDir);
    const began = performance.now();
    await cluster.stop();
    expect(performance.now() - began).toBeLessThan(SHUTDOWN_MS);
    expect(findByMark(cluster.mark)).toEqual([]);
    expect((await cluster.exited).code).toBe(0);
  });

  it("ends by force within 10 s when Slurm's end hangs", async () => {
    const stateDir = await state({ head: { slurm: true, orphan: true }, slurm: "stuck" });
    const cluster = await startReady(stateDir);
    await until("Slurm", () => heardBy(stateDir, "head"));
    const began = performance.now();
    await cluster.stop();
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(findByMark(cluster.mark)).toEqual([]);
    expect(existsSync(dirname(cluster.socket))).toBe(false);
  });

  it("ends even when its logs have nowhere to go", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    await rm(stateDir, { recursive: true });
    await cluster.stop();
    expect(await cluster.exited).toEqual({ code: 0 });
    expect(findByMark(cluster.mark)).toEqual([]);
    expect(existsSync(dirname(cluster.socket))).toBe(false);
  });

  it("says what its program said when that can't run", async () => {
    const bin = join(await temporaryFolder(), "absent.mjs");
    await expect(start(await state(), { bin })).rejects.toMatchObject({
      code: "CLUSTER_START_FAILED",
      what: expect.stringContaining("Cannot find module"),
    });
    expect(() => parseSuperviseArguments(["{}"])).toThrow("USAGE");
    expect(() => parseSuperviseArguments([])).toThrow("USAGE");
  });

  it("says why it didn't start: the head's last words, and leaves nothing", async () => {
    const stateDir = await state({ head: { crash: 3 } });
    await expect(start(stateDir)).rejects.toMatchObject({
      code: "CLUSTER_START_FAILED",
      what: expect.stringMatching(/head.*exit code 3.*boom: this one crashes/s),
    });
    expect(await readdir(join(stateDir, "lock"))).toEqual(["1"]);
  });

  it("says that its port is taken", async () => {
    const holder = createServer();
    await new Promise<void>((settle) => holder.listen(0, "127.0.0.1", settle));
    onEnd(async () => holder.close());
    const address = holder.address();
    const natsPort = typeof address === "object" && address !== null ? address.port : 0;
    await expect(start(await state(), { natsPort })).rejects.toMatchObject({
      code: "NATS_PORT_TAKEN",
      where: { port: natsPort },
    });
  });

  it("is given up at once when its start is cancelled, and leaves nothing", async () => {
    const stateDir = await state({ worker: { silent: true } });
    const cancel = new AbortController();
    const starting = start(stateDir, { signal: cancel.signal });
    starting.catch(() => undefined);
    const pid = await pidOf(stateDir, "worker");
    const { mark } = await configOf(stateDir, "worker");
    expect(findByMark(mark).map((process) => process.pid)).toContain(pid);
    const began = performance.now();
    cancel.abort();
    await expect(starting).rejects.toMatchObject({ code: "CANCELLED" });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(findByMark(mark)).toEqual([]);
  });

  it("starts its head and its agent again when they die, one at a time", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    for (const name of ["head", "worker"] as const) {
      process.kill(await pidOf(stateDir, name), "SIGKILL");
      const second = await pidOf(stateDir, name, 2);
      expect(findByMark(cluster.mark).map((process) => process.pid)).toContain(second);
    }
    const log = join(stateDir, "logs", "supervisor.log");
    await until("both are back", async () => {
      const text = await readFile(log, "utf8");
      return text.includes("head is back") && text.includes("worker is back");
    });
    expect(findByMark(cluster.mark)).toHaveLength(4);
  });

  it("fails when its head keeps dying, and leaves nothing", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    for (let life = 1; life <= HEAD_RESTARTS_MAX + 1; life += 1) {
      process.kill(await pidOf(stateDir, "head", life), "SIGKILL");
    }
    const exit = await cluster.exited;
    expect(exit.error).toMatchObject({ code: "CLUSTER_FAILED" });
    expect(findByMark(cluster.mark)).toEqual([]);
  });

  it("doesn't start a head again that says it may not", async () => {
    const stateDir = await state({ head: { fatal: "LOG_FENCED" } });
    const cluster = await startReady(stateDir);
    process.kill(await pidOf(stateDir, "head"), "SIGUSR2");
    expect((await cluster.exited).error).toMatchObject({ code: "LOG_FENCED", what: "so be it" });
    expect((await said(stateDir, "head")).filter((line) => "pid" in line)).toHaveLength(1);
  });

  it("starts a head again that another of its heads has replaced, to stand by", async () => {
    const stateDir = await state({ head: { fatal: "LOG_FENCED", heard: 2 } });
    const cluster = await startReady(stateDir, { standbyHeads: 1 });
    const other = await pidOf(stateDir, "head-2");
    process.kill(await pidOf(stateDir, "head"), "SIGUSR2");
    await pidOf(stateDir, "head", 2);
    const standby = (await said(stateDir, "head")).flatMap(({ config }) =>
      config === undefined ? [] : [(config as { readonly standby: boolean }).standby],
    );
    expect(standby).toEqual([false, true]);
    expect(await configOf(stateDir, "head-2")).toMatchObject({ standby: true });
    expect(isRunning(other)).toBe(true);
    await cluster.stop();
    expect(isRunning(other)).toBe(false);
  });

  it("outlives all its heads but one", async () => {
    const stateDir = await state({ head: { fatal: "LOG_CORRUPT" } });
    const cluster = await startReady(stateDir, { standbyHeads: 1 });
    await pidOf(stateDir, "head-2");
    process.kill(await pidOf(stateDir, "head"), "SIGUSR2");
    const log = join(stateDir, "logs", "supervisor.log");
    const isGivenUp = async () => (await readFile(log, "utf8")).includes("head is given up");
    await until("the head is given up", isGivenUp);
    expect(isRunning(cluster.pid)).toBe(true);
    await cluster.stop();
  });

  it("opens Slurm at the head's first wish and ends its jobs, then it, at the end", async () => {
    const stateDir = await state({ head: { slurm: true } });
    const cluster = await startReady(stateDir);
    const answer = await until("the answer", () => heardBy(stateDir, "head"));
    const access = { confPath: null, clusterName: "fake", launcher: "none" };
    expect(answer).toEqual({ id: 7, ok: access });
    await cluster.stop();
    expect((await readFile(join(stateDir, "slurm.txt"), "utf8")).split("\n")).toEqual([
      `open private in ${dirname(cluster.socket)}`,
      "cancel 12",
      "stop",
      "",
    ]);
  });

  it("answers SLURM_MISSING without Slurm", async () => {
    const stateDir = await state({ head: { slurm: true } });
    await startReady(stateDir, { slurm: "none" });
    const answer = await until("the answer", () => heardBy(stateDir, "head"));
    expect(answer).toMatchObject({ id: 7, error: { code: "SLURM_MISSING" } });
  });

  it("tells its command when its supervisor was killed", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    process.kill(cluster.pid, "SIGKILL");
    expect((await cluster.exited).error).toMatchObject({ code: "CLUSTER_FAILED" });
    await until("nothing is left", () => findByMark(cluster.mark).length === 0);
    await startReady(stateDir);
    expect(existsSync(dirname(cluster.socket))).toBe(false);
  });

  it("lets one more worker join", async () => {
    const cluster = await startReady(await state(), { join: true });
    const joined = await joinCluster(cluster.joinUrl ?? "");
    expect(joined.cluster).toBe(cluster.mark);
    await busOf(joined.natsUrl, joined);
    await expect(joinCluster(cluster.joinUrl ?? "")).rejects.toMatchObject({
      code: "JOIN_REFUSED",
    });
  });
});

describe("a second command on the same state", () => {
  it("is told who works there, and follows the same run to its result", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    const second = await start(stateDir);
    expect(second).toMatchObject({
      kind: "busy",
      owner: { pid: cluster.pid, socket: cluster.socket },
    });
    const seen: unknown[] = [];
    const follow = (key: string) =>
      followRun({ socket: cluster.socket, key, onProgress: (progress) => seen.push(progress) });
    // It asks before the first command has said what it runs.
    const early = follow("job a");
    cluster.send({ request: { key: "job a" } });
    cluster.send({ progress: { rows: 1 } });
    await until("the first progress", () => seen.length === 1);
    const late = follow("job a");
    await until("the last progress again", () => seen.length === 2);
    expect(await follow("job b")).toEqual({ kind: "busy" });
    cluster.send({ progress: { rows: 2 } });
    cluster.send({ result: { rows: 2 } });
    expect(await early).toEqual({ kind: "result", result: { rows: 2 } });
    expect(await late).toEqual({ kind: "result", result: { rows: 2 } });
    expect(await follow("job a")).toEqual({ kind: "result", result: { rows: 2 } });
    expect(seen.slice(0, 4)).toEqual([{ rows: 1 }, { rows: 1 }, { rows: 2 }, { rows: 2 }]);
    await cluster.stop();
    expect(await follow("job a")).toEqual({ kind: "gone" });
  });

  it("finds the run gone when it ends without a result", async () => {
    const stateDir = await state();
    const cluster = await startReady(stateDir);
    cluster.send({ request: { key: "k" } });
    let progressed = false;
    const options = { socket: cluster.socket, key: "k" };
    const following = followRun({ ...options, onProgress: () => (progressed = true) });
    cluster.send({ progress: 1 });
    await until("it follows", () => progressed);
    await cluster.stop();
    expect(await following).toEqual({ kind: "gone" });
    // The output is free again.
    const next = await startReady(stateDir);
    expect(next.mark).not.toBe(cluster.mark);
  });
});

describe("a killed command", () => {
  it("leaves no process after 10 s, no runtime folder, no state of its own alone", async () => {
    const stateDir = await state({ head: { orphan: true }, worker: { stubborn: true } });
    const { child, mark } = await startCommand(stateDir, "temporary");
    const { runtimeDir } = await configOf(stateDir, "head");
    expect(findByMark(mark).length).toBeGreaterThanOrEqual(5);
    child.kill("SIGKILL");
    await until("nothing is left", () => findByMark(mark).length === 0);
    expect([existsSync(runtimeDir), existsSync(stateDir)]).toEqual([false, false]);
  });

  it("whose supervisor is killed too leaves the rest to the next run's sweep", async () => {
    const stateDir = await state({ head: { orphan: true } });
    const { child, mark, pid } = await startCommand(stateDir);
    const { runtimeDir } = await configOf(stateDir, "head");
    const orphan = await until("the orphan", async () =>
      (await said(stateDir, "head")).find((line) => "orphan" in line),
    );
    process.kill(pid, "SIGKILL");
    child.kill("SIGKILL");
    // nats-server by its death signal, head and agent by the end of their pipe.
    await until("only the orphan is left", () => findByMark(mark).length === 1);
    expect(findByMark(mark)).toMatchObject([{ pid: orphan["orphan"] }]);
    expect(existsSync(runtimeDir)).toBe(true);
    await startReady(stateDir);
    expect(findByMark(mark)).toEqual([]);
    expect(existsSync(runtimeDir)).toBe(false);
    expect(await readdir(join(stateDir, "lock"))).toEqual(["2"]);
  });
});

describe("a private Slurm", () => {
  it("is started at the first wish and is gone when its command was killed", async () => {
    const stateDir = await state({ head: { slurm: true }, slurm: "real" });
    const { child, mark } = await startCommand(stateDir);
    const { runtimeDir } = await configOf(stateDir, "head");
    const answer = await until("Slurm", () => heardBy(stateDir, "head"), 30_000);
    expect(answer).toMatchObject({ id: 7, ok: { confPath: join(runtimeDir, "slurm/slurm.conf") } });
    const daemons = ["munged", "slurmctld", "slurmd"];
    expect(await commands(findByMark(mark))).toEqual(expect.arrayContaining(daemons));
    child.kill("SIGKILL");
    await until("nothing is left", () => findByMark(mark).length === 0);
    expect(findByOpenFiles(runtimeDir)).toEqual([]);
    await until("the folder is gone", () => !existsSync(runtimeDir));
    expect(existsSync(stateDir)).toBe(true);
  });
});

describe("an edited lock record", () => {
  it("doesn't make the next run remove a folder that isn't ours", async () => {
    const stateDir = await state();
    const precious = join(stateDir, "lg-precious");
    await mkdir(precious);
    await mkdir(join(stateDir, "lock"));
    const record = {
      pid: 4_194_304,
      startTicks: 1,
      bootId: "x",
      host: hostname(),
      mark: "0000000000000000",
      runtimeFolder: precious,
      socket: "",
    };
    await writeFile(join(stateDir, "lock", "1"), JSON.stringify(record));
    await startReady(stateDir);
    expect(existsSync(precious)).toBe(true);
  });
});
