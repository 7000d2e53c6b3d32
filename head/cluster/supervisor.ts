/**
 * The process behind `ligase supervise`: it holds the state lock and owns every other process of
 * an embedded cluster. It lives as long as the command's pipe, in a session of its own, so that
 * neither a Ctrl-C nor a SIGKILL of the command keeps it from leaving nothing behind.
 *
 * The command's pipe carries JSON lines: in come {"request":{key}}, {"progress":...},
 * {"result":...}, {"stop":true}; out go one of {"ready":...}, {"busy":owner}, {"error":...}, and
 * {"error":...} once more if a ready cluster fails.
 */
import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { isClusterId } from "../../runtime/bus/subjects.ts";
import { readLines, writeLine } from "../../runtime/client/lines.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { STANDBY_HEADS_MAX } from "../../runtime/limits.ts";
import { checkUri } from "../../runtime/storage/uri.ts";
import { sweepObjects } from "../../runtime/objects/owners.ts";
import { MARK_VARIABLE, sweep } from "../../runtime/processes.ts";
import { ClientDoor } from "./clients/door.ts";
import { EmbeddedCluster } from "./cluster.ts";
import {
  freshLog,
  makeRuntimeFolder,
  newRuntimeFolderPath,
  removeRuntimeFolder,
} from "./folders.ts";
import { FollowServer, keyOf } from "./follow.ts";
import { type LockOwner, takeLock, thisProcess } from "./lock.ts";
import { openMachineSlurm, type SlurmOpener, SlurmService } from "./slurm-service.ts";

/** Milliseconds that the process may still take to end by itself. */
const EXIT_LINGER_MS = 200;

const optionsSchema = v.strictObject({
  stateDir: v.string(),
  slurm: v.picklist(["auto", "system", "private", "none"]),
  /** Executor processes of the agent. */
  executors: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** A free one unless given. */
  natsPort: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(65_535))),
  /** Heads that stand by beside the leader. */
  standbyHeads: v.optional(
    v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(STANDBY_HEADS_MAX)),
  ),
  /** Where log, snapshots and jobs lie, if not in `stateDir`: a folder or `s3://bucket/prefix`. */
  stateUri: v.optional(v.string()),
  /** Whether `ready` brings a URL for one more worker. */
  join: v.optional(v.boolean()),
  /** Whether the state goes with the cluster, however its command ended. */
  temporary: v.optional(v.boolean()),
  /** Programs of head and agent, for tests. */
  headMain: v.optional(v.string()),
  workerMain: v.optional(v.string()),
});

export type SuperviseOptions = v.InferOutput<typeof optionsSchema>;

/** Options from the arguments of `ligase supervise`: one, in JSON. @throws {SystemError} USAGE. */
export function parseSuperviseArguments(args: readonly string[]): SuperviseOptions {
  try {
    return v.parse(optionsSchema, JSON.parse(args[0] ?? ""));
  } catch (thrown) {
    throw new SystemError("USAGE", "`ligase supervise` is started by `ligase run`", {}, thrown);
  }
}

/**
 * Runs an embedded cluster until its command ends it, goes away, or a signal comes.
 *
 * @param openSlurm - finds or starts Slurm at the head's first wish.
 * @returns the exit code. Never throws: errors leave as a line. This process ends soon after.
 */
export async function superviseMain(
  options: SuperviseOptions,
  openSlurm: SlurmOpener = openMachineSlurm,
): Promise<number> {
  try {
    return await new Supervisor(options, openSlurm).run();
  } finally {
    // Nothing may hold this process now: not the command's pipe, nor a part whose end was forced.
    process.stdin.destroy();
    setTimeout(() => process.exit(), EXIT_LINGER_MS).unref();
  }
}

/**
 * `ligase supervise`, the hidden command behind every embedded cluster: the exit code. Errors leave
 * as a line on standard output.
 */
export async function superviseCommand(args: readonly string[]): Promise<number> {
  try {
    return await superviseMain(parseSuperviseArguments(args));
  } catch (thrown) {
    const error = toSystemError(thrown);
    process.stdout.write(`${JSON.stringify({ error: error.toData() })}\n`);
    return error.exit;
  }
}

