/**
 * Room in a store: who asks for bytes gets them in the order of asking, or after a bound
 * OBJECT_STORE_FULL. What is free, and how more becomes so, is the store's to say.
 * Invariant: granted bytes never exceed what `tryGrant` allows; each waiter is answered once.
 */
import type { Clock } from "../../clock.ts";
import { SystemError } from "../../errors.ts";
import type { Writer } from "../files.ts";
import { OBJECT_ROOM_LOOK_MS, OBJECT_WAITERS_MAX } from "../limits.ts";

/** What is asked for. */
export interface Ask {
  readonly job: string;
  /** Of the payload. */
  readonly bytes: number;
  /** This process writes the object: into memory that it kept, if some fits. */
  readonly mayReuse: boolean;
  /** Another process that writes it, into memory that it kept. */
  readonly writer?: Writer | undefined;
}

export interface RoomParts<Grant> {
  readonly clock: Clock;
  /** The grant, if there is room at once. */
  readonly tryGrant: (ask: Ask) => Grant | undefined;
  /** Makes room; false, or a failure, when nothing can be moved now. */
  readonly makeRoom: () => Promise<boolean>;
  /** Why there is no room, for people. */
  readonly state: () => string;
}

interface Waiter<Grant> {
  readonly ask: Ask;
  readonly settle: (outcome: Grant | SystemError) => void;
}

export class Room<Grant extends object> {
  readonly #parts: RoomParts<Grant>;
  readonly #waiters = new Set<Waiter<Grant>>();
  #isServing = false;
  #wake: (() => void) | undefined;

  constructor(parts: RoomParts<Grant>) {
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * Bytes to be used, for one object.
   * @throws {SystemError} OBJECT_STORE_FULL after `waitMs`; CANCELLED when the job ends meanwhile.
   */
  ask(ask: Ask, waitMs: number): Promise<Grant> {
    const { clock, tryGrant } = this.#parts;
    const granted = this.#waiters.size === 0 ? tryGrant(ask) : undefined;
    if (granted !== undefined) return Promise.resolve(granted);
    if (this.#waiters.size >= OBJECT_WAITERS_MAX) return Promise.reject(this.#full(ask.bytes));
    return new Promise((resolve, reject) => {
      const cancel = clock.after(waitMs, () => waiter.settle(this.#full(ask.bytes)));
      const waiter: Waiter<Grant> = {
        ask,
        settle: (outcome) => {
          cancel();
          this.#waiters.delete(waiter);
          if (outcome instanceof SystemError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#waiters.add(waiter);
      void this.#serve();
    });
  }

  /** Something was freed. */
  changed(): void {
    this.#wake?.();
  }

  /** Ends the waits of one job, or of all. */
  cancel(job?: string): void {
    for (const waiter of this.#waiters) {
      if (job !== undefined && waiter.ask.job !== job) continue;
      waiter.settle(new SystemError("CANCELLED", "the job of this object ended"));
    }
  }

  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      const granted = this.#parts.tryGrant(first.ask);
      if (granted !== undefined) first.settle(granted);
      else if (!(await this.#parts.makeRoom().catch(() => false))) await this.#nap();
    }
    this.#isServing = false;
  }

  #first(): Waiter<Grant> | undefined {
    return this.#waiters.values().next().value;
  }

  #nap(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(OBJECT_ROOM_LOOK_MS, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
  }

  #full(bytes: number): SystemError {
    const what = `no room for ${bytes} bytes: ${this.#parts.state()}`;
    return new SystemError("OBJECT_STORE_FULL", what);
  }
}
