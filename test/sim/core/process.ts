/**
 * Machines and the processes on them. A process lives by its turns: a killed one gets none any
 * more, wherever it waited; a stopped one gets them all when it goes on. Its machine's clock may
 * start anywhere and run fast or slow.
 */
import type { Clock } from "../../../runtime/clock.ts";
import type { Scheduler } from "./scheduler.ts";

/** A machine: its name, and how its clock goes. */
export class Machine {
  readonly name: string;
  readonly #scheduler: Scheduler;
  /** Its milliseconds in one true one. */
  readonly rate: number;
  readonly #bootedMs: number;
  /** What its wall clock is wrong by. */
  readonly #wrongMs: number;

  constructor(
    scheduler: Scheduler,
    name: string,
    clock: { readonly rate: number; readonly bootedMs: number; readonly wrongMs: number },
  ) {
    this.#scheduler = scheduler;
    this.name = name;
    this.rate = clock.rate;
    this.#bootedMs = clock.bootedMs;
    this.#wrongMs = clock.wrongMs;
  }

  /** Milliseconds since its boot. */
  bootMs(): number {
    return this.#bootedMs + this.#scheduler.nowMs * this.rate;
  }

  /** Milliseconds since 1970, as it believes. */
  wallMs(): number {
    return 1_700_000_000_000 + this.#wrongMs + Math.floor(this.bootMs());
  }
}

export class SimProcess implements Clock {
  readonly name: string;
  readonly machine: Machine;
  readonly scheduler: Scheduler;
  /** What waits for something outside; told when it is killed. */
  readonly #onKilled = new Set<() => void>();
  /** Turns that wait for it to go on. */
  #backlog: (() => void)[] = [];
  #state: "running" | "stopped" | "killed" = "running";

  constructor(scheduler: Scheduler, machine: Machine, name: string) {
    this.scheduler = scheduler;
    this.machine = machine;
    this.name = name;
  }

  get isAlive(): boolean {
    return this.#state !== "killed";
  }

  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  /** Turns that wait for it to go on. */
  get waiting(): number {
    return this.#backlog.length;
  }

  now(): number {
    return this.machine.bootMs();
  }

  after(ms: number, callback: () => void): () => void {
    if (!this.isAlive) return () => {};
    let isOver = false;
    const cancel = this.scheduler.after(Math.max(0, ms) / this.machine.rate, () =>
      this.enter(() => {
        if (!isOver) callback();
      }),
    );
    return () => {
      isOver = true;
      cancel();
    };
  }

  /** Unlike a method it may be handed on by itself. */
  readonly soon = (callback: () => void): void => {
    this.after(0, callback);
  };

  /** A turn of it: now, or when it goes on, or never. Only from an event of the scheduler. */
  enter(turn: () => void): void {
    if (this.#state === "running") turn();
    else if (this.#state === "stopped") this.#backlog.push(turn);
  }

  /** Calls back when it is killed; the result takes it back. */
  whenKilled(callback: () => void): () => void {
    this.#onKilled.add(callback);
    return () => void this.#onKilled.delete(callback);
  }

  /** SIGKILL: at whatever it waits, it never goes on. */
  kill(): void {
    if (this.#state === "killed") return;
    this.#state = "killed";
    this.#backlog = [];
    for (const callback of [...this.#onKilled]) callback();
    this.#onKilled.clear();
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state === "running") this.#state = "stopped";
  }

  /** SIGCONT: what it missed comes at once, each in a turn of its own. */
  resume(): void {
    if (this.#state !== "stopped") return;
    this.#state = "running";
    const turns = this.#backlog;
    this.#backlog = [];
    for (const turn of turns) this.scheduler.after(0, () => this.enter(turn));
  }
}

/** What a killed process waits for. */
export const NEVER: Promise<never> = new Promise(() => {});
