/**
 * An input that is open: a file, or an object in S3, always as the very version that was
 * identified. A file is watched, for it can be written while it is read; every read of an object
 * names its version, so that nothing but its bytes can come.
 */
import { constants } from "node:fs";
import { access, type FileHandle, open, stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { InputSpec } from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { READ_CHUNK_BYTES, S3_READ_BYTES, S3_READS_AHEAD } from "../../../runtime/limits.ts";
import { fileEtag, readAt } from "../../../runtime/storage/folder.ts";
import { storageOf } from "../../../runtime/storage/open.ts";
import type { Look } from "../../../runtime/storage/storage.ts";
import { isS3, parseObject } from "../../../runtime/storage/uri.ts";

/** Writes the next bytes to the front of `into`; 0 only at the end. */
export type Fill = (into: Buffer) => Promise<number>;

/** Its reader closes it. Errors are the file system's own, or SystemErrors. */
export interface OpenedInput {
  /** Reads bytes [begin, begin + into.length); @returns how many, fewer at the end. */
  readAt(into: Buffer, begin: number): Promise<number>;
  /** Gives bytes [begin, end) in order, read ahead where that pays. */
  sequence(begin: number, end: number): Fill;
  /** @throws {SystemError} INPUT_CHANGED when it isn't what was identified any more. */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** A file as it was identified. */
type FileIdentity = Pick<InputSpec, "uri" | "etag" | "bytes">;

/** Opens an input; whether it is what was identified is known when it has been read. */
export async function openUnchecked(input: FileIdentity): Promise<OpenedInput> {
  if (isS3(input.uri)) return new RemoteInput(input);
  return new LocalInput(input, await open(input.uri, "r"));
}

/**
 * Size and version of an input.
 * @throws {SystemError} INPUT_NOT_FOUND, INPUT_UNREADABLE, USAGE, and what storage says.
 */
export async function lookAtInput(uri: string): Promise<Look> {
  if (isS3(uri)) return lookAtObject(uri);
  if (!isAbsolute(uri)) throw new SystemError("USAGE", "an input is an absolute path", { uri });
  const info = await stat(uri, { bigint: true });
  if (!info.isFile()) {
    const what = info.isDirectory() ? "the input is a folder" : "the input isn't a regular file";
    throw new SystemError("INPUT_UNREADABLE", what, { uri });
  }
  await access(uri, constants.R_OK);
  return { etag: fileEtag(info), bytes: Number(info.size) };
}

async function lookAtObject(uri: string): Promise<Look> {
  parseObject(uri);
  const look = await storageOf(uri).look(uri);
  if (look !== undefined) return look;
  throw new SystemError("INPUT_NOT_FOUND", "no such object, or no such bucket", { uri });
}

class LocalInput implements OpenedInput {
  readonly #input: FileIdentity;
  readonly #file: FileHandle;

  constructor(input: FileIdentity, file: FileHandle) {
    this.#input = input;
    this.#file = file;
  }

  readAt(into: Buffer, begin: number): Promise<number> {
    return readAt(this.#file, into, begin);
  }

  sequence(begin: number, end: number): Fill {
    let position = begin;
    return async (into) => {
      const wanted = Math.min(into.length, end - position);
      const read = wanted === 0 ? 0 : await readAt(this.#file, into.subarray(0, wanted), position);
      position += read;
      return read;
    };
  }

  async checkUnchanged(): Promise<void> {
    const etag = fileEtag(await this.#file.stat({ bigint: true }));
    if (etag === this.#input.etag) return;
    const what = `the input is ${etag} now, it was planned as ${this.#input.etag}`;
    throw new SystemError("INPUT_CHANGED", what, { uri: this.#input.uri });
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

class RemoteInput implements OpenedInput {
  readonly #input: FileIdentity;

  constructor(input: FileIdentity) {
    this.#input = input;
  }

  async readAt(into: Buffer, begin: number): Promise<number> {
    const bytes = await this.#range(begin, begin + into.length);
    return bytes.copy(into);
  }

  sequence(begin: number, end: number): Fill {
    const ahead = new ReadAhead((from, to) => this.#range(from, to), begin, end);
    let chunk: Buffer = Buffer.alloc(0);
    return async (into) => {
      if (chunk.length === 0) chunk = await ahead.next();
      const copied = chunk.copy(into);
      chunk = chunk.subarray(copied);
      return copied;
    };
  }

  /** Nothing to check: a read of another version is refused. */
  async checkUnchanged(): Promise<void> {}

  /** Nothing is held open. */
  async close(): Promise<void> {}

  async #range(from: number, to: number): Promise<Buffer> {
    const { uri, etag } = this.#input;
    return storageOf(uri).readRange(uri, from, to, etag);
  }
}

/**
 * Ranges on their way before they are asked for. It begins with one short range, and reads further
 * ahead the further it gets: a look at a file's start costs little.
 *
 * Invariant: beside the bytes that were taken last, at most S3_READS_AHEAD ranges of at most
 * S3_READ_BYTES are under way or waiting.
 */
export class ReadAhead {
  readonly #read: (from: number, to: number) => Promise<Buffer>;
  readonly #end: number;
  readonly #waiting: Promise<Buffer>[] = [];
  #position: number;
  #taken = 0;

  constructor(read: (from: number, to: number) => Promise<Buffer>, begin: number, end: number) {
    this.#read = read;
    this.#position = begin;
    this.#end = end;
  }

  /** The next bytes; none at the end. */
  async next(): Promise<Buffer> {
    this.#start();
    const next = this.#waiting.shift();
    if (next === undefined) return Buffer.alloc(0);
    this.#taken += 1;
    const bytes = await next;
    this.#start();
    return bytes;
  }

  #start(): void {
    const ahead = Math.min(S3_READS_AHEAD, this.#taken + 1);
    while (this.#waiting.length < ahead && this.#position < this.#end) {
      const wanted = Math.min(S3_READ_BYTES, READ_CHUNK_BYTES * 2 ** this.#taken);
      const to = Math.min(this.#end, this.#position + wanted);
      const reading = this.#read(this.#position, to);
      // Who never takes it doesn't hear of its error either.
      reading.catch(() => undefined);
      this.#waiting.push(reading);
      this.#position = to;
    }
  }
}
