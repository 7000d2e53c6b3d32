/** What the agent's loop and its thread of transfers say to each other. */
import type { MessagePort } from "node:worker_threads";
import { type ErrorData, errorFromData, SystemError, toSystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import type { Place, Slot } from "../../runtime/objects/files.ts";
import type { ObjectLocation } from "../../runtime/objects/index.ts";
import type { Door } from "../../runtime/transfer/secure.ts";

/** What a thread is started with. */
export interface ThreadData {
  /** Of the store. */
  readonly folder: string;
  /** Address that it listens at. */
  readonly host: string;
  /** Askers' keys follow from it. */
  readonly secret: Uint8Array;
  /** Whether to use the addon, where it is. */
  readonly native: boolean;
}

/** One object to fetch. */
export interface Pull {
  readonly door: Door;
  readonly token: Uint8Array;
  readonly place: Place;
  /** Of the payload: room was granted for so many. */
  readonly bytes: number;
  /** Memory of an earlier object that this thread wrote, to be written again. */
  readonly slot: Slot | undefined;
}

/** What the thread asks. */
export type Question =
  | { readonly op: "get"; readonly asker: Identity; readonly token: Uint8Array }
  | {
      readonly op: "put";
      readonly asker: Identity;
      readonly token: Uint8Array;
      readonly id: string;
      readonly bytes: number;
    }
  | { readonly op: "locate"; readonly id: string }
  | { readonly op: "sealed"; readonly put: number; readonly error: ErrorData | undefined };

export type ToThread =
  | { readonly kind: "pull"; readonly number: number; readonly pull: Pull }
  /** The store gives up memory that this thread keeps. */
  | { readonly kind: "forget"; readonly id: string }
  | { readonly kind: "answer"; readonly number: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly number: number; readonly error: ErrorData };

export type FromThread =
  | { readonly kind: "open"; readonly port: number }
  | { readonly kind: "question"; readonly number: number; readonly question: Question }
  | { readonly kind: "sent"; readonly send: number }
  | { readonly kind: "pulled"; readonly number: number; readonly bytes: number }
  | { readonly kind: "failed"; readonly number: number; readonly error: ErrorData };

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

export interface PortParts {
  /** Fetches an object. @returns its bytes. */
  readonly pull: (pull: Pull) => Promise<number>;
  /** What is kept of an object's memory goes back to the machine. */
  readonly forget: (id: string) => void;
}

/** The thread's end. */
export class Port {
  readonly #port: MessagePort;
  readonly #waiters = new Map<number, Waiter>();
  #next = 1;
  readonly #parts: PortParts;

  constructor(port: MessagePort, parts: PortParts) {
    this.#port = port;
    this.#parts = parts;
    port.on("message", (message: ToThread) => void this.#take(message));
  }

  opened(port: number): void {
    this.#say({ kind: "open", port });
  }

  /** @returns a token's object; it is good no more. @throws {SystemError} NOT_AUTHORIZED. */
  async redeem(
    question: Extract<Question, { op: "get" }>,
  ): Promise<{ readonly id: string; readonly send: number }> {
    return (await this.#ask(question)) as { id: string; send: number };
  }

  /** @returns where to write. @throws {SystemError} NOT_AUTHORIZED; USAGE for more bytes. */
  async redeemPut(
    question: Extract<Question, { op: "put" }>,
  ): Promise<{ readonly put: number; readonly job: string; readonly slot: Slot | undefined }> {
    return (await this.#ask(question)) as { put: number; job: string; slot: Slot | undefined };
  }

  /** @throws {SystemError} OBJECT_LOST. */
  async locate(id: string): Promise<ObjectLocation> {
    return (await this.#ask({ op: "locate", id })) as ObjectLocation;
  }

  /** The store takes over what was put, or its room back. @throws {SystemError} why it doesn't. */
  async sealed(put: number, error?: SystemError): Promise<void> {
    await this.#ask({ op: "sealed", put, error: error?.toData() });
  }

  /** A send that `redeem` numbered is over. */
  sent(send: number): void {
    this.#say({ kind: "sent", send });
  }

  #ask(question: Question): Promise<unknown> {
    const number = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiters.set(number, { resolve, reject });
      this.#say({ kind: "question", number, question });
    });
  }

  async #take(message: ToThread): Promise<void> {
    if (message.kind === "forget") return this.#parts.forget(message.id);
    const { number } = message;
    if (message.kind === "pull") {
      try {
        this.#say({ kind: "pulled", number, bytes: await this.#parts.pull(message.pull) });
      } catch (thrown) {
        this.#say({ kind: "failed", number, error: toSystemError(thrown).toData() });
      }
      return;
    }
    const waiter = this.#waiters.get(number);
    this.#waiters.delete(number);
    if (message.kind === "answer") waiter?.resolve(message.value);
    else waiter?.reject(errorFromData(message.error));
  }

  #say(message: FromThread): void {
    this.#port.postMessage(message, []);
  }
}
