/** Connections to other agents, kept a while for their next use: a handshake costs more. */
import { TransferConnection } from "../../runtime/transfer/connection.ts";
import { TRANSFER_IDLE_MS } from "../../runtime/transfer/limits.ts";
import type { Door } from "../../runtime/transfer/secure.ts";
import { CONNECTIONS_IDLE_MAX } from "./limits.ts";

interface Idle {
  readonly connection: TransferConnection;
  readonly timer: NodeJS.Timeout;
}

export class Connections {
  /** By whom they lead to; the last used one last. */
  readonly #idle = new Map<string, Idle[]>();

  /** A connection for one transfer; it is kept unless the transfer broke it. */
  async use<T>(door: Door, body: (connection: TransferConnection) => Promise<T>): Promise<T> {
    const name = nameOf(door);
    const connection = this.#take(name) ?? (await TransferConnection.open(door));
    try {
      return await body(connection);
    } finally {
      if (connection.isOpen) this.#keep(name, connection);
    }
  }

  #take(name: string): TransferConnection | undefined {
    const idle = this.#idle.get(name) ?? [];
    for (let one = idle.pop(); one !== undefined; one = idle.pop()) {
      clearTimeout(one.timer);
      if (idle.length === 0) this.#idle.delete(name);
      if (one.connection.isOpen) return one.connection;
    }
    return undefined;
  }

  #keep(name: string, connection: TransferConnection): void {
    const idle = this.#idle.get(name) ?? [];
    if (idle.length >= CONNECTIONS_IDLE_MAX) return connection.close();
    this.#idle.set(name, idle);
    const one: Idle = {
      connection,
      timer: setTimeout(() => {
        connection.close();
        idle.splice(idle.indexOf(one), 1);
        if (idle.length === 0) this.#idle.delete(name);
      }, TRANSFER_IDLE_MS),
    };
    idle.push(one);
  }
}

/** An agent that started anew has another key: its earlier connections are no use. */
function nameOf({ host, port, key }: Door): string {
  return `${host} ${port} ${Buffer.from(key).toString("base64")}`;
}
