/**
 * The head's side of its supervisor: requests with answers over IPC, and the three ways to end
 * (told to stop, the supervisor is gone, a failure that no restart mends).
 */
import { type ErrorData, errorFromData, SystemError } from "../../runtime/errors.ts";
import { SLURM_START_MS } from "../../runtime/limits.ts";
import type { ActiveSlurmJob, ChildMessage, SlurmAccess } from "../cluster/protocol.ts";

interface Answer {
  readonly id: number;
  readonly ok?: unknown;
  readonly error?: ErrorData;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Supervisor {
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #tail = 0;
  #stop: () => Promise<void> = async () => {};

  constructor() {
    process.on("message", (message) => this.#hear(message as Answer | { op: "stop" }));
    process.on("disconnect", () => this.#end(0));
    process.stdin.on("end", () => this.#end(0));
    process.stdin.on("error", () => this.#end(0));
    process.stdin.resume();
    process.on("SIGTERM", () => this.#end(0));
    process.on("SIGINT", () => undefined);
  }

  onStop(stop: () => Promise<void>): void {
    this.#stop = stop;
  }

  ready(): void {
    this.#say({ op: "ready" });
  }

  /** Ends this process; the supervisor starts it again. */
  fail(error: SystemError): void {
    process.stderr.write(`${error.message}\n`);
    this.#end(1);
  }

  leads(epoch: number): void {
    process.stderr.write(`leads epoch ${epoch}\n`);
    this.#say({ op: "leads", epoch });
  }

  /** Tells the log's end, so that the next head of this supervisor knows how long the log was. */
  tail(tail: number): void {
    if (tail === this.#tail) return;
    this.#tail = tail;
    this.#say({ op: "tail", tail });
  }

  /** Ends this process; the supervisor decides whether another one may go on. */
  fatal(error: SystemError): void {
    process.stderr.write(`${error.message}\n`);
    this.#say({ op: "fatal", error: error.toData() });
    setImmediate(() => this.#end(1));
  }

  /**
   * Where Slurm is, started if need be. @throws {SystemError} SLURM_MISSING, SLURM_START_FAILED.
   */
  async slurm(): Promise<SlurmAccess> {
    return (await this.#ask("slurm.ensure")) as SlurmAccess;
  }

  /** Which slurm jobs to cancel if the cluster ends now. */
  setActive(jobs: readonly ActiveSlurmJob[]): void {
    this.#say({ op: "slurm.active", jobs: [...jobs] });
  }

  #ask(op: "slurm.ensure" | "join.mint"): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    // Twice the start's own bound: the supervisor answers with the true error before this one.
    const timer = setTimeout(() => {
      this.#settle({ id, error: noAnswer(op) });
    }, 2 * SLURM_START_MS);
    this.#say({ op, id });
    return promise.finally(() => clearTimeout(timer));
  }

  #hear(message: Answer | { readonly op: "stop" }): void {
    if ("op" in message) {
      if (message.op === "stop") this.#end(0);
      return;
    }
    this.#settle(message);
  }

  #settle({ id, ok, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(ok);
    else waiting?.reject(errorFromData(error));
  }

  #say(message: ChildMessage): void {
    if (process.connected) process.send?.(message);
  }

  #end(code: number): void {
    const leave = (): never => process.exit(code);
    this.#stop().then(leave, leave);
  }
}

function noAnswer(op: string): ErrorData {
  return new SystemError("INTERNAL", `the supervisor didn't answer ${op}`).toData();
}
