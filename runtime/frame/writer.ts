/** Scalars as MessagePack bytes in one growing buffer, each in its shortest form. */
import * as wire from "./wire.ts";

/** Strings up to here are copied by a loop: a native call costs more. */
const LOOP_STRING_MAX = 31;
/** Strings up to here are written on the guess that they are ASCII. */
const GUESS_STRING_MAX = 255;
const U64_MAX = 2n ** 64n - 1n;
const I64_MIN = -(2n ** 63n);
/** Bytes of a fresh buffer, and those that an idle writer keeps. */
const BUFFER_BYTES = 8 * 1024;
const BUFFER_KEPT_BYTES = 128 * 1024;
/** Bytes over the limit that the buffer may have, because room is asked for the widest form. */
const SLACK_BYTES = 64;

/**
 * The buffer and its scalars. What it can't write it refuses by `refused` and `tooLarge`, which
 * know the place.
 *
 * Invariant: position <= buffer.length <= limit + SLACK_BYTES.
 */
export abstract class Writer {
  buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  position = 0;
  protected readonly limit: number;
  protected view: DataView = viewOf(this.buffer);

  /** @param limit - bytes that may be written. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** The error for a value that doesn't cross; `what` goes behind "is". */
  protected abstract refused(what: string): Error;

  /** The error for what goes over the limit. */
  protected abstract tooLarge(): Error;

  /** Gives a large buffer back. */
  protected shrink(): void {
    if (this.buffer.length <= BUFFER_KEPT_BYTES) return;
    this.buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.view = viewOf(this.buffer);
  }

  protected reserve(bytes: number): void {
    if (this.position + bytes > this.buffer.length) this.#grow(bytes);
  }

  protected writeByte(value: number): void {
    this.reserve(1);
    this.buffer[this.position++] = value;
  }

  protected writeNumber(value: number): void {
    this.reserve(9);
    // -0 is no integer here: its sign crosses.
    if (value >>> 0 === value && (value !== 0 || Object.is(value, 0))) {
      if (value < 0x80) this.buffer[this.position++] = value;
      else if (value < 0x100) this.write8(wire.UINT8, value);
      else if (value < 0x10000) this.write16(wire.UINT16, value);
      else this.write32(wire.UINT32, value);
    } else if (value >> 0 === value && value < 0) {
      if (value >= -0x20) this.buffer[this.position++] = value & 0xff;
      else if (value >= -0x80) this.write8(wire.INT8, value);
      else if (value >= -0x8000) this.write16(wire.INT16, value);
      else this.write32(wire.INT32, value);
    } else {
      this.buffer[this.position] = wire.FLOAT64;
      this.view.setFloat64(this.position + 1, value);
      this.position += 9;
    }
  }

  /** Always 64 bits wide: that is how the other side knows a bigint. */
  protected writeBigint(value: bigint): void {
    if (value > U64_MAX || value < I64_MIN) throw this.refused("a bigint over 64 bits");
    this.reserve(9);
    this.buffer[this.position] = value < 0n ? wire.INT64 : wire.UINT64;
    this.view.setBigUint64(this.position + 1, BigInt.asUintN(64, value));
    this.position += 9;
  }

  protected writeString(value: string): void {
    const n = value.length;
    if (n > LOOP_STRING_MAX) {
      if (n > GUESS_STRING_MAX || !this.#guessString(value)) this.#anyString(value);
      return;
    }
    this.reserve(1 + n);
    const buffer = this.buffer;
    let at = this.position + 1;
    for (let i = 0; i < n; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return this.#anyString(value);
      buffer[at++] = unit;
    }
    buffer[this.position] = 0xa0 | n;
    this.position = at;
  }

  /** Writes a string of 32..255 units as if it were ASCII; false if it wasn't. */
  #guessString(value: string): boolean {
    const n = value.length;
    this.reserve(2 + n * 3);
    if (this.buffer.write(value, this.position + 2, "utf8") !== n) return false;
    this.buffer[this.position] = wire.STR8;
    this.buffer[this.position + 1] = n;
    this.position += 2 + n;
    return true;
  }

  #anyString(value: string): void {
    if (value.length > this.limit) throw this.tooLarge();
    // Half a surrogate pair has no UTF-8; it would arrive as another character.
    if (!value.isWellFormed()) throw this.refused("a string with half a surrogate pair");
    const n = Buffer.byteLength(value);
    this.reserve(5 + n);
    if (n < 32) this.writeByte(0xa0 | n);
    else if (n < 0x100) this.write8(wire.STR8, n);
    else if (n < 0x10000) this.write16(wire.STR16, n);
    else this.write32(wire.STR32, n);
    this.position += this.buffer.write(value, this.position, "utf8");
  }

  /** A type byte and 8 bits, into reserved room. */
  protected write8(type: number, value: number): void {
    this.buffer[this.position] = type;
    this.buffer[this.position + 1] = value;
    this.position += 2;
  }

  protected write16(type: number, value: number): void {
    this.buffer[this.position] = type;
    this.view.setUint16(this.position + 1, value);
    this.position += 3;
  }

  protected write32(type: number, value: number): void {
    this.buffer[this.position] = type;
    this.view.setUint32(this.position + 1, value);
    this.position += 5;
  }

  #grow(bytes: number): void {
    const needed = this.position + bytes;
    const most = this.limit + SLACK_BYTES;
    if (needed > most) throw this.tooLarge();
    const grown = Buffer.allocUnsafeSlow(Math.min(most, Math.max(needed, this.buffer.length * 2)));
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
    this.view = viewOf(grown);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
