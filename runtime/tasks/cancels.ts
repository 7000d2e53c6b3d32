/**
 * Cancels of tasks: said until the head has taken note, and again to a new one while their task is
 * open.
 */
import type { Clock } from "../clock.ts";
import { toSystemError } from "../errors.ts";
import { SUBMIT_RETRY_MS, SUBMIT_TASKS_MAX } from "./limits.ts";

export class Cancels {
  readonly #clock: Clock;
  readonly #request: (numbers: Uint32Array, force: boolean) => Promise<unknown>;
  /** By number, whether by force: those of open tasks, and those that are to be said. */
  readonly #wanted = new Map<number, boolean>();
  readonly #waiting = new Map<number, boolean>();
  #saying: Promise<void> | undefined;

  /** @param request - asks the head that leads now. */
  constructor(clock: Clock, request: (numbers: Uint32Array, force: boolean) => Promise<unknown>) {
    this.#clock = clock;
    this.#request = request;
  }

  /** Resolves when a head has taken note. @throws {SystemError} what the client was closed with. */
  async add(number: number, force: boolean): Promise<void> {
    const isForced = force || this.#wanted.get(number) === true;
    this.#wanted.set(number, isForced);
    this.#waiting.set(number, isForced);
    await this.#say();
  }

  /** The task is over. */
  forget(number: number): void {
    this.#wanted.delete(number);
  }

  /** Another head leads, which knows of none. */
  sayAgain(): void {
    for (const [number, force] of this.#wanted) this.#waiting.set(number, force);
    if (this.#waiting.size > 0) this.#say().catch(() => undefined);
  }

  #say(): Promise<void> {
    this.#saying ??= this.#sayAll().finally(() => {
      this.#saying = undefined;
    });
    return this.#saying;
  }

  async #sayAll(): Promise<void> {
    // Those of one turn together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const [first] = this.#waiting.values();
      await this.#sayOne(first === true);
    }
  }

  async #sayOne(force: boolean): Promise<void> {
    const numbers = this.#firstOf(force);
    try {
      await this.#request(numbers, force);
    } catch (thrown) {
      const { code } = toSystemError(thrown);
      // Who leads is known by now, or will be; and there will be room.
      if (code !== "LEADER_CHANGED" && code !== "OVERLOADED") throw thrown;
      await new Promise<void>((go) => void this.#clock.after(SUBMIT_RETRY_MS, go));
      return;
    }
    for (const number of numbers) {
      // Meanwhile it may have been wanted by force.
      if (this.#waiting.get(number) === force) this.#waiting.delete(number);
    }
  }

  /** As many as one request takes; those that wait behind them aren't looked at. */
  #firstOf(force: boolean): Uint32Array {
    const numbers: number[] = [];
    for (const [number, isForced] of this.#waiting) {
      if (isForced !== force) continue;
      numbers.push(number);
      if (numbers.length === SUBMIT_TASKS_MAX) break;
    }
    return Uint32Array.from(numbers);
  }
}