class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #openSlurm: SlurmOpener;
  readonly #followers = new FollowServer();
  readonly #ending = new AbortController();
  readonly #mark = ownMark();
  #failure: SystemError | undefined;
  #cluster: EmbeddedCluster | undefined;

  constructor(options: SuperviseOptions, openSlurm: SlurmOpener) {
    this.#options = { ...options, stateDir: resolve(options.stateDir) };
    this.#openSlurm = openSlurm;
  }

  async run(): Promise<number> {
    this.#listenToCommand();
    try {
      const runtimeDir = await newRuntimeFolderPath();
      const owner = await this.#lock(runtimeDir);
      if (owner !== undefined) {
        writeLine(process.stdout, { busy: owner });
        return 0;
      }
      await this.#lead(runtimeDir);
    } catch (thrown) {
      this.#fail(toSystemError(thrown));
    }
    if (this.#failure === undefined) return 0;
    writeLine(process.stdout, { error: this.#failure.toData() });
    return this.#failure.exit;
  }

  /** The other owner of the state, or undefined when it is ours now. */
  async #lock(runtimeFolder: string): Promise<LockOwner | undefined> {
    const { stateDir } = this.#options;
    const socket = join(runtimeFolder, "follow.sock");
    const self = { ...thisProcess(), mark: this.#mark, runtimeFolder, socket };
    const taken = await takeLock({ stateDir, self, sweep: sweepAfter });
    return taken.kind === "busy" ? taken.owner : undefined;
  }

  /** From the lock to the end. */
  async #lead(runtimeDir: string): Promise<void> {
    const { stateDir, executors, natsPort, slurm: slurmMode } = this.#options;
    const { standbyHeads = 0, stateUri = stateDir } = this.#options;
    checkUri(stateUri);
    const mark = this.#mark;
    const logPath = await freshLog(stateDir, "supervisor");
    const log = (line: string) => append(logPath, line);
    await makeRuntimeFolder(runtimeDir);
    const cluster = (this.#cluster = new EmbeddedCluster({
      stateDir,
      runtimeDir,
      mark,
      env: { ...process.env, [MARK_VARIABLE]: mark },
      ...{ executors, natsPort, slurmMode, standbyHeads, stateUri },
      slurm: new SlurmService({ mode: slurmMode, open: this.#openSlurm, runtimeDir, mark, log }),
      headMain: this.#options.headMain ?? sibling("../daemon/main"),
      workerMain: this.#options.workerMain ?? sibling("../../worker/main"),
      log,
      onFailed: (error) => this.#fail(error),
    }));
    log(`supervisor ${process.pid} of cluster ${mark} in ${runtimeDir}`);
    try {
      await this.#serve(cluster, runtimeDir, log);
    } finally {
      log("ending");
      await Promise.all([this.#followers.close(), cluster.stop()]);
      log("ended");
      const { temporary = false } = this.#options;
      if (temporary) await rm(stateDir, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async #serve(
    cluster: EmbeddedCluster,
    runtimeDir: string,
    log: (line: string) => void,
  ): Promise<void> {
    const socket = join(runtimeDir, "follow.sock");
    await this.#followers.listen(socket);
    const ended = untilAborted(this.#ending.signal);
    const connection = await Promise.race([cluster.start(), ended]);
    if (connection === undefined) return;
    const { stateDir } = this.#options;
    const door = new ClientDoor({
      ...{ runtimeDir, stateDir, cluster: this.#mark, log },
      mint: () => cluster.mintClient(),
      mintHead: () => cluster.mintHead(),
      hear: (name, message, reply) => cluster.hear(name, message, reply),
      revoke: (client) => cluster.revoke(client),
    });
    await door.open();
    const joinUrl = this.#options.join === true ? await cluster.mintJoinUrl() : undefined;
    writeLine(process.stdout, { ready: { ...connection, mark: this.#mark, socket, joinUrl } });
    // Kept compiled for the next cluster: a supervisor that is killed writes nothing.
    setImmediate(() => flushCompileCache());
    await ended;
    door.close();
  }

  #listenToCommand(): void {
    const end = () => this.#ending.abort();
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      // While it ends, a signal says that somebody can't wait.
      process.on(signal, () => {
        if (this.#ending.signal.aborted) this.#cluster?.hurry();
        end();
      });
    }
    // The command may be gone while we still speak.
    for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
    readLines(process.stdin, {
      onLine: (line) => {
        const key = keyOf(line);
        if (key !== undefined) this.#followers.setRequest(key);
        else if ("progress" in line || "result" in line) this.#followers.pass(line);
        else if ("stop" in line) end();
      },
      onEnd: end,
    });
  }

  #fail(error: SystemError): void {
    this.#failure ??= error;
    this.#ending.abort();
  }
}

/** A log that can't be written, its disk full or its folder gone, may not keep us from ending. */
function append(path: string, line: string): void {
  try {
    appendFileSync(path, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });
  } catch {
    process.stderr.write(`${line}\n`);
  }
}

/** The mark that our starter gave this process, so that it is found by it too; else a fresh one. */
function ownMark(): string {
  const given = process.env[MARK_VARIABLE] ?? "";
  return isClusterId(given) ? given : randomBytes(8).toString("hex");
}

/** Ends all that a dead supervisor left, then its folder. */
async function sweepAfter(dead: LockOwner): Promise<void> {
  const { remaining } = await sweep({ mark: dead.mark, folder: dead.runtimeFolder });
  if (remaining.length > 0) {
    const pids = remaining.map((process) => process.pid).join(", ");
    const what = `processes of a run that was killed can't be ended: ${pids}`;
    throw new SystemError("OUTPUT_BUSY", what, { uri: dead.runtimeFolder });
  }
  await removeRuntimeFolder(dead.runtimeFolder);
  sweepObjects();
}

/** A program of ours: TypeScript in a checkout, JavaScript in the package, as this file is. */
function sibling(path: string): string {
  const extension = extname(import.meta.url);
  return fileURLToPath(new URL(`${path}${extension}`, import.meta.url));
}

function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((settle) => {
    if (signal.aborted) settle(undefined);
    signal.addEventListener("abort", () => settle(undefined), { once: true });
  });
}
