/**
 * Turns: at most so many things at once, and of those that wait the next is of whoever had his last
 * turn longest ago. One who asks for much waits for himself alone.
 * Invariant: 0 <= running; what is taken is given back once.
 */
import { SystemError } from "../../runtime/errors.ts";

export interface TurnBounds {
  /** Things at once. */
  readonly most: number;
  /** Their weights together; one alone may be heavier. */
  readonly weight: number;
  /** That may wait; more are OVERLOADED. */
  readonly waiting: number;
}

interface Waiter {
  readonly weight: number;
  readonly begin: () => void;
}

export class Turns {
  readonly #bounds: TurnBounds;
  /** By whose they are; who is first has waited longest for his turn. No list is empty. */
  readonly #waiters = new Map<string, Waiter[]>();
  #running = 0;
  #weight = 0;
  #waiting = 0;

  constructor(bounds: TurnBounds) {
    this.#bounds = bounds;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Waits for a turn.
   * @returns what gives it back; twice is once.
   * @throws {SystemError} OVERLOADED; CANCELLED when the signal comes first.
   */
  async take(of: string, weight: number, signal?: AbortSignal): Promise<() => void> {
    if (this.#waiting >= this.#bounds.waiting) {
      throw new SystemError("OVERLOADED", `${this.#waiting} wait for their turn already`);
    }
    if (signal?.aborted === true) throw cancelled();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#leave(of, waiter);
        reject(cancelled());
      };
      const begin = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const waiter: Waiter = { weight, begin };
      signal?.addEventListener("abort", abort);
      const queue = this.#waiters.get(of);
      if (queue === undefined) this.#waiters.set(of, [waiter]);
      else queue.push(waiter);
      this.#waiting += 1;
      this.#serve();
    });
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#running -= 1;
      this.#weight -= weight;
      this.#serve();
    };
  }

  #serve(): void {
    for (const [of, queue] of this.#waiters) {
      const [first] = queue;
      if (first === undefined || !this.#fits(first.weight)) return;
      queue.shift();
      this.#waiters.delete(of);
      // Behind all others that wait.
      if (queue.length > 0) this.#waiters.set(of, queue);
      this.#waiting -= 1;
      this.#running += 1;
      this.#weight += first.weight;
      first.begin();
    }
  }

  #fits(weight: number): boolean {
    const { most, weight: heaviest } = this.#bounds;
    if (this.#running === 0) return true;
    return this.#running < most && this.#weight + weight <= heaviest;
  }

  #leave(of: string, waiter: Waiter): void {
    const queue = this.#waiters.get(of);
    const index = queue?.indexOf(waiter) ?? -1;
    if (queue === undefined || index < 0) return;
    queue.splice(index, 1);
    if (queue.length === 0) this.#waiters.delete(of);
    this.#waiting -= 1;
    this.#serve();
  }
}

function cancelled(): SystemError {
  return new SystemError("CANCELLED", "nobody waits for it any more");
}
