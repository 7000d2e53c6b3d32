/**
 * What a gzip file holds, as a text: members of any number, from the file's beginning or from a
 * restart point on. It is inflated on a thread, one piece ahead of who reads it.
 */
import {
  type GzipEnd,
  GzipError,
  type Inflated,
  inflateGzip,
  type RestartPoint,
} from "../../native/gzip.ts";
import { nativeStatus } from "../../native/addon.ts";
import type { OpenedInput } from "./opened.ts";
import { PlainText, piecesOf } from "./plain.ts";
import type { TextSource } from "./window.ts";

/**
 * Points that are kept, 32 KiB each: those of more text than lies between what is inflated and what
 * is read of it, a batch and a record at most.
 */
const POINTS_KEPT_MAX = 64;

export class GzipText implements TextSource {
  readonly #compressed: PlainText;
  readonly #pieces: AsyncGenerator<Inflated, GzipEnd>;
  /** By place, the last one first known; the first is at or before all that is read yet. */
  #points: RestartPoint[] = [];
  #coming: Promise<IteratorResult<Inflated, GzipEnd>> | undefined;
  #padding = 0;
  /** What was given last; nobody looks at it after the next call. */
  #piece: Uint8Array | undefined;

  /**
   * Inflates bytes [begin, end) of a file, whole members.
   * @param spacing - inflated bytes between restart points; 0: none are left.
   */
  constructor(
    file: Pick<OpenedInput, "sequence">,
    begin: number,
    end: number,
    spacing = 0,
    from?: RestartPoint,
  ) {
    const first = from === undefined ? begin : Math.floor(from.bit / 8);
    this.#compressed = new PlainText(file, first, end);
    const options = from === undefined ? { spacing } : { spacing, from };
    this.#pieces = inflateGzip(piecesOf(this.#compressed), options);
    if (from !== undefined) this.#points.push(from);
  }

  /** @throws {GzipError} */
  async next(): Promise<Uint8Array> {
    const next = await (this.#coming ?? this.#pieces.next());
    if (next.done === true) {
      this.#coming = Promise.resolve(next);
      this.#padding = next.value.padding;
      return new Uint8Array(0);
    }
    const { value } = next;
    this.#points = [...this.#points, ...value.points].slice(-POINTS_KEPT_MAX);
    freed(this.#piece);
    this.#piece = value.bytes;
    this.#coming = this.#pieces.next();
    // Who closes it before doesn't hear of the error.
    this.#coming.catch(() => undefined);
    return value.bytes;
  }

  restart(offset: number): RestartPoint | undefined {
    const later = this.#points.findIndex(({ out }) => out > offset);
    const at = (later < 0 ? this.#points.length : later) - 1;
    if (at > 0) this.#points = this.#points.slice(at);
    return at < 0 ? undefined : this.#points[0];
  }

  warnings(): Readonly<Record<string, number>> {
    return this.#padding > 0 ? { trailingZeros: 1 } : {};
  }

  async close(): Promise<void> {
    await this.#coming?.catch(() => undefined);
    await this.#pieces.return({ consumed: 0, padding: 0 });
    await this.#compressed.close();
  }
}

/** Gives C++'s memory back at once, where the garbage collector would let it grow. */
function freed(piece: Uint8Array | undefined): void {
  if (piece === undefined || nativeStatus().addon === undefined) return;
  const { buffer } = piece;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength;
  if (isOwn && !buffer.detached) buffer.transfer(0);
}

/** Whether a text ended before its time, or isn't what its checksums say. */
export function isDamage(thrown: unknown): thrown is Error {
  if (thrown instanceof GzipError) return true;
  if (!(thrown instanceof Error) || !("code" in thrown)) return false;
  return typeof thrown.code === "string" && /^(Z_|ZSTD_)/.test(thrown.code);
}
