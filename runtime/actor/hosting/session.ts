/** The host's end of one link: the calls that came over it and still need an answer. */
import { SystemError, toSystemError } from "../../errors.ts";
import type { ProcessId } from "../../ids.ts";
import { type CallerItem, ERROR, ITEM, type ItemLink, WINDOW } from "../items.ts";
import { Held } from "./held.ts";
import type { Hosted } from "./hosted.ts";
import type { TakenCall } from "./taken.ts";

export class Session {
  readonly link: ItemLink;
  /** Those that a later item may be about: cancellable ones, and those with retries. */
  readonly calls = new Map<number, TakenCall>();
  /** The actors it has called. */
  readonly actors = new Set<Hosted>();
  /** What waits until the link has room for what it answers. */
  readonly held = new Held();
  isOpen = true;
  #streams = 0;

  constructor(link: ItemLink) {
    this.link = link;
  }

  get caller(): ProcessId {
    return this.link.other;
  }

  /** The link has no room for more answers. */
  get isStalled(): boolean {
    return this.isOpen && this.link.stalled;
  }

  /** Whether a call of this actor has to wait for the link, or behind one that does. */
  holds(hosted: Hosted): boolean {
    return this.isStalled || this.held.has(hosted);
  }

  /**
   * Sends a call's last answer. One that doesn't cross becomes the error that says so.
   * @returns what was sent; the answer itself when the link is over.
   */
  answer(item: CallerItem): CallerItem {
    if (!this.isOpen) return item;
    try {
      // What ran before the link had no room is answered all the same.
      this.link.send(item, true);
      return item;
    } catch (thrown) {
      const error = [ERROR, item[1] as number, refusal(item, thrown).toData()] as const;
      this.#insist(error);
      return error;
    }
  }

  /** Sends an item of a stream; its bytes. @throws {SystemError} when it doesn't cross. */
  sendItem(id: number, value: unknown): number {
    return this.isOpen ? this.link.send([ITEM, id, value], true) : 0;
  }

  sayWindow(actorId: string, calls: number): void {
    if (this.isOpen) this.link.sendControl([WINDOW, actorId, calls]);
  }

  /** A caller that vanishes must be noticed while it has streams open: they wait for it. */
  noteStream(change: 1 | -1): void {
    this.#streams += change;
    if (this.isOpen && this.#streams === (change === 1 ? 1 : 0)) {
      this.link.keepAlive(change === 1);
    }
  }

  /** A short answer that has to leave, or the caller waits for ever. */
  #insist(item: CallerItem): void {
    if (!this.link.isOpen) return;
    try {
      this.link.sendControl(item);
    } catch (thrown) {
      this.link.reset(toSystemError(thrown));
    }
  }
}

/** Why an answer can't be sent. */
function refusal(item: CallerItem, thrown: unknown): SystemError {
  const value = item[2];
  if (isIterator(value)) {
    const what = "the method gives an iterator: declare it `async *` in its class to stream";
    return new SystemError("NOT_SERIALIZABLE", what, {}, thrown);
  }
  return toSystemError(thrown);
}

/** Whether something is a generator's, or looks like it. */
export function isIterator(value: unknown): value is Iterator<unknown> | AsyncIterator<unknown> {
  return typeof value === "object" && value !== null && "next" in value && isMethod(value.next);
}

function isMethod(value: unknown): boolean {
  return typeof value === "function";
}
