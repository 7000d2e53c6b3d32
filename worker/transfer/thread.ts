/**
 * The thread that moves objects between this node and others: its own sockets, its own mappings of
 * the store's files. The agent's loop decides who may have what; the bytes never pass it. What the
 * agent is asked: whether a token is good, where an object is, and to take over what was sealed.
 */
import { open } from "node:fs/promises";
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Server, TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import { regionStatus } from "../../runtime/native/regions.ts";
import { CopiedFiles } from "../../runtime/objects/copied.ts";
import {
  type ObjectFiles,
  ObjectFolder,
  type Place,
  type Slot,
} from "../../runtime/objects/files.ts";
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  type ObjectHeader,
} from "../../runtime/objects/header.ts";
import { OBJECT_BYTES_MAX, OBJECT_WRITER_REGIONS_MAX } from "../../runtime/objects/limits.ts";
import { MappedFiles } from "../../runtime/objects/mapped.ts";
import {
  type Fill,
  receiveStaged,
  writeOne,
  writePaced,
} from "../../runtime/transfer/connection.ts";
import { Inbound } from "../../runtime/transfer/inbound.ts";
import {
  TRANSFER_IDLE_MS,
  TRANSFER_SILENT_MS,
  TRANSFER_STEP_BYTES,
} from "../../runtime/transfer/limits.ts";
import { secureServer } from "../../runtime/transfer/secure.ts";
import { decodeRequest, encodeReply, REQUEST_BYTES } from "../../runtime/transfer/wire.ts";
import { Connections } from "./connections.ts";
import { LOCATE_TRIES } from "./limits.ts";
import { Port, type Pull, type ThreadData } from "./port.ts";

class Mover {
  readonly #port: Port;
  readonly #files: ObjectFiles;
  readonly #mapped: MappedFiles | undefined;
  readonly #connections = new Connections();
  readonly #server: Server;

