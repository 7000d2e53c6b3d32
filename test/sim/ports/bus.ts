/**
 * A NATS server in a simulation: what it takes from one connection reaches each subscriber in
 * order, or not at all. Connections can be cut for both sides or one, and a subscriber that doesn't
 * read is dropped with all that waits for it.
 */
import type { Bus, BusCounters, BusListener, BusState, Denial } from "../../../runtime/bus/bus.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { Identity } from "../../../runtime/ids.ts";
import { FRAME_BYTES_MAX, NATS_PING_MS, NATS_RECONNECT_MS } from "../../../runtime/limits.ts";
import { NEVER, type SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import { hashBytes } from "../core/trace.ts";

/** What goes wrong from now on; shares of messages. */
export interface BusFaults {
  drop: number;
  /** Delivered twice, one behind the other. */
  duplicate: number;
  /** Milliseconds that one way takes on average. */
  delayMs: number;
}

export function noBusFaults(): BusFaults {
  return { drop: 0, duplicate: 0, delayMs: 0.3 };
}

/** Messages that a server keeps for one that doesn't read. */
const UNREAD_MAX = 2_000;
/** Milliseconds until a silent server is taken for gone. */
const STALE_MS = 3 * NATS_PING_MS;

interface Subscription {
  readonly connection: SimBus;
  readonly pattern: readonly string[];
  readonly listener: BusListener;
}

export class SimServer {
  readonly faults: BusFaults;
  readonly random: Random;
  readonly #connections = new Set<SimBus>();
  /** Subscribers by subject; made anew after each change. */
  readonly #routes = new Map<string, readonly Subscription[]>();
  #isUp = true;

  constructor(faults: BusFaults, random: Random) {
    this.faults = faults;
    this.random = random;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  connect(process: SimProcess, identity: Identity): SimBus {
    const bus = new SimBus(this, process, identity);
    this.#connections.add(bus);
    process.whenKilled(() => this.leave(bus));
    return bus;
  }

  leave(bus: SimBus): void {
    this.#connections.delete(bus);
    this.#routes.clear();
  }

  /** The server ends, or is there again: then its clients come back one by one. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    for (const bus of [...this.#connections]) if (!isUp) bus.lose();
  }

  changed(): void {
    this.#routes.clear();
  }

  take(from: SimBus, subject: string, bytes: Uint8Array): void {
    for (const { connection, listener } of this.#routeOf(subject)) {
      if (connection === from) continue;
      if (this.random.chance(this.faults.drop)) continue;
      connection.deliver(from, listener, subject, bytes);
      if (this.random.chance(this.faults.duplicate)) {
        connection.deliver(from, listener, subject, bytes);
      }
    }
  }

  /** Who hears the subject gets empty bytes; if nobody does, the sender gets them as an answer. */
  knock(from: SimBus, subject: string, answer: string): void {
    if (this.#routeOf(subject).length > 0) this.take(from, subject, NOTHING);
    else {
      const own = this.#routeOf(answer).filter(({ connection }) => connection === from);
      for (const { listener } of own) from.deliver(from, listener, answer, NOTHING);
    }
  }

  #routeOf(subject: string): readonly Subscription[] {
    const known = this.#routes.get(subject);
    if (known !== undefined) return known;
    const tokens = subject.split(".");
    const route = [...this.#connections].flatMap((bus) =>
      bus.subscriptions.filter(({ pattern }) => isMatch(pattern, tokens)),
    );
    this.#routes.set(subject, route);
    return route;
  }
}

const NOTHING = new Uint8Array(0);

function isMatch(pattern: readonly string[], tokens: readonly string[]): boolean {
  if (pattern.length !== tokens.length) return false;
  return pattern.every((part, index) => part === "*" || part === tokens[index]);
}

/** One connection. */
export class SimBus implements Bus {
  readonly identity: Identity;
  readonly counters: BusCounters = { denied: 0, dropped: 0 };
  readonly subscriptions: Subscription[] = [];
  readonly #server: SimServer;
  readonly #process: SimProcess;
  readonly #stateListeners: ((state: BusState) => void)[] = [];
  /** When the last message of each sender arrives: none overtakes another. */
  readonly #lastMs = new Map<SimBus, number>();
  #state: BusState = "connected";
  /** Which of its reconnections this is: what was on its way before it never arrives. */
  #session = 0;
  #unread = 0;
  /** Ways that are cut without either side being told. */
  #isCut = { out: false, in: false };

  constructor(server: SimServer, process: SimProcess, identity: Identity) {
    this.#server = server;
    this.#process = process;
    this.identity = identity;
    if (server.isUp) return;
    this.#state = "disconnected";
    this.#comeBack();
  }

  get state(): BusState {
    return this.#state;
  }

  publish(subject: string, bytes: Uint8Array): void {
    if (bytes.length > FRAME_BYTES_MAX) {
      throw new SystemError("FRAME_TOO_LARGE", `${bytes.length} bytes`, { uri: subject });
    }
    const { scheduler, isAlive } = this.#process;
    if (!isAlive) return;
    if (this.#state !== "connected") {
      this.counters.dropped += 1;
      return;
    }
    const hash = hashBytes(bytes);
    scheduler.trace.note(scheduler.nowMs, this.#process.name, "says", subject, hash);
    if (!this.#isCut.out) this.#server.take(this, subject, bytes);
  }

  knock(subject: string, answer: string): void {
    if (!this.#process.isAlive || this.#state !== "connected" || this.#isCut.out) return;
    this.#server.knock(this, subject, answer);
  }

  subscribe(subject: string, listener: BusListener): void {
    this.subscriptions.push({ connection: this, pattern: subject.split("."), listener });
    this.#server.changed();
  }

  flush(): Promise<void> {
    if (!this.#process.isAlive) return NEVER;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const session = this.#session;
    const { faults, random } = this.#server;
    this.#process.after(random.exponential(2 * faults.delayMs), () => {
      const isThere = this.#state === "connected" && session === this.#session;
      if (isThere) resolve();
      else reject(new SystemError("NATS_UNREACHABLE", "the connection was lost"));
    });
    return promise;
  }

  onState(listener: (state: BusState) => void): void {
    this.#stateListeners.push(listener);
  }

  onDenied(_listener: (denial: Denial) => void): void {}

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state === "connected") await this.flush().catch(() => undefined);
    this.#server.leave(this);
    this.#enter("closed");
  }

  /** A message comes its way, unless that is cut. */
  deliver(from: SimBus, listener: BusListener, subject: string, bytes: Uint8Array): void {
    if (this.#state !== "connected" || this.#isCut.in) return;
    const { scheduler } = this.#process;
    const { faults, random } = this.#server;
    this.#unread += 1;
    if (this.#unread > UNREAD_MAX) {
      this.lose();
      return;
    }
    const session = this.#session;
    const soonMs = scheduler.nowMs + random.exponential(faults.delayMs);
    const atMs = Math.max(soonMs, this.#lastMs.get(from) ?? 0);
    this.#lastMs.set(from, atMs);
    scheduler.at(atMs, () =>
      this.#process.enter(() => {
        if (session !== this.#session || this.#state !== "connected") return;
        this.#unread -= 1;
        listener(subject, bytes);
      }),
    );
  }

  /** Cuts ways; whoever notices takes the connection for lost. */
  cut(ways: { readonly out?: boolean; readonly in?: boolean }): void {
    this.#isCut = { out: ways.out ?? false, in: ways.in ?? false };
    if (!this.#isCut.out && !this.#isCut.in) return;
    const session = this.#session;
    this.#process.after(STALE_MS, () => {
      if (session === this.#session && (this.#isCut.out || this.#isCut.in)) this.lose();
    });
  }

  /** The connection is lost, and what is on its way with it; the client tries to come back. */
  lose(): void {
    if (this.#state === "closed") return;
    this.#session += 1;
    this.#unread = 0;
    this.#enter("disconnected");
    this.#comeBack();
  }

  #comeBack(): void {
    const waitMs = NATS_RECONNECT_MS * (1 + this.#server.random.unit());
    this.#process.after(waitMs, () => {
      if (this.#state !== "disconnected") return;
      const { out, in: into } = this.#isCut;
      if (!this.#server.isUp || out || into) this.#comeBack();
      else this.#enter("connected");
    });
  }

  #enter(state: BusState): void {
    if (state === this.#state) return;
    this.#state = state;
    const { scheduler } = this.#process;
    scheduler.trace.note(scheduler.nowMs, this.#process.name, "bus", state);
    for (const listener of this.#stateListeners) {
      this.#process.scheduler.after(0, () => this.#process.enter(() => listener(state)));
    }
  }
}
