/**
 * The way of results from an executor to the tasks' owners: one link an owner, opened with the
 * first result. A result is kept until its owner has said that it has it; over a new link those
 * that it hasn't are sent again, in their order.
 *
 * Invariant: `unheard` begins with the first result of the present link that its owner hasn't
 * confirmed.
 */
import { type ItemHandlers, type ItemLink } from "../../runtime/actor/items.ts";
import { Fifo } from "../../runtime/actor/queues.ts";
import type { Clock } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { PEERS_MAX } from "../../runtime/limits.ts";
import type { Owner } from "../../runtime/messages.ts";
import { heardItem, type ResultItem, TASK_ERROR, TASK_VALUE } from "../../runtime/tasks/items.ts";
import { OWNER_RETRY_MS, OWNER_SILENCE_MS } from "../../runtime/tasks/limits.ts";

export interface OwnerPorts {
  readonly clock: Clock;
  /** A link to an owner's process. */
  readonly open: (owner: Owner, handlers: ItemHandlers) => ItemLink;
  /** The owner has the result of the task at this position, or is gone for good. */
  readonly onHeard: (position: number, isError: boolean) => void;
  /** After all of a frame were heard. */
  readonly onHeardAll: () => void;
}

/** A result on its way. */
interface Unheard {
  readonly position: number;
  item: ResultItem;
}

export class Owners {
  readonly #ports: OwnerPorts;
  readonly #lines = new Map<string, OwnerLine>();

  constructor(ports: OwnerPorts) {
    this.#ports = ports;
  }

  lineTo(owner: Owner): OwnerLine {
    const known = this.#lines.get(owner.process);
    if (known !== undefined) return known;
    if (this.#lines.size >= PEERS_MAX) this.#forgetOne();
    const line = new OwnerLine(this.#ports, owner);
    this.#lines.set(owner.process, line);
    return line;
  }

  /** The longest known one that waits for nothing. */
  #forgetOne(): void {
    for (const [process, line] of this.#lines) {
      if (!line.isIdle) continue;
      line.close();
      this.#lines.delete(process);
      return;
    }
  }
}

export class OwnerLine {
  readonly owner: Owner;
  readonly #ports: OwnerPorts;
  readonly #unheard = new Fifo<Unheard>();
  #link: ItemLink | undefined;
  /** Results of the present link that were heard. */
  #heard = 0;
  /** Since when it has been tried to reach the owner in vain. */
  #lostSinceMs: number | undefined;
  /** The next try comes by itself. */
  #isWaiting = false;
  #isGone = false;
  #onReady: (() => void) | undefined;

  constructor(ports: OwnerPorts, owner: Owner) {
    this.#ports = ports;
    this.owner = owner;
  }

  get isIdle(): boolean {
    return this.#unheard.length === 0;
  }

  /** Its process has ended: nobody wants its results. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether it takes no more now; then `onReady` is called once when it does. */
  isStalled(onReady: () => void): boolean {
    if (this.#isGone) return false;
    // While the link is lost nothing more is made for an owner that may be gone.
    const stalled = this.#link === undefined ? this.#unheard.length > 0 : this.#link.stalled;
    this.#onReady = stalled ? onReady : undefined;
    return stalled;
  }

  /** Sends a result; one that doesn't cross becomes the error that says so. */
  send(position: number, item: ResultItem): void {
    if (this.#isGone) {
      this.#ports.onHeard(position, item[0] !== TASK_VALUE);
      this.#ports.onHeardAll();
      return;
    }
    const result = { position, item };
    this.#unheard.push(result);
    if (this.#link === undefined) this.#open();
    else this.#give(this.#link, result);
  }

  close(): void {
    this.#link?.reset(new SystemError("CANCELLED", "it was quiet, and others need its place"));
  }

  #open(): void {
    if (this.#isWaiting) return;
    this.#heard = 0;
    const link = this.#ports.open(this.owner, {
      onItems: (items) => this.#hear(items),
      onReset: (error) => this.#lost(error),
      onReady: () => this.#ready(),
    });
    this.#link = link;
    const all = this.#unheard.takeAll();
    this.#unheard.prepend(all);
    for (const result of all) this.#give(link, result);
  }

  #give(link: ItemLink, result: Unheard): void {
    try {
      link.send(result.item, true);
    } catch (thrown) {
      if (!link.isOpen) return;
      const number = result.item[1];
      result.item = [TASK_ERROR, number, refusal(toSystemError(thrown)).toData()];
      link.send(result.item, true);
    }
    if (this.#unheard.length === 1) link.keepAlive(true);
  }

  #hear(items: readonly unknown[]): void {
    for (const item of items) {
      const heard = heardItem(item);
      for (; this.#heard < heard; this.#heard++) {
        const result = this.#unheard.take();
        if (result === undefined) throw new SystemError("FRAME_INVALID", "results never sent");
        this.#ports.onHeard(result.position, result.item[0] !== TASK_VALUE);
      }
    }
    this.#lostSinceMs = undefined;
    if (this.#unheard.length === 0) this.#link?.keepAlive(false);
    this.#ports.onHeardAll();
  }

  #lost(error: SystemError): void {
    this.#link = undefined;
    const now = this.#ports.clock.now();
    this.#lostSinceMs ??= now;
    const isOver = now - this.#lostSinceMs >= OWNER_SILENCE_MS;
    if (error.code === "ACTOR_DIED" || isOver) this.#giveUp();
    else if (this.#unheard.length === 0) this.#ready();
    else {
      this.#isWaiting = true;
      this.#ports.clock.after(OWNER_RETRY_MS, () => {
        this.#isWaiting = false;
        this.#open();
        this.#ready();
      });
    }
  }

  #giveUp(): void {
    this.#isGone = true;
    for (const { position, item } of this.#unheard.takeAll()) {
      this.#ports.onHeard(position, item[0] !== TASK_VALUE);
    }
    this.#ports.onHeardAll();
    this.#ready();
  }

  #ready(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }
}

function refusal(error: SystemError): SystemError {
  if (error.code !== "FRAME_TOO_LARGE") return error;
  const what = `the task's result takes ${error.what}; put() it, or submit with result: "object"`;
  return new SystemError("FRAME_TOO_LARGE", what);
}
