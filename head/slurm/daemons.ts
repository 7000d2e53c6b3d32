/**
 * The daemon processes of a private Slurm: their start, their logs, and waiting for what they
 * should do while watching that they live.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SystemError } from "../../runtime/errors.ts";
import {
  findExecutable,
  isAlive,
  type ProcessIdentity,
  spawnBound,
} from "../../runtime/processes.ts";

/** Bytes of a log that an error quotes. */
const LOG_TAIL_BYTES = 600;
/** Milliseconds between two looks at a condition; a start takes 80-1,400 ms. */
const LOOK_MS = 10;
/** Below the range from which the kernel takes ports for outgoing connections. */
const PORT_FIRST = 20_000;
const PORT_COUNT = 12_000;

/** Started in order; invariant: `identities` and `#logs` grow together. */
export class Daemons {
  readonly identities: ProcessIdentity[] = [];
  readonly #logs: string[] = [];
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
  }

  /**
   * Starts a daemon in the foreground, working in the folder, bound to this process.
   * @throws {SystemError} SLURM_MISSING without its executable.
   */
  start(name: string, args: readonly string[], wrapper: readonly string[]): void {
    const executable = findExecutable(name);
    if (executable === undefined) throw new SystemError("SLURM_MISSING", `no ${name}`);
    const log = join(this.#folder, "log", `${name}-${this.#logs.length}.out`);
    const file = openSync(log, "a", 0o600);
    const { identity } = spawnBound(executable, args, {
      env: this.#env,
      cwd: this.#folder,
      stdio: ["ignore", file, file],
      deathSignal: "KILL",
      detached: true,
      wrapper,
    });
    closeSync(file);
    this.#logs.push(log);
    this.identities.push(identity);
  }

  /**
   * Resolves once the condition holds.
   * @param deadline - by performance.now().
   * @throws {SystemError} SLURM_START_FAILED when a daemon ended or the deadline passed.
   */
  async until(condition: () => Promise<boolean>, who: string, deadline: number): Promise<void> {
    while (!(await condition())) {
      if (!this.areAlive()) throw this.#failure("a daemon ended");
      if (performance.now() > deadline) throw this.#failure(`${who} isn't ready in time`);
      await delay(LOOK_MS);
    }
  }

  /** Whether each daemon that was started still lives. */
  areAlive(): boolean {
    return this.identities.every(isAlive);
  }

  /** The ends of the daemons' logs, dead daemons' first. */
  logTail(): string {
    const order = [...this.#logs.keys()].sort(
      (a, b) => Number(this.#lives(a)) - Number(this.#lives(b)),
    );
    return order.map((index) => tailOf(this.#logs[index] ?? "")).join("\n");
  }

  #lives(index: number): boolean {
    const identity = this.identities[index];
    return identity !== undefined && isAlive(identity);
  }

  #failure(what: string): SystemError {
    return new SystemError("SLURM_START_FAILED", `${what}: ${this.logTail()}`, {
      uri: this.#folder,
    });
  }
}

/** Whether somebody accepts connections there. */
export function isListening(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const answer = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/** That many different ports on which nobody listened a moment ago. */
export async function freePorts(count: number, address: string): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries > 100 + count) throw new SystemError("SLURM_START_FAILED", "no free port");
    const port = PORT_FIRST + Math.floor(Math.random() * PORT_COUNT);
    if (await canListen(port, address)) ports.add(port);
  }
  return [...ports];
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function tailOf(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(-LOG_TAIL_BYTES).trim();
  } catch {
    return "";
  }
}
