/**
 * The bus over NATS core. One connection a process, authorised by an nkey whose permissions make
 * the subject's last name its sender. Never `nc.request`: it subscribes `_INBOX`, which no key
 * may, and is thirty times slower than packed frames.
 */
import { type ConnectionOptions, connect, errors, type NatsConnection, type Status } from "nats";
import { SystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";
import { FRAME_BYTES_MAX, NATS_CONNECT_MS, NATS_PING_MS, NATS_RECONNECT_MS } from "../limits.ts";
import { signerOf } from "./key.ts";
import type { Bus, BusCounters, BusListener, BusState, Denial } from "./bus.ts";

export interface BusOptions {
  /** `nats://host:port`. */
  readonly url: string;
  readonly cluster: string;
  /** Who the key belongs to; the server enforces it. */
  readonly identity: Identity;
  /** The key's nkey seed, `SU...`. */
  readonly seed: string;
  /** Shown in the server's logs. */
  readonly name: string;
}

/**
 * A connected bus.
 *
 * @throws {SystemError} NOT_AUTHORIZED for a missing, malformed or unknown key; NATS_UNREACHABLE
 * when no server answers within NATS_CONNECT_MS.
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  try {
    return new NatsBus(options.identity, await connect(connectionOptions(options)));
  } catch (thrown) {
    if (thrown instanceof SystemError) throw thrown;
    const refused = thrown instanceof errors.AuthorizationError;
    const code = refused ? "NOT_AUTHORIZED" : "NATS_UNREACHABLE";
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError(code, what, { uri: options.url }, thrown);
  }
}

function connectionOptions(options: BusOptions): ConnectionOptions {
  return {
    servers: options.url,
    name: `${options.name} ${options.identity} of ${options.cluster}`,
    authenticator: signerOf(options.seed),
    noEcho: true,
    // A frozen server is noticed after pingInterval x (maxPingOut + 1).
    pingInterval: NATS_PING_MS,
    maxPingOut: 2,
    timeout: NATS_CONNECT_MS,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: NATS_RECONNECT_MS,
    reconnectJitter: NATS_RECONNECT_MS,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
  };
}

const NOTHING = new Uint8Array();

class NatsBus implements Bus {
  readonly identity: Identity;
  readonly counters: BusCounters = { denied: 0, dropped: 0 };
  readonly #connection: NatsConnection;
  readonly #stateListeners: ((state: BusState) => void)[] = [];
  readonly #denialListeners: ((denial: Denial) => void)[] = [];
  #state: BusState = "connected";

  constructor(identity: Identity, connection: NatsConnection) {
    this.identity = identity;
    this.#connection = connection;
    void this.#watch();
  }

  publish(subject: string, bytes: Uint8Array): void {
    if (bytes.length > FRAME_BYTES_MAX) {
      throw new SystemError("FRAME_TOO_LARGE", `${bytes.length} bytes`, { uri: subject });
    }
    if (this.#state !== "connected" || this.#connection.isClosed()) {
      this.counters.dropped += 1;
      return;
    }
    this.#connection.publish(subject, bytes);
  }

  knock(subject: string, answer: string): void {
    if (this.#state !== "connected" || this.#connection.isClosed()) return;
    this.#connection.publish(subject, NOTHING, { reply: answer });
  }

  subscribe(subject: string, onMessage: BusListener): void {
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        // A refused subscription comes here too; it is counted once, from the status.
        if (error !== null) return;
        deliver(onMessage, message.subject, message.data);
      },
    });
  }

  async flush(): Promise<void> {
    try {
      await this.#connection.flush();
    } catch (thrown) {
      throw new SystemError("NATS_UNREACHABLE", "the connection was lost", {}, thrown);
    }
  }

  onState(listener: (state: BusState) => void): void {
    this.#stateListeners.push(listener);
  }

  onDenied(listener: (denial: Denial) => void): void {
    this.#denialListeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.#connection.isClosed()) return;
    if (this.#state === "connected") await this.#connection.flush().catch(() => undefined);
    await this.#connection.close();
    this.#enter("closed");
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) this.#note(status);
    await this.#connection.closed();
    this.#enter("closed");
  }

  #note(status: Status): void {
    if (status.type === "disconnect") this.#enter("disconnected");
    if (status.type === "reconnect") this.#enter("connected");
    if (status.type !== "error") return;
    const { error } = status;
    if (!(error instanceof errors.PermissionViolationError)) return;
    this.counters.denied += 1;
    const denial = { operation: error.operation, subject: error.subject };
    for (const listener of this.#denialListeners) listener(denial);
  }

  #enter(state: BusState): void {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    for (const listener of this.#stateListeners) listener(state);
  }
}

/** A listener that throws must end the process as our mistake, not the client's reading loop. */
function deliver(onMessage: BusListener, subject: string, bytes: Uint8Array): void {
  try {
    onMessage(subject, bytes);
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
