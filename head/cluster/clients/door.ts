/**
 * Where processes of this user become clients of an embedded cluster: a socket in the runtime
 * folder, and beside it the file that names socket and token. See `runtime/client/address.ts`.
 *
 * Invariant: a key given here is good exactly as long as the connection it was given over.
 */
import * as v from "valibot";
import { timingSafeEqual } from "node:crypto";
import { chmod, rename, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Connection } from "../../../runtime/bus/key.ts";
import { ADDRESS_FILE, type ClusterAddress } from "../../../runtime/client/address.ts";
import { type JsonLine, readLines, writeLine } from "../../../runtime/client/lines.ts";
import { toSystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { CLIENT_KEYS_MAX, FOLLOW_REQUEST_MS } from "../../../runtime/limits.ts";
import { type ChildMessage, childMessage, type JoinedHead } from "../protocol.ts";

export interface DoorOptions {
  readonly runtimeDir: string;
  readonly stateDir: string;
  readonly cluster: string;
  /** A client's connection with a key of its own. */
  readonly mint: () => Promise<Connection>;
  /** What a head of another supervisor needs, with a key of its own. */
  readonly mintHead: () => Promise<JoinedHead>;
  /** Takes what such a head says to its supervisor. */
  readonly hear: (name: string, message: ChildMessage, reply: (answer: object) => void) => void;
  /** Shuts that client's or head's key out. */
  readonly revoke: (holder: Pick<Connection, "identity">) => Promise<void>;
  readonly log: (line: string) => void;
}

export class ClientDoor {
  readonly #options: DoorOptions;
  readonly #token = `${crypto.randomUUID()}${crypto.randomUUID()}`;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = CLIENT_KEYS_MAX;
  }

  /** Listens, then leaves the address. */
  async open(): Promise<void> {
    const { runtimeDir, stateDir, cluster } = this.#options;
    const socket = join(runtimeDir, "clients.sock");
    await new Promise<void>((settle, fail) => {
      this.#server.once("error", fail);
      this.#server.listen(socket, settle);
    });
    await chmod(socket, 0o600);
    const address: ClusterAddress = {
      cluster,
      pid: process.pid,
      stateDir,
      socket,
      token: this.#token,
    };
    const path = join(runtimeDir, ADDRESS_FILE);
    await writeFile(`${path}.new`, `${JSON.stringify(address)}\n`, { mode: 0o600, flag: "wx" });
    await rename(`${path}.new`, path);
  }

  /** Ends every client's connection; its file goes with the runtime folder. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), FOLLOW_REQUEST_MS);
    let asked = false;
    let hear: ((line: JsonLine) => void) | undefined;
    const gone = Promise.withResolvers<void>();
    readLines(socket, {
      onLine: (line) => {
        clearTimeout(timer);
        if (hear !== undefined) return hear(line);
        // One key a connection, and none for a wrong token.
        if (asked || !this.#knows(line)) return void socket.destroy();
        asked = true;
        const { mint, mintHead } = this.#options;
        if (line["role"] === "head") {
          hear = (said) => this.#hearHead(socket, said);
          void this.#admit(socket, gone.promise, "head", mintHead);
        } else void this.#admit(socket, gone.promise, "connection", mint);
      },
      onEnd: () => {
        clearTimeout(timer);
        this.#sockets.delete(socket);
        gone.resolve();
      },
    });
  }

  async #admit(
    socket: Socket,
    gone: Promise<void>,
    as: "connection" | "head",
    mint: () => Promise<Pick<Connection, "identity">>,
  ): Promise<void> {
    const { revoke, log } = this.#options;
    try {
      const holder = await mint();
      writeLine(socket, { [as]: holder });
      await gone;
      await revoke(holder);
    } catch (thrown) {
      const error = toSystemError(thrown);
      log(`a client: ${error.message}`);
      writeLine(socket, { error: error.toData() });
      socket.end();
    }
  }

  /** A head of another supervisor says to it what ours says to us. */
  #hearHead(socket: Socket, line: JsonLine): void {
    const parsed = v.safeParse(childMessage, line);
    if (!parsed.success) return void socket.destroy();
    this.#options.hear("a joined head", parsed.output, (answer) => {
      writeLine(socket, { ...answer });
    });
  }

  #knows({ token }: JsonLine): boolean {
    if (typeof token !== "string") return false;
    // Hashed, so that texts of any length compare in constant time.
    return timingSafeEqual(Buffer.from(sha256Hex(token)), Buffer.from(sha256Hex(this.#token)));
  }
}
