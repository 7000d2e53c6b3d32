/**
 * A Node process that the supervisor keeps: the head or the agent. It holds a pipe to the
 * child's standard input, whose end tells the child that its supervisor is gone, and an IPC
 * channel. A child that ends is started again, after its end and never beside it, up to a bound.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { LEAN_NODE } from "../../runtime/client/embedded.ts";
import { leaveConfig } from "../../runtime/config-file.ts";
import { errorFromData, SystemError } from "../../runtime/errors.ts";
import {
  CLUSTER_START_MS,
  RESTART_DELAY_MS,
  RESTARTS_FORGOTTEN_MS,
  TERM_GRACE_MS,
} from "../../runtime/limits.ts";
import { tailOf } from "./folders.ts";
import { type ChildMessage, childMessage } from "./protocol.ts";

export interface ChildOptions {
  /** For people. */
  readonly name: string;
  /** The program; its one argument names a file with its configuration, left for each start. */
  readonly script: string;
  readonly configPath: string;
  /** Made anew for each start. */
  readonly config: () => object;
  readonly logPath: string;
  readonly env: NodeJS.ProcessEnv;
  /** Starts again in a row, none of which lasted. */
  readonly restartsMax: number;
  /** Whether a child that must not go on may be started again all the same; never unless given. */
  readonly mends?: (error: SystemError) => boolean;
  readonly log: (line: string) => void;
  /** Gets all that the child says but `ready` and `fatal`; `reply` is lost if the child is gone. */
  readonly onMessage: (message: ChildMessage, reply: (answer: object) => void) => void;
  /** Called once: it ended for good, without having been stopped. */
  readonly onFailed: (error: SystemError) => void;
}

/** How one incarnation ended. */
interface End {
  readonly how: string;
  readonly wasReady: boolean;
  readonly fatal: SystemError | undefined;
}

export class KeptChild {
  readonly #options: ChildOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #life: Promise<void> = Promise.resolve();

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Settles when the first incarnation is ready; from then on the child is kept.
   *
   * @throws {SystemError} CLUSTER_START_FAILED with the end of its log, its own error when it sent
   * one, CANCELLED when it was stopped meanwhile.
   */
  async start(): Promise<void> {
    await new Promise<void>((settle, fail) => {
      this.#life = this.#keep(settle, fail);
    });
  }

  /** Asks it to end; kills it after TERM_GRACE_MS. Settles when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child?.connected) child.send({ op: "stop" }, () => undefined);
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), TERM_GRACE_MS);
    await this.#life;
    clearTimeout(timer);
  }

  async #keep(onReady: () => void, onNeverReady: (error: SystemError) => void): Promise<void> {
    let begunMs = performance.now();
    let end = await this.#live(onReady);
    if (!end.wasReady) return onNeverReady(await this.#startError(end));
    for (let restarts = 0; !this.#stopping.signal.aborted; restarts += 1) {
      const { name, restartsMax, log, mends } = this.#options;
      log(`${name} ended (${end.how})`);
      const { fatal } = end;
      if (fatal !== undefined && mends?.(fatal) !== true) return this.#options.onFailed(fatal);
      if (performance.now() - begunMs > RESTARTS_FORGOTTEN_MS) restarts = 0;
      if (restarts >= restartsMax) return this.#options.onFailed(await this.#keptEnding(end));
      const waitMs = RESTART_DELAY_MS * 2 ** restarts;
      await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      begunMs = performance.now();
      end = await this.#live(() => log(`${name} is back`));
    }
  }

  /** One incarnation, from its start to its end. */
  async #live(onReady: () => void): Promise<End> {
    const { script, configPath, config, logPath, env } = this.#options;
    await leaveConfig(configPath, config());
    const log = await open(logPath, "a", 0o600);
    if (this.#stopping.signal.aborted) {
      await log.close();
      return { how: "stopped", wasReady: false, fatal: undefined };
    }
    const child = spawn(process.execPath, [...LEAN_NODE, script, configPath], {
      env,
      stdio: ["pipe", log.fd, log.fd, "ipc"],
    });
    this.#child = child;
    let wasReady = false;
    let fatal: SystemError | undefined;
    child.stdin?.on("error", () => undefined);
    child.on("message", (raw) => {
      const message = this.#parse(raw);
      if (message?.op === "fatal") fatal = errorFromData(message.error);
      else if (message?.op === "ready") {
        wasReady = true;
        clearTimeout(timer);
        onReady();
      } else if (message !== undefined) this.#options.onMessage(message, answerTo(child));
    });
    let late = "";
    const timer = setTimeout(() => {
      late = `not ready within ${CLUSTER_START_MS} ms, `;
      child.kill("SIGKILL");
    }, CLUSTER_START_MS);
    const ended = await endOf(child);
    clearTimeout(timer);
    await log.close();
    this.#child = undefined;
    return { how: late + ended, wasReady, fatal };
  }

  #parse(raw: unknown): ChildMessage | undefined {
    const parsed = v.safeParse(childMessage, raw);
    if (parsed.success) return parsed.output;
    this.#options.log(`${this.#options.name} sent an unknown message`);
    return undefined;
  }

  async #startError(end: End): Promise<SystemError> {
    if (this.#stopping.signal.aborted)
      return new SystemError("CANCELLED", "stopped while starting");
    if (end.fatal !== undefined) return end.fatal;
    const { name, logPath } = this.#options;
    const what = `${name} ended before it was ready (${end.how}): ${await tailOf(logPath)}`;
    return new SystemError("CLUSTER_START_FAILED", what, { uri: logPath });
  }

  async #keptEnding(end: End): Promise<SystemError> {
    const { name, restartsMax, logPath } = this.#options;
    const last = `${end.how}: ${await tailOf(logPath)}`;
    const what = `${name} ended more than ${restartsMax} times, last ${last}`;
    return new SystemError("CLUSTER_FAILED", what, { uri: logPath });
  }
}

function answerTo(child: ChildProcess): (answer: object) => void {
  return (answer) => {
    if (child.connected) child.send(answer, () => undefined);
  };
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((settle) => {
    child.once("error", (error) => settle(error.message));
    child.once("exit", (code, signal) => settle(signal ?? `exit code ${String(code)}`));
  });
}

/**
 * Whether a head ended because another one of its own cluster leads: then it may stand by. A head
 * of another cluster that works on the same state is nobody's to stand by for.
 */
export function isReplaced(error: SystemError): boolean {
  return error.code === "LOG_FENCED" && error.where["heard"] !== undefined;
}
