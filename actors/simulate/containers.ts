/**
 * Simulated streams as files: plain, gzip of several members, bgzf. One pass, a chunk of each
 * stream in memory.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { toSystemError } from "../../runtime/errors.ts";
import { BGZF_BLOCK_BYTES, checkWhole, GZIP_MEMBER_BYTES_MAX } from "./limits.ts";
import type { Piece, Summary } from "./reads.ts";

export interface PackOptions {
  /** Default plain. The truth is always plain. */
  readonly container?: "plain" | "gzip" | "bgzf";
  /** Text bytes of a gzip member; default 4 MiB. */
  readonly memberBytes?: number;
  /** False leaves out bgzf's empty last block, as a cut file would. Default true. */
  readonly endBlock?: boolean;
  /** zlib's 0..9; default 6. */
  readonly level?: number;
}

export interface SimulatedFiles extends PackOptions {
  /** Replaced if they stand; without `second` or `truth` that stream is left out. */
  readonly first: string;
  readonly second?: string;
  readonly truth?: string;
}

/** What was written. */
export interface Written extends Summary {
  /** sha256 of each stream's text (not of the packed bytes), in hex. */
  readonly sha256: { readonly first: string; readonly second: string; readonly truth: string };
}

const MEMBER_BYTES = 4 * 1024 * 1024;
const LEVEL = 6;
/** What bgzip writes last. Source: SAM specification, section 4.1.2. */
const END_BLOCK = Buffer.from("1f8b08040000000000ff0600424302001b0003000000000000000000", "hex");
const BGZF_HEAD_BYTES = 18;
const BGZF_TAIL_BYTES = 8;

/**
 * Writes the streams of `pieces` to files.
 * @throws {SystemError} OUTPUT_UNWRITABLE, and what the simulation throws.
 */
export async function writeSimulated(
  files: SimulatedFiles,
  pieces: Generator<Piece, Summary, void>,
): Promise<Written> {
  const first = new PackedFile(files.first, files);
  const second = new PackedFile(files.second, files);
  const truth = new PackedFile(files.truth, {});
  try {
    let step = pieces.next();
    for (; step.done !== true; step = pieces.next()) {
      await first.write(step.value.first);
      await second.write(step.value.second);
      await truth.write(step.value.truth);
    }
    const sha256 = {
      first: await first.end(),
      second: await second.end(),
      truth: await truth.end(),
    };
    return { ...step.value, sha256 };
  } catch (thrown) {
    throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  } finally {
    await Promise.all([first.close(), second.close(), truth.close()]);
  }
}

/** A file of packed text, or with no path none. Bytes keep until a member is full. */
class PackedFile {
  readonly #path: string | undefined;
  readonly #pack: (text: Uint8Array) => Buffer | Uint8Array;
  readonly #last: Uint8Array;
  readonly #unit: Buffer;
  readonly #hash: Hash = createHash("sha256");
  #held = 0;
  #file: FileHandle | undefined;

  constructor(path: string | undefined, options: PackOptions) {
    const { container = "plain", level = LEVEL, memberBytes = MEMBER_BYTES } = options;
    checkWhole("level of compression", level, 0, 9);
    checkWhole("gzip member, in bytes", memberBytes, 1, GZIP_MEMBER_BYTES_MAX);
    this.#path = path;
    const units = { plain: 0, gzip: memberBytes, bgzf: BGZF_BLOCK_BYTES };
    this.#unit = Buffer.allocUnsafe(path === undefined ? 0 : units[container]);
    this.#pack =
      container === "bgzf" ? (text) => bgzfBlock(text, level) : (text) => gzipSync(text, { level });
    this.#last = container === "bgzf" && options.endBlock !== false ? END_BLOCK : new Uint8Array(0);
  }

  async write(text: Uint8Array): Promise<void> {
    this.#hash.update(text);
    if (this.#path === undefined) return;
    this.#file ??= await open(this.#path, "w");
    if (this.#unit.length === 0) return this.#file.writeFile(text);
    for (let from = 0; from < text.length; ) {
      const part = text.subarray(from, from + this.#unit.length - this.#held);
      this.#unit.set(part, this.#held);
      this.#held += part.length;
      from += part.length;
      if (this.#held === this.#unit.length) await this.#flush(this.#file);
    }
  }

  /** Writes what is held and the end; @returns the text's digest. */
  async end(): Promise<string> {
    if (this.#file !== undefined) {
      if (this.#held > 0) await this.#flush(this.#file);
      await this.#file.writeFile(this.#last);
    }
    return this.#hash.digest("hex");
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #flush(file: FileHandle): Promise<void> {
    const packed = this.#pack(this.#unit.subarray(0, this.#held));
    this.#held = 0;
    await file.writeFile(packed);
  }
}

/** One block of bgzf, at most 64 KiB. Source: SAM specification, section 4.1. */
export function bgzfBlock(text: Uint8Array, level = LEVEL): Buffer {
  const squeezed = deflateRawSync(text, { level });
  // What doesn't shrink is stored: 5 bytes more than the text.
  const body = squeezed.length > text.length + 5 ? deflateRawSync(text, { level: 0 }) : squeezed;
  const block = Buffer.alloc(BGZF_HEAD_BYTES + body.length + BGZF_TAIL_BYTES);
  END_BLOCK.copy(block, 0, 0, BGZF_HEAD_BYTES - 2);
  block.writeUInt16LE(block.length - 1, BGZF_HEAD_BYTES - 2);
  body.copy(block, BGZF_HEAD_BYTES);
  block.writeUInt32LE(crc32(text), BGZF_HEAD_BYTES + body.length);
  block.writeUInt32LE(text.length, BGZF_HEAD_BYTES + body.length + 4);
  return block;
}
