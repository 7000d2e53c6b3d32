/**
 * The agent's side of its thread of transfers: starts it, says what it may send and take, and has
 * it fetch. Nothing here waits for bytes.
 */
import { randomBytes } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type Clock, every } from "../../runtime/clock.ts";
import { errorFromData, SystemError, toSystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import type { Slot, Writer } from "../../runtime/objects/files.ts";
import type { Grant, ObjectHeader, ObjectLocation } from "../../runtime/objects/index.ts";
import { TRANSFER_TOKEN_MS } from "../../runtime/transfer/limits.ts";
import type { Offer } from "../../runtime/transfer/messages.ts";
import { keyOf } from "../../runtime/transfer/secure.ts";
import { FETCHES_WAITING_MAX, SENDS_MAX, THREAD_START_MS } from "./limits.ts";
import type { FromThread, Pull, Question, ThreadData, ToThread } from "./port.ts";
import { Tokens } from "./tokens.ts";
import { Turns } from "./turns.ts";

/** What transfers need of the node's store. */
export interface TransferStore {
  readonly folder: string;
  has(id: string): boolean;
  /** @param writer - keeps the memory of what it wrote mapped, and may get it again. */
  reserve(job: string, bytes: number, waitMs?: number, writer?: Writer): Promise<Grant>;
  endWriter(writer: Writer): void;
  giveBack(grant: Grant): void;
  /** @param isCopy - its original is on another node: it goes before anything is spilled. */
  adopt(job: string, id: string, grant: Grant, isCopy?: boolean): ObjectHeader;
  /** Where it lies now. @throws {SystemError} OBJECT_LOST for one that isn't here. */
  locate(id: string): Promise<ObjectLocation>;
}

export interface TransfersOptions {
  readonly store: TransferStore;
  readonly clock: Clock;
  /** Address that the thread listens at and others reach it by. */
  readonly host: string;
  /** Whether to use the addon, where it is. */
  readonly native?: boolean;
}

type Ticket =
  | { readonly op: "get"; readonly id: string }
  | { readonly op: "put"; readonly job: string; readonly bytes: number; readonly grant: Grant };

interface Waiter {
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: SystemError) => void;
}

export class Transfers {
  /** The thread, as the store knows it. */
  readonly writer: Writer;
  readonly #options: TransfersOptions;
  readonly #secret = new Uint8Array(randomBytes(32));
  readonly #tokens: Tokens<Ticket>;
  readonly #sends: Turns;
  /** Sends that go on, by number: what ends each. */
  readonly #sending = new Map<number, () => void>();
  /** Puts whose bytes come, by number. */
  readonly #puts = new Map<number, { job: string; id: string; grant: Grant }>();
  readonly #pulls = new Map<number, Waiter>();
  #next = 1;
  #thread: Worker | undefined;
  #started: Promise<void> | undefined;
  #port = 0;
  #endSweeps: (() => void) | undefined;
  #closed: SystemError | undefined;