  constructor({ folder, secret, native }: ThreadData, port: MessagePort) {
    this.#port = new Port(port, {
      pull: (pull) => this.#pull(pull),
      forget: (id) => this.#mapped?.forget(id),
    });
    const addon = native ? regionStatus().addon : undefined;
    const names = new ObjectFolder(folder);
    if (addon !== undefined) {
      this.#mapped = new MappedFiles(addon, names, Infinity, OBJECT_WRITER_REGIONS_MAX);
    }
    this.#files = this.#mapped ?? new CopiedFiles(names);
    this.#server = secureServer(secret, (socket, asker) => this.#serve(socket, asker));
  }

  async listen(host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port: 0 }, resolve);
    });
    this.#port.opened((this.#server.address() as AddressInfo).port);
  }

  /** Fetches an object into the room that the store granted. @returns its payload's bytes. */
  async #pull({ door, token, place, bytes, slot }: Pull): Promise<number> {
    return await this.#connections.use(door, (connection) =>
      connection.pull(token, async (header, fill) => {
        if (header.id !== place.id || header.bytes !== bytes) {
          throw new SystemError("TRANSFER_FAILED", "another object came than was asked for");
        }
        await this.#write(place.job, header, fill, slot);
        return header.bytes;
      }),
    );
  }

  async #write(job: string, header: ObjectHeader, fill: Fill, slot?: Slot): Promise<void> {
    const kept = slot === undefined ? undefined : this.#mapped?.reclaim(slot);
    await this.#files.write(job, header, fill, kept);
  }

  /** Answers one connection's requests, one after the other, until it ends. */
  #serve(socket: TLSSocket, asker: Identity): void {
    const inbound = new Inbound(() => socket);
    const end = (): void => inbound.fail(new SystemError("TRANSFER_FAILED", "the asker ended it"));
    socket.on("error", end).on("close", end).on("end", end);
    socket.on("timeout", () => void socket.destroy());
    socket.on("data", (chunk: Buffer) => inbound.take(chunk));
    socket.setNoDelay(true);
    void this.#answerAll(socket, inbound, asker).catch(() => void socket.destroy());
  }

  async #answerAll(socket: TLSSocket, inbound: Inbound, asker: Identity): Promise<void> {
    for (;;) {
      // Longer than the other side keeps an unused one: who closes it knows that it is unused.
      socket.setTimeout(2 * TRANSFER_IDLE_MS);
      const { op, token } = decodeRequest(await inbound.read(REQUEST_BYTES));
      socket.setTimeout(TRANSFER_SILENT_MS);
      if (op === "get") await this.#send(socket, asker, token);
      else await this.#receive(socket, inbound, asker, token);
    }
  }

  async #send(socket: TLSSocket, asker: Identity, token: Uint8Array): Promise<void> {
    let source: Source;
    try {
      const { id, send } = await this.#port.redeem({ op: "get", asker, token });
      try {
        source = await this.#open(id);
      } catch (thrown) {
        this.#port.sent(send);
        throw thrown;
      }
      source = counted(source, () => this.#port.sent(send));
    } catch (thrown) {
      await writeOne(socket, encodeReply(toSystemError(thrown)));
      return;
    }
    try {
      socket.write(encodeReply());
      socket.write(encodeHeader(source.header));
      await source.send(socket);
    } finally {
      await source.close();
    }
  }

  async #receive(
    socket: TLSSocket,
    inbound: Inbound,
    asker: Identity,
    token: Uint8Array,
  ): Promise<void> {
    const header = decodeHeader(await inbound.read(HEADER_BYTES), HEADER_BYTES + OBJECT_BYTES_MAX);
    let ticket: Awaited<ReturnType<Port["redeemPut"]>>;
    try {
      const { id, bytes } = header;
      ticket = await this.#port.redeemPut({ op: "put", asker, token, id, bytes });
    } catch (thrown) {
      await writeOne(socket, encodeReply(toSystemError(thrown)));
      return;
    }
    let failed: SystemError | undefined;
    try {
      socket.write(encodeReply());
      const fill: Fill = (write) => receiveStaged(inbound, header.bytes, write);
      await this.#write(ticket.job, header, fill, ticket.slot);
    } catch (thrown) {
      failed = toSystemError(thrown);
    }
    await this.#port.sealed(ticket.put, failed).then(
      () => writeOne(socket, encodeReply()),
      (thrown: unknown) => writeOne(socket, encodeReply(toSystemError(thrown))),
    );
    if (failed !== undefined) throw failed;
  }

  /** An object to be read, wherever it is now. @throws {SystemError} OBJECT_LOST. */
  async #open(id: string): Promise<Source> {
    for (let tries = 0; tries < LOCATE_TRIES; tries += 1) {
      const found = await this.#port.locate(id);
      const source =
        found.kind === "shared" ? this.#map(found.place) : await onDisk(id, found.path);
      if (source !== undefined) return source;
    }
    throw new SystemError("OBJECT_LOST", "it moved each time that it was looked for");
  }

  #map(place: Place): Source | undefined {
    const found = this.#files.open(place);
    if (found === undefined) return undefined;
    const { array, header } = found;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    return {
      header,
      send: (socket) => writePaced(socket, bytes),
      close: async () => found.release(),
    };
  }
}

/** An object that is being read: it stays what it is until `close`. */
interface Source {
  readonly header: ObjectHeader;
  readonly send: (socket: TLSSocket) => Promise<void>;
  readonly close: () => Promise<void>;
}

function counted(source: Source, onClosed: () => void): Source {
  return { ...source, close: () => source.close().finally(onClosed) };
}

/** A spilled object, read from where it lies: that takes no memory for objects. */
async function onDisk(id: string, path: string): Promise<Source | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(head, 0, HEADER_BYTES, 0);
    const header = decodeHeader(head.subarray(0, bytesRead), size);
    if (header.id !== id) throw new SystemError("OBJECT_LOST", "another's copy on disk");
    const send = async (socket: TLSSocket): Promise<void> => {
      for (let at = 0; at < header.bytes; ) {
        const step = Buffer.allocUnsafe(Math.min(TRANSFER_STEP_BYTES, header.bytes - at));
        const { bytesRead: read } = await file.read(step, 0, step.length, HEADER_BYTES + at);
        if (read === 0) throw new SystemError("OBJECT_LOST", "its copy on disk is cut off");
        await writeOne(socket, step.subarray(0, read));
        at += read;
      }
    };
    return { header, send, close: () => file.close() };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

async function main(): Promise<void> {
  const data = workerData as ThreadData;
  if (parentPort === null) throw new SystemError("INTERNAL", "no thread of an agent");
  await new Mover(data, parentPort).listen(data.host);
}

if (!isMainThread) void main();
