/**
 * An asker's connection to an agent's door: objects are fetched and put over it, one at a time. A
 * refusal leaves it usable; whatever else goes wrong ends it. An object is taken whole or not at
 * all: TLS proves each byte, and the header says how many there are.
 */
import type { TLSSocket } from "node:tls";
import { SystemError } from "../errors.ts";
import type { Write } from "../objects/files.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES, type ObjectHeader } from "../objects/header.ts";
import { OBJECT_BYTES_MAX } from "../objects/limits.ts";
import { Inbound } from "./inbound.ts";
import { TRANSFER_SILENT_MS, TRANSFER_STAGE_BYTES, TRANSFER_STEP_BYTES } from "./limits.ts";
import { connectSecure, type Door } from "./secure.ts";
import { encodeRequest, refusalBytesOf, refusalOf, REPLY_BYTES } from "./wire.ts";

/** Writes a received object's payload, each byte of it once, in order. */
export type Fill = (write: Write) => Promise<void>;

export class TransferConnection {
  readonly #socket: TLSSocket;
  readonly #inbound: Inbound;

  private constructor(socket: TLSSocket, inbound: Inbound) {
    this.#socket = socket;
    this.#inbound = inbound;
    const end = (error?: Error): void => {
      const what = `the connection ended${error === undefined ? "" : `: ${error.message}`}`;
      inbound.fail(new SystemError("TRANSFER_FAILED", what, {}, error));
    };
    socket.on("error", end);
    socket.on("close", () => end());
    socket.on("end", () => end());
    socket.on("timeout", () => {
      socket.destroy(new Error(`nothing came for ${TRANSFER_SILENT_MS} ms`));
    });
  }

  /** @throws {SystemError} NOT_AUTHORIZED, TRANSFER_FAILED. */
  static async open(door: Door): Promise<TransferConnection> {
    let socket: TLSSocket | undefined;
    const inbound = new Inbound(() => socket);
    socket = await connectSecure(door, (bytes, buffer) => {
      inbound.take(buffer.subarray(0, bytes));
    });
    return new TransferConnection(socket, inbound);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  /**
   * Fetches the object of a token.
   * @param use - writes it: it calls `fill` once and waits for it.
   * @throws {SystemError} what the agent refuses it with; TRANSFER_FAILED; what `use` throws.
   */
  async pull<T>(
    token: Uint8Array,
    use: (header: ObjectHeader, fill: Fill) => Promise<T>,
  ): Promise<T> {
    return await this.#exchange(async () => {
      this.#socket.write(encodeRequest({ op: "get", token }));
      await this.#answer();
      const head = await this.#inbound.read(HEADER_BYTES);
      const header = decodeHeader(head, HEADER_BYTES + OBJECT_BYTES_MAX);
      return await use(header, (write) => this.#receive(header.bytes, write));
    });
  }

  /**
   * Puts an object under a token; it stands in the agent's store when this settles.
   * @param parts - of the payload, in order; what none of them covers is zeros.
   * @throws {SystemError} what the agent refuses it with; TRANSFER_FAILED.
   */
  async push(
    token: Uint8Array,
    header: ObjectHeader,
    parts: readonly (readonly [offset: number, bytes: Uint8Array])[],
  ): Promise<void> {
    await this.#exchange(async () => {
      this.#socket.write(encodeRequest({ op: "put", token }));
      this.#socket.write(encodeHeader(header));
      await this.#answer();
      let written = 0;
      for (const [offset, bytes] of parts) {
        await writePaced(this.#socket, new Uint8Array(offset - written));
        await writePaced(this.#socket, bytes);
        written = offset + bytes.length;
      }
      await writePaced(this.#socket, new Uint8Array(header.bytes - written));
      await this.#answer();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #exchange<T>(body: () => Promise<T>): Promise<T> {
    this.#socket.setTimeout(TRANSFER_SILENT_MS);
    try {
      return await body();
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) this.#socket.destroy();
      throw thrown instanceof Refusal ? thrown.error : thrown;
    } finally {
      this.#socket.setTimeout(0);
    }
  }

  /** @throws {Refusal} */
  async #answer(): Promise<void> {
    const bytes = refusalBytesOf(await this.#inbound.read(REPLY_BYTES));
    if (bytes > 0) throw new Refusal(refusalOf(await this.#inbound.read(bytes)));
  }

  #receive(bytes: number, write: Write): Promise<void> {
    return receiveStaged(this.#inbound, bytes, write);
  }
}

/** The agent said no; the connection is as good as before. */
class Refusal extends Error {
  readonly error: SystemError;
  constructor(error: SystemError) {
    super(error.message);
    this.error = error;
  }
}

/** Receives a payload and writes it, many pages at once. */
export async function receiveStaged(inbound: Inbound, bytes: number, write: Write): Promise<void> {
  const stage = new Uint8Array(Math.min(TRANSFER_STAGE_BYTES, bytes));
  let written = 0;
  let held = 0;
  const flush = (): void => {
    write(written, stage.subarray(0, held));
    written += held;
    held = 0;
  };
  await inbound.pour(bytes, (chunk) => {
    for (let rest = chunk; rest.length > 0; ) {
      // The payload begins behind its header: from the first write on they end with a page.
      const room = (written === 0 ? TRANSFER_STAGE_BYTES - HEADER_BYTES : stage.length) - held;
      const part = rest.subarray(0, Math.min(room, stage.length - held));
      stage.set(part, held);
      held += part.length;
      rest = rest.subarray(part.length);
      if (part.length === room || held === stage.length) flush();
    }
  });
  if (held > 0) flush();
}

/**
 * Writes bytes as the connection takes them. They are the caller's again when this settles.
 * @throws {SystemError} TRANSFER_FAILED when the connection ends.
 */
export async function writePaced(socket: TLSSocket, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += TRANSFER_STEP_BYTES) {
    await writeOne(socket, bytes.subarray(at, at + TRANSFER_STEP_BYTES));
  }
}

/** Writes bytes and waits until they have left. @throws {SystemError} TRANSFER_FAILED. */
export function writeOne(socket: TLSSocket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error == null) resolve();
      else reject(new SystemError("TRANSFER_FAILED", "the connection ended", {}, error));
    });
  });
}
