/**
 * The inflater in TypeScript, over Node's zlib: gzip/inflater.cpp, where no addon is. It leaves
 * restart points between members alone, and goes on from points of either kind.
 */
import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";
import {
  GZIP_FAULTS,
  INFLATE_STATES,
  type RawInflated,
  type RawInflater,
  type RestartPoint,
} from "../gzip.ts";
import { headerSize } from "./gzip-header.ts";

/** Compressed bytes given to zlib at once: at gzip's best ratio they give 64 MiB. */
const STEP_BYTES = 64 * 1024;
const TRAILER = 8;

/** A member under way. */
interface Member {
  readonly inflater: InflateRaw;
  /** What zlib gave since the last look. */
  readonly given: Buffer[];
  /** Bits of the file's first byte that belong to what came before. */
  readonly shift: number;
  carry: number;
  crc: number;
  out: number;
  ended: boolean;
  failed: boolean;
}

export class PlainInflater implements RawInflater {
  readonly #spacing: number;
  #input = Buffer.alloc(0);
  #fed: number;
  #atEnd = false;
  #member: Member | undefined;
  #anyMember: boolean;
  #out: number;
  #lastPoint: number;
  #padding = 0;
  #fault = 0;
  #ready: Buffer[] = [];
  #points: RestartPoint[] = [];

  constructor(spacing: number, from?: RestartPoint) {
    this.#spacing = spacing;
    this.#fed = Math.floor((from?.bit ?? 0) / 8);
    this.#out = this.#lastPoint = from?.out ?? 0;
    this.#anyMember = from !== undefined;
    if (from !== undefined && !from.atMember) this.#member = memberFrom(from);
  }

