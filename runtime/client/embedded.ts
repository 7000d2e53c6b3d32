/**
 * An embedded cluster, from the side of the process that wants one: it spawns the bin's
 * supervisor in a session of its own and holds its pipe. Whatever happens to this process, the
 * pipe ends, and with it the cluster.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import type { Connection } from "../bus/key.ts";
import { isClusterId, isIdentity } from "../bus/subjects.ts";
import { errorFromData, SystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";
import { CLUSTER_START_MS, NATS_START_MS, SHUTDOWN_FORCED_MS, SHUTDOWN_MS } from "../limits.ts";
import { errorData } from "../messages.ts";
import { MARK_VARIABLE } from "../processes.ts";
import { type JsonLine, readLines, writeLine } from "./lines.ts";

/** Lock, sweep of a predecessor, nats-server, then head and agent, each with its own bound. */
const START_MS = SHUTDOWN_FORCED_MS + NATS_START_MS + CLUSTER_START_MS;
/** Our last resort, after the supervisor's own forced end. */
const END_MS = SHUTDOWN_FORCED_MS + SHUTDOWN_MS;
const STDERR_CHARS = 4_096;
/**
 * Node's options for supervisor, head and agent: a young generation of 1 MiB halves instead of 16.
 * What they allocate dies in the turn that made it; 8-10 MiB less each, calls as fast (measured).
 */
export const LEAN_NODE: readonly string[] = ["--max-semi-space-size=1"];

export interface EmbeddedOptions {
  /** Folder of the cluster's state; one cluster at a time works on it. */
  readonly stateDir: string;
  /** Whether the supervisor removes that folder at its end: nothing else may lie in it. */
  readonly temporary?: boolean | undefined;
  readonly slurm: "auto" | "system" | "private" | "none";
  readonly executors: number;
  /** Heads that stand by beside the leader: none unless given. */
  readonly standbyHeads?: number | undefined;
  /** Where log, snapshots and jobs lie, if not in `stateDir`: a folder or `s3://bucket/prefix`. */
  readonly stateUri?: string | undefined;
  /** Any free port unless given. */
  readonly natsPort?: number | undefined;
  /** Whether to bring a URL for one more worker. */
  readonly join?: boolean | undefined;
  /** Gets what the supervisor says on its standard error. */
  readonly log?: ((line: string) => void) | undefined;
  /** Aborted while starting: the start ends with CANCELLED, and the cluster goes. */
  readonly signal?: AbortSignal | undefined;
  /** Program to spawn, and further supervise options; tests put their own here. */
  readonly bin?: string | undefined;
  readonly extra?: JsonLine | undefined;
}

/** How a supervisor ended; `error` unless it was asked to. */
export interface EmbeddedExit {
  readonly code: number | null;
  readonly error?: SystemError;
}

export interface EmbeddedReady {
  readonly kind: "ready";
  /** A client's. */
  readonly connection: Connection;
  readonly mark: string;
  /** Where other commands follow this run. */
  readonly socket: string;
  readonly joinUrl?: string | undefined;
  /** The supervisor's. */
  readonly pid: number;
  /** Settles when the supervisor has ended, for whatever reason. */
  readonly exited: Promise<EmbeddedExit>;
  /** A line for followers: `{request: {key}}`, `{progress}` or `{result}`. */
  send(line: JsonLine): void;
  /** Ends the cluster; settles when no process of it is left. */
  stop(): Promise<void>;
}

/** Another process works on the state: its socket takes followers. */
export interface EmbeddedBusy {
  readonly kind: "busy";
  readonly owner: { readonly pid: number; readonly host: string; readonly socket: string };
}

const ownerSchema = v.object({ pid: v.number(), host: v.string(), socket: v.string() });
const readySchema = v.object({
  natsUrl: v.string(),
  cluster: v.pipe(v.string(), v.check(isClusterId)),
  identity: v.custom<Identity>((value) => isIdentity(String(value), "client")),
  seed: v.string(),
  mark: v.string(),
  socket: v.string(),
  joinUrl: v.optional(v.string()),
});
const firstLine = v.union([
  v.object({ ready: readySchema }),
  v.object({ busy: ownerSchema }),
  v.object({ error: errorData }),
]);
type FirstLine = v.InferOutput<typeof firstLine>;

/**
 * A ready cluster, or who has the state already.
 *
 * @throws {SystemError} what the supervisor gave as its reason; CLUSTER_START_FAILED with its last
 * words when it ended or was silent; CANCELLED.
 */
