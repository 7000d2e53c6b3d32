/** What an executor says of its tasks, many in one message: at the turn's end, or when told to. */
import type { ErrorData } from "../../runtime/errors.ts";
import type { TaskSaid } from "../../runtime/tasks/orders.ts";

export class Sayings {
  readonly #say: (said: TaskSaid) => void;
  #positions: number[] = [];
  #states: number[] = [];
  #errors: { index: number; error: ErrorData }[] = [];
  #ran = 0;
  #us = 0;
  #isSoon = false;

  constructor(say: (said: TaskSaid) => void) {
    this.#say = say;
  }

  add(position: number, state: number, error: ErrorData | null = null): void {
    if (error !== null) this.#errors.push({ index: this.#positions.length, error });
    this.#positions.push(position);
    this.#states.push(state);
    this.flushSoon();
  }

  /** One more task ran for so many microseconds. */
  count(us: number): void {
    this.#ran += 1;
    this.#us += us;
  }

  flushSoon(): void {
    if (this.#isSoon || this.#positions.length === 0) return;
    this.#isSoon = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#isSoon = false;
    if (this.#positions.length === 0) return;
    const said: TaskSaid = {
      op: "task-said",
      positions: Uint32Array.from(this.#positions),
      states: Uint8Array.from(this.#states),
      ran: this.#ran,
      us: this.#us,
      errors: this.#errors,
    };
    this.#positions = [];
    this.#states = [];
    this.#errors = [];
    this.#ran = 0;
    this.#us = 0;
    this.#say(said);
  }
}