  feed(bytes: Uint8Array): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    this.#fed += bytes.length;
  }

  end(): void {
    this.#atEnd = true;
  }

  async next(most: number): Promise<RawInflated> {
    let state: number = INFLATE_STATES.full;
    while (state === INFLATE_STATES.full && this.#ready.length === 0) state = await this.#step();
    const first = this.#ready.shift() ?? Buffer.alloc(0);
    if (first.length > most) this.#ready.unshift(first.subarray(most));
    const points = this.#points;
    this.#points = [];
    const bytes = first.subarray(0, most);
    const consumed = this.#fed - this.#input.length;
    return { state, bytes, points, consumed, padding: this.#padding, fault: this.#fault };
  }

  async #step(): Promise<number> {
    if (this.#fault !== 0) return INFLATE_STATES.fault;
    if (this.#member?.ended === true) return this.#checkTrailer(this.#member);
    if (this.#input.length === 0) return this.#outOfInput();
    if (this.#member === undefined) return this.#beginMember();
    const taken = this.#input.subarray(0, STEP_BYTES);
    const rest = await inflate(this.#member, taken);
    const behind = this.#input.subarray(taken.length);
    this.#input = rest.length > 0 ? Buffer.concat([rest, behind]) : behind;
    this.#collect(this.#member);
    return this.#member.failed ? this.#fail(GZIP_FAULTS.data) : INFLATE_STATES.full;
  }

  #outOfInput(): number {
    if (!this.#atEnd) return INFLATE_STATES.needsInput;
    const isCut = this.#member !== undefined || !this.#anyMember;
    return isCut ? this.#fail(GZIP_FAULTS.cut) : INFLATE_STATES.ended;
  }

  #beginMember(): number {
    if (this.#anyMember && this.#input[0] === 0) {
      const end = this.#input.findIndex((byte) => byte !== 0);
      const zeros = end < 0 ? this.#input.length : end;
      this.#padding += zeros;
      this.#input = this.#input.subarray(zeros);
      return INFLATE_STATES.full;
    }
    if (this.#padding > 0) return this.#fail(GZIP_FAULTS.tail);
    const size = headerSize(this.#input);
    if (size === undefined) {
      return this.#atEnd ? this.#fail(GZIP_FAULTS.cut) : INFLATE_STATES.needsInput;
    }
    if (size === 0) return this.#fail(GZIP_FAULTS.header);
    if (this.#spacing > 0 && this.#out - this.#lastPoint >= this.#spacing) this.#addPoint();
    this.#input = this.#input.subarray(size);
    this.#anyMember = true;
    this.#member = memberOf(createInflateRaw(), 0);
    return INFLATE_STATES.full;
  }

  #addPoint(): void {
    const bit = (this.#fed - this.#input.length) * 8;
    const window = new Uint8Array(0);
    this.#points.push({ bit, out: this.#out, memberOut: 0, crc: 0, atMember: true, window });
    this.#lastPoint = this.#out;
  }

  #collect(member: Member): void {
    for (const bytes of member.given.splice(0)) {
      member.crc = crc32(bytes, member.crc);
      member.out = (member.out + bytes.length) % 2 ** 32;
      this.#out += bytes.length;
      this.#ready.push(bytes);
    }
  }

  /** After a restart amid a byte, the trailer may stand one byte later than zlib's own end. */
  #checkTrailer(member: Member): number {
    const places = member.shift === 0 ? [0] : [0, 1];
    const isShort = this.#input.length < TRAILER + places.length - 1;
    if (isShort && !this.#atEnd) return INFLATE_STATES.needsInput;
    if (this.#input.length < TRAILER) return this.#fail(GZIP_FAULTS.cut);
    const place = places.find(
      (at) =>
        this.#input.length >= at + TRAILER &&
        this.#input.readUInt32LE(at) === member.crc &&
        this.#input.readUInt32LE(at + 4) === member.out,
    );
    if (place === undefined) return this.#fail(GZIP_FAULTS.checksum);
    this.#input = this.#input.subarray(place + TRAILER);
    this.#member = undefined;
    return INFLATE_STATES.full;
  }

  #fail(fault: number): number {
    this.#fault = fault;
    return INFLATE_STATES.fault;
  }
}

function memberOf(inflater: InflateRaw, shift: number): Member {
  const given: Buffer[] = [];
  const member = { inflater, given, shift, carry: -1, crc: 0, out: 0, ended: false, failed: false };
  inflater.on("data", (bytes: Buffer) => given.push(bytes));
  inflater.on("end", () => {
    member.ended = true;
  });
  return member;
}

function memberFrom(point: RestartPoint): Member {
  const dictionary = point.window.length > 0 ? { dictionary: point.window } : {};
  const member = memberOf(createInflateRaw(dictionary), point.bit % 8);
  member.crc = point.crc;
  member.out = point.memberOut;
  return member;
}

/** Gives bytes to zlib; @returns those that lie behind the deflated data's end. */
async function inflate(member: Member, bytes: Buffer): Promise<Buffer> {
  const { inflater, carry } = member;
  const before = inflater.bytesWritten;
  const shifted = member.shift === 0 ? bytes : shift(member, bytes);
  if (shifted.length === 0) return Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    const fail = (): void => {
      member.failed = true;
      resolve();
    };
    inflater.once("error", fail);
    inflater.write(shifted, () => {
      // `end` comes in a later turn than the write's callback.
      setImmediate(() => {
        inflater.off("error", fail);
        resolve();
      });
    });
  });
  if (!member.ended) return Buffer.alloc(0);
  const unused = shifted.length - (inflater.bytesWritten - before);
  if (member.shift === 0) return bytes.subarray(bytes.length - unused);
  // Shifted bytes are made of two each, so one more than those lies behind.
  const all = carry < 0 ? bytes : Buffer.concat([Buffer.of(carry), bytes]);
  return all.subarray(all.length - unused - 1);
}

/** The bytes moved down by `shift` bits, the last one kept back for its upper bits. */
function shift(member: Member, bytes: Buffer): Buffer {
  const first = member.carry < 0 ? 1 : 0;
  let low = member.carry < 0 ? (bytes[0] as number) : member.carry;
  const moved = Buffer.alloc(bytes.length - first);
  for (let i = first; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    moved[i - first] = ((low >> member.shift) | (byte << (8 - member.shift))) & 255;
    low = byte;
  }
  member.carry = low;
  return moved;
}