export async function startEmbedded(
  options: EmbeddedOptions,
): Promise<EmbeddedReady | EmbeddedBusy> {
  const supervisor = new SupervisorProcess(options);
  try {
    const said = await supervisor.firstLine(options.signal);
    if ("error" in said) throw errorFromData(said.error);
    if ("busy" in said) {
      await supervisor.stop();
      return { kind: "busy", owner: said.busy };
    }
    const { mark, socket, joinUrl, ...connection } = said.ready;
    return {
      kind: "ready",
      connection,
      mark,
      socket,
      joinUrl,
      pid: supervisor.pid,
      exited: supervisor.exited,
      send: (line) => supervisor.send(line),
      stop: () => supervisor.stop(),
    };
  } catch (thrown) {
    await supervisor.stop();
    throw thrown;
  }
}

class SupervisorProcess {
  readonly exited: Promise<EmbeddedExit>;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #first: Promise<FirstLine>;
  #lastWords = "";
  #failure: SystemError | undefined;
  #isReady = false;
  #wasAsked = false;

  constructor(options: EmbeddedOptions) {
    const bin = options.bin ?? fileURLToPath(new URL("../../head/cli/ligase.mjs", import.meta.url));
    const { stateDir, temporary, slurm, executors, natsPort, join } = options;
    const { standbyHeads, stateUri } = options;
    const parts = { stateDir, temporary, slurm, executors, natsPort, join, standbyHeads, stateUri };
    const supervise = JSON.stringify({ ...parts, ...options.extra });
    const child = spawn(process.execPath, [...LEAN_NODE, bin, "supervise", supervise], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, [MARK_VARIABLE]: randomBytes(8).toString("hex") },
    });
    this.#child = child;
    this.#input = child.stdin;
    this.#input.on("error", () => undefined);
    this.exited = new Promise((settle) => {
      child.once("error", (error) => settle(this.#exit(null, error)));
      // `close`, not `exit`: its last line must be read first.
      child.once("close", (code) => settle(this.#exit(code)));
    });
    this.#first = this.#readOutput(child.stdout);
    this.#readWords(child.stderr, options.log);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its first line, within START_MS and before an abort. */
  async firstLine(signal: AbortSignal | undefined): Promise<FirstLine> {
    const deadline = AbortSignal.timeout(START_MS);
    const either = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    const given = new Promise<never>((_, fail) => {
      const giveUp = () => fail(this.#giveUpError(signal));
      if (either.aborted) giveUp();
      either.addEventListener("abort", giveUp, { once: true });
    });
    return await Promise.race([this.#first, given]);
  }

  send(line: JsonLine): void {
    writeLine(this.#input, line);
  }

  async stop(): Promise<void> {
    this.#wasAsked = true;
    this.send({ stop: true });
    this.#input.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_MS);
    await this.exited;
    clearTimeout(timer);
  }

  #readOutput(output: Readable): Promise<FirstLine> {
    return new Promise((settle, fail) => {
      let isFirst = true;
      readLines(output, {
        onLine: (line) => {
          const parsed = v.safeParse(firstLine, line);
          if (!parsed.success) return fail(this.#ownError("sent a line of another form"));
          this.#isReady ||= "ready" in parsed.output;
          if (isFirst) settle(parsed.output);
          else if ("error" in parsed.output) this.#failure = errorFromData(parsed.output.error);
          isFirst = false;
        },
        onEnd: () => {
          void this.exited.then((exit) => fail(exit.error ?? this.#ownError("was stopped")));
        },
      });
    });
  }

  #readWords(stream: Readable, log: ((line: string) => void) | undefined): void {
    stream.setEncoding("utf8");
    stream.on("error", () => undefined);
    stream.on("data", (words: string) => {
      this.#lastWords = (this.#lastWords + words).slice(-STDERR_CHARS);
      log?.(words.trimEnd());
    });
  }

  #exit(code: number | null, error?: Error): EmbeddedExit {
    if (error !== undefined) return { code, error: this.#ownError(error.message) };
    if (this.#failure !== undefined) return { code, error: this.#failure };
    if (this.#wasAsked) return { code };
    const how = code === null ? "was killed" : `ended with exit code ${code}`;
    return { code, error: this.#ownError(how) };
  }

  #giveUpError(signal: AbortSignal | undefined): SystemError {
    if (signal?.aborted) return new SystemError("CANCELLED", "stopped while the cluster started");
    return this.#ownError(`wasn't ready within ${START_MS} ms`);
  }

  #ownError(what: string): SystemError {
    const words = this.#lastWords.trim();
    const text = `the supervisor ${what}${words === "" ? "" : `: ${words}`}`;
    return new SystemError(this.#isReady ? "CLUSTER_FAILED" : "CLUSTER_START_FAILED", text);
  }
}
