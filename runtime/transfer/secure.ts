/**
 * The encrypted connections of transfers: TLS 1.3 with a key that both sides have beforehand, so
 * that there are no certificates. An agent makes a secret at its start; the key of each asker
 * follows from it, and is told to that asker alone over the bus, which knows who it is. The key
 * exchange is ephemeral: a key that is known later opens nothing that was sent before.
 *
 * Measured on two cores (256 MB, one connection, loopback): TLS 1.3 and 1.2 with the same cipher
 * are equally fast; a handshake costs ~1.5 ms, both ends together.
 */
import { createHmac } from "node:crypto";
import type { Socket } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { SystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";
import { isIdentity } from "../bus/subjects.ts";
import { TRANSFER_CONNECT_MS, TRANSFER_CONNECTIONS_MAX } from "./limits.ts";

/** Of both ends. AES with hardware on both sides: ~4 GB/s a core. */
const SUITE = {
  minVersion: "TLSv1.3",
  maxVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256:PSK",
} as const;

/** Where an agent's objects are fetched from and put to, and what lets `asker` in. */
export interface Door {
  readonly host: string;
  readonly port: number;
  /** Who may use it. */
  readonly asker: Identity;
  /** 32 bytes, the asker's own: a secret. */
  readonly key: Uint8Array;
}

/** The key of one asker at an agent: 32 bytes. @param secret - the agent's own, of one life. */
export function keyOf(secret: Uint8Array, asker: string): Buffer {
  return createHmac("sha256", secret).update(`ligase transfer\n${asker}`).digest();
}

/**
 * A server whose connections have shown their asker's key.
 * @param onConnection - gets each with who it is.
 */
export function secureServer(
  secret: Uint8Array,
  onConnection: (socket: TLSSocket, asker: Identity) => void,
): Server {
  const askers = new WeakMap<Socket, Identity>();
  const server = createServer(
    {
      ...SUITE,
      handshakeTimeout: TRANSFER_CONNECT_MS,
      pskCallback: (socket, name) => {
        if (!isIdentity(name)) return null;
        askers.set(socket, name);
        return keyOf(secret, name);
      },
    },
    (socket) => {
      const asker = askers.get(socket);
      if (asker === undefined) socket.destroy();
      else onConnection(socket, asker);
    },
  );
  server.maxConnections = TRANSFER_CONNECTIONS_MAX;
  // Who fails the handshake is closed by it, and nobody else is the worse for it.
  server.on("tlsClientError", (_error, socket) => void socket.destroy());
  return server;
}

/** Gets what a connection receives: the first `bytes` of `buffer`, which is used again. */
export type Taker = (bytes: number, buffer: Uint8Array) => void;

/**
 * An open connection to an agent that has shown that it knows the key as well.
 * @throws {SystemError} NOT_AUTHORIZED when it doesn't take the key; TRANSFER_FAILED when it isn't
 * reached.
 */
export async function connectSecure(door: Door, take: Taker): Promise<TLSSocket> {
  const buffer = Buffer.allocUnsafeSlow(64 * 1024);
  // One buffer for all that comes, instead of one for each 16 KiB.
  const onread = {
    buffer,
    callback: (bytes: number): boolean => {
      take(bytes, buffer);
      return true;
    },
  };
  const options = {
    ...SUITE,
    host: door.host,
    port: door.port,
    pskCallback: () => ({ psk: door.key, identity: door.asker }),
    // Without certificates there is no name to compare: the key is who the agent is.
    checkServerIdentity: () => undefined,
    onread,
  };
  const socket = connect(options);
  const where = { uri: `${door.host}:${door.port}` };
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(TRANSFER_CONNECT_MS, () => reject(new Error("no answer in time")));
      socket.once("secureConnect", () => resolve());
      socket.on("error", reject);
      socket.once("close", () => reject(new Error("it closed the connection")));
    });
  } catch (thrown) {
    socket.destroy();
    const isRefused = String((thrown as { code?: unknown }).code).startsWith("ERR_SSL");
    const code = isRefused ? "NOT_AUTHORIZED" : "TRANSFER_FAILED";
    throw new SystemError(code, `no connection: ${(thrown as Error).message}`, where, thrown);
  }
  socket.setTimeout(0);
  socket.removeAllListeners("timeout");
  socket.setNoDelay(true);
  return socket;
}