  constructor(options: TransfersOptions) {
    this.#options = options;
    const isGone = (): boolean => this.#closed !== undefined;
    this.writer = {
      get isGone() {
        return isGone();
      },
      forget: (id) => this.#say({ kind: "forget", id }),
    };
    this.#tokens = new Tokens(options.clock, (ticket) => {
      if (ticket.op === "put") options.store.giveBack(ticket.grant);
    });
    this.#sends = new Turns({
      most: SENDS_MAX,
      weight: Number.MAX_SAFE_INTEGER,
      waiting: FETCHES_WAITING_MAX,
    });
  }

  /**
   * Listens, from the first use on: most clusters have one node, and no need of it.
   * @throws {SystemError} INTERNAL when the thread doesn't start in time.
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const { store, host, native = true, clock } = this.#options;
    const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
    const workerData: ThreadData = { folder: store.folder, host, secret: this.#secret, native };
    const url = new URL(`./thread${extension}`, import.meta.url);
    const thread = new Worker(url, { workerData, name: "transfers" });
    this.#thread = thread;
    thread.unref();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error("it didn't start in time")), THREAD_START_MS);
    thread.on("message", (message: FromThread) => {
      if (message.kind === "open") {
        this.#port = message.port;
        resolve();
      } else this.#take(message);
    });
    thread.on("error", reject);
    thread.on("error", (error) => this.#end(error));
    thread.on("exit", () => this.#end());
    try {
      await promise;
    } catch (thrown) {
      throw new SystemError("INTERNAL", "the thread of transfers failed", {}, thrown);
    } finally {
      clearTimeout(late);
    }
    this.#endSweeps = every(clock, TRANSFER_TOKEN_MS / 2, () => this.#tokens.sweep());
  }

  /**
   * Lets an asker fetch an object, once.
   * @throws {SystemError} OBJECT_LOST when it isn't here; OVERLOADED.
   */
  async offerGet(id: string, asker: Identity): Promise<Offer> {
    await this.#options.store.locate(id);
    await this.start();
    return this.#offer(asker, { op: "get", id });
  }

  /**
   * Lets an asker put an object of at most `bytes`, once.
   * @throws {SystemError} OBJECT_STORE_FULL when no room came; OVERLOADED.
   */
  async offerPut(job: string, bytes: number, asker: Identity, waitMs: number): Promise<Offer> {
    const { store } = this.#options;
    await this.start();
    const grant = await store.reserve(job, bytes, waitMs, this.writer);
    try {
      return this.#offer(asker, { op: "put", job, bytes, grant });
    } catch (thrown) {
      store.giveBack(grant);
      throw thrown;
    }
  }

  /**
   * Fetches an object's file into the store's folder, where room was granted for it.
   * @throws {SystemError} TRANSFER_FAILED; what the other agent refuses it with.
   */
  async pull(pull: Pull): Promise<number> {
    await this.start();
    if (this.#closed !== undefined) throw this.#closed;
    const number = this.#number();
    return await new Promise((resolve, reject) => {
      this.#pulls.set(number, { resolve, reject });
      this.#say({ kind: "pull", number, pull });
    });
  }

  /** Ends all transfers at once. */
  async stop(): Promise<void> {
    this.#endSweeps?.();
    this.#end();
    await this.#thread?.terminate();
  }

  #offer(asker: Identity, ticket: Ticket): Offer {
    const token = this.#tokens.mint(asker, ticket);
    const key = new Uint8Array(keyOf(this.#secret, asker));
    return { host: this.#options.host, port: this.#port, key, token: new Uint8Array(token) };
  }

  #take(message: Exclude<FromThread, { readonly kind: "open" }>): void {
    switch (message.kind) {
      case "question":
        void this.#answer(message.number, message.question);
        return;
      case "sent":
        this.#sending.get(message.send)?.();
        this.#sending.delete(message.send);
        return;
      case "pulled":
        this.#settle(message.number)?.resolve(message.bytes);
        return;
      case "failed":
        this.#settle(message.number)?.reject(errorFromData(message.error));
        return;
      default:
        message satisfies never;
    }
  }

  async #answer(number: number, question: Question): Promise<void> {
    try {
      this.#say({ kind: "answer", number, value: await this.#decide(question) });
    } catch (thrown) {
      this.#say({ kind: "refusal", number, error: toSystemError(thrown).toData() });
    }
  }

  async #decide(question: Question): Promise<unknown> {
    switch (question.op) {
      case "get":
        return await this.#redeemGet(question);
      case "put":
        return this.#redeemPut(question);
      case "locate":
        return await this.#options.store.locate(question.id);
      case "sealed":
        this.#adopt(question);
        return undefined;
      default:
        return question satisfies never;
    }
  }

  async #redeemGet({ token, asker }: Extract<Question, { op: "get" }>): Promise<object> {
    const ticket = this.#tokens.burn(token, asker);
    if (ticket.op === "put") {
      this.#options.store.giveBack(ticket.grant);
      throw new SystemError("NOT_AUTHORIZED", "the token is for a put");
    }
    const giveBack = await this.#sends.take(asker, 0);
    const send = this.#number();
    this.#sending.set(send, giveBack);
    return { id: ticket.id, send };
  }

  #redeemPut({ token, asker, id, bytes }: Extract<Question, { op: "put" }>): object {
    const ticket = this.#tokens.burn(token, asker);
    if (ticket.op === "get") throw new SystemError("NOT_AUTHORIZED", "the token is for a get");
    const { job, grant } = ticket;
    if (bytes > ticket.bytes || this.#options.store.has(id)) {
      this.#options.store.giveBack(grant);
      const what = `${bytes} bytes as object ${id}, where there was room for ${ticket.bytes}`;
      throw new SystemError("USAGE", what);
    }
    const put = this.#number();
    this.#puts.set(put, { job, id, grant });
    return { put, job, slot: slotOf(grant) };
  }

  #adopt({ put, error }: Extract<Question, { op: "sealed" }>): void {
    const known = this.#puts.get(put);
    this.#puts.delete(put);
    if (known === undefined) throw new SystemError("INTERNAL", "no such put");
    const { job, id, grant } = known;
    if (error !== undefined) {
      this.#options.store.giveBack(grant);
      throw errorFromData(error);
    }
    this.#options.store.adopt(job, id, grant);
  }

  #settle(number: number): Waiter | undefined {
    const waiter = this.#pulls.get(number);
    this.#pulls.delete(number);
    return waiter;
  }

  /** The thread ended: by our word, or by a mistake that its error tells. */
  #end(error?: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = new SystemError("TRANSFER_FAILED", "transfers of this node ended", {}, error);
    for (const { reject } of this.#pulls.values()) reject(this.#closed);
    this.#pulls.clear();
    for (const { grant } of this.#puts.values()) this.#options.store.giveBack(grant);
    this.#puts.clear();
    this.#options.store.endWriter(this.writer);
    if (error !== undefined)
      process.stderr.write(`${this.#closed.message}: ${toSystemError(error).message}\n`);
  }

  #number(): number {
    const number = this.#next;
    this.#next += 1;
    return number;
  }

  #say(message: ToThread): void {
    this.#thread?.postMessage(message);
  }
}

/** A grant's memory as it crosses to the thread. */
export function slotOf({ slot }: Grant): Slot | undefined {
  return slot === undefined ? undefined : { bytes: slot.bytes, path: slot.path, was: slot.was };
}
