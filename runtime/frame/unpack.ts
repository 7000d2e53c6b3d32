/**
 * MessagePack bytes to values. It runs on scanned bytes only, so that no read can pass the end
 * and no nesting can exhaust the stack; what the scan can't see (keys, blobs, dates) is checked
 * here.
 */
import { randomBytes } from "node:crypto";
import { type ErrorData, errorWithoutStack, SystemError } from "../errors.ts";
import { FRAME_COST_MAX } from "../limits.ts";
import { blobFrom } from "./blobs.ts";
import { blobOfRef, readDate, readObjectRef } from "./extensions.ts";
import type { ObjectRef } from "./object-ref.ts";
import { type ReadKey, readKey, readString } from "./strings.ts";
import * as wire from "./wire.ts";

/** Blobs of a frame: start and length of each, from the frame's start. */
export interface BlobTable {
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
}

const NO_BLOBS: BlobTable = { offsets: [], lengths: [] };
/**
 * New steps between shapes in one frame; its further objects are tables. More are a list of
 * objects that have nothing in common, or somebody who knows what shapes cost.
 */
const NEW_TRANSITIONS_MAX = 512;
/** Odd, and nobody's to guess: shapes that look alike by this would pass for one. */
const SHAPE_SEED = randomBytes(4).readUInt32LE() | 1;
/** The last index that there is. */
const INDEX_LAST = "4294967294";
const EMPTY = Buffer.alloc(0);
const EMPTY_VIEW = new DataView(new ArrayBuffer(0));

/**
 * Reads values one behind the other from one frame.
 *
 * Invariant: the n-th blob of the header names the n-th of the table, each once; a blob named often
 * would let a small frame ask for much memory.
 */
export class Unpacker {
  position = 0;
  blobsRead = 0;
  #buffer: Buffer = EMPTY;
  #view: DataView = EMPTY_VIEW;
  #blobs: BlobTable = NO_BLOBS;
  readonly #read: ReadKey = { text: "", slot: -1, isKnown: false };
  /** What the frame costs so far, and its keys: kept only where they could pass the bound. */
  #cost = 0;
  #countsKeys = false;
  readonly #keys = new Set<string>();
  /** Steps from one shape of an object to another that the engine hadn't made before. */
  #newTransitions = 0;
  readonly #shapes = new Set<number>();

  /** Starts at `position` of a frame whose header was scanned. */
  open(frame: Buffer, position: number): void {
    this.#buffer = frame;
    this.#view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    this.#blobs = NO_BLOBS;
    this.position = position;
    this.blobsRead = 0;
  }

  /** What the scan found: the cost of all values, new keys not included, and the number of keys. */
  expect(cost: number, keys: number): void {
    this.#cost = cost;
    this.#countsKeys = cost + keys * (wire.COST_NEW_KEY + wire.COST_ODD_KEY) > FRAME_COST_MAX;
  }

  /** The blobs that the values to come may name. */
  useBlobs(blobs: BlobTable): void {
    this.#blobs = blobs;
  }

  /** Lets the frame go, so that an idle unpacker keeps no memory alive. */
  close(): void {
    this.#buffer = EMPTY;
    this.#view = EMPTY_VIEW;
    this.#blobs = NO_BLOBS;
    this.#newTransitions = 0;
    if (this.#keys.size > 0) this.#keys.clear();
    if (this.#shapes.size > 0) this.#shapes.clear();
  }

  /** The number of items of the array that starts here. @throws {SystemError} FRAME_INVALID. */
  arrayLength(): number {
    const type = this.#buffer[this.position] as number;
    if (type >= 0x90 && type < 0xa0) {
      this.position++;
      return type & 15;
    }
    const wide = type === wire.ARRAY32;
    if (!wide && type !== wire.ARRAY16) throw this.#invalid("not an array");
    this.position += wide ? 5 : 3;
    return wide ? this.#view.getUint32(this.position - 4) : this.#view.getUint16(this.position - 2);
  }

  /** The next value. @throws {SystemError} FRAME_INVALID. */
  read(): unknown {
    const type = this.#buffer[this.position++] as number;
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type >= 0xa0 && type < 0xc0) return this.#string(type & 31);
    if (type < 0x90) return this.#map(type & 15);
    if (type < 0xa0) return this.#array(type & 15);
    return this.#typed(type);
  }

  #typed(type: number): unknown {
    const view = this.#view;
    const at = this.position;
    switch (type) {
      case wire.NIL:
        return null;
      case wire.FALSE:
        return false;
      case wire.TRUE:
        return true;
      case wire.UINT8:
        this.position = at + 1;
        return this.#buffer[at];
      case wire.UINT16:
        this.position = at + 2;
        return view.getUint16(at);
      case wire.UINT32:
        this.position = at + 4;
        return view.getUint32(at);
      case wire.FLOAT64:
        this.position = at + 8;
        return view.getFloat64(at);
      case wire.INT8:
        this.position = at + 1;
        return view.getInt8(at);
      case wire.INT16:
        this.position = at + 2;
        return view.getInt16(at);
      case wire.INT32:
        this.position = at + 4;
        return view.getInt32(at);
      case wire.FLOAT32:
        this.position = at + 4;
        return view.getFloat32(at);
      case wire.UINT64:
        this.position = at + 8;
        return view.getBigUint64(at);
      case wire.INT64:
        this.position = at + 8;
        return view.getBigInt64(at);
      case wire.STR8:
      case wire.STR16:
      case wire.STR32:
        return this.#string(this.#length(type - wire.STR8));
      case wire.ARRAY16:
      case wire.ARRAY32:
        return this.#array(this.#length(type - wire.ARRAY16 + 1));
      case wire.MAP16:
      case wire.MAP32:
        return this.#map(this.#length(type - wire.MAP16 + 1));
      default:
        return this.#extension(type);
    }
  }

  /** A length of 1, 2 or 4 bytes, for widths 0, 1, 2. */
  #length(width: number): number {
    const at = this.position;
    if (width === 0) {
      this.position = at + 1;
      return this.#buffer[at] as number;
    }
    this.position = at + width * 2;
    return width === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #string(bytes: number): string {
    const at = this.position;
    this.position = at + bytes;
    return readString(this.#buffer, at, bytes);
  }

  #array(n: number): unknown[] {
    const items = new Array<unknown>(n);
    for (let i = 0; i < n; i++) items[i] = this.read();
    return items;
  }

  #map(n: number): unknown {
    if (n === 1 && this.#buffer[this.position] === wire.NIL) return this.#error();
    const fields = this.#newTransitions > NEW_TRANSITIONS_MAX ? slowObject() : {};
    const transitions = this.#newTransitions;
    let shape = n;
    let isSparse = false;
    for (let i = 0; i < n; i++) {
      const key = this.#key();
      shape = Math.imul(shape ^ this.#read.slot, SHAPE_SEED) ^ (shape >>> 15);
      if (!wire.isOddKey(key, i)) fields[key] = this.read();
      else {
        this.#count(wire.COST_ODD_KEY);
        if (key !== "__proto__" && !isSparse) isSparse = makeSparse(fields);
        // An assignment to that one would set the prototype; the sender had an own field.
        defineField(fields, key, this.read());
      }
    }
    // Each new key was counted as it came; known ones in a new order make new shapes too.
    const isNew = this.#newTransitions === transitions && n > 0 && !this.#shapes.has(shape);
    if (isNew || this.#newTransitions !== transitions) this.#shapes.add(shape);
    if (isNew) this.#newTransitions += n;
    return fields;
  }

  #key(): string {
    const type = this.#buffer[this.position++] as number;
    let bytes: number;
    if (type >= 0xa0 && type < 0xc0) bytes = type & 31;
    else if (type >= wire.STR8 && type <= wire.STR32) bytes = this.#length(type - wire.STR8);
    else throw this.#invalid("a key that isn't a string");
    const key = this.#read;
    readKey(this.#buffer, this.position, bytes, key);
    this.position += bytes;
    if (!key.isKnown) this.#newTransitions++;
    if (this.#countsKeys && !this.#keys.has(key.text)) {
      this.#keys.add(key.text);
      this.#count(wire.COST_NEW_KEY);
    }
    return key.text;
  }

  /** Adds what the scan couldn't see. */
  #count(cost: number): void {
    this.#cost += cost;
    if (this.#cost > FRAME_COST_MAX) throw this.#invalid("too costly to decode");
  }

  #error(): SystemError {
    this.position++;
    const data = this.read();
    if (!Array.isArray(data) || data.length !== 3) throw this.#invalid("not an error");
    const [code, what, where] = data as readonly unknown[];
    if (typeof code !== "string" || typeof what !== "string" || !isWhere(where)) {
      throw this.#invalid("not an error");
    }
    return errorWithoutStack({ code, what, where } as ErrorData);
  }

  #extension(type: number): unknown {
    // FIXEXT: type byte here, content behind; EXT8 has its length between.
    const at = this.position + (type === wire.EXT8 ? 2 : 1);
    const kind = this.#buffer[at - 1];
    if (kind === wire.EXT_UNDEFINED) {
      this.position = at + 1;
      return undefined;
    }
    if (kind === wire.EXT_BLOB) return this.#blob(at);
    const bytes =
      type === wire.EXT8 ? (this.#buffer[at - 2] as number) : type === wire.FIXEXT4 ? 4 : 8;
    this.position = at + bytes;
    if (kind === wire.EXT_OBJECT_REF) {
      return this.#objectRef(at);
    }
    const milliseconds = readDate(this.#buffer, at, bytes);
    if (milliseconds === undefined) throw this.#invalid("a date out of range");
    return new Date(milliseconds);
  }

  #objectRef(at: number): ObjectRef {
    const index = blobOfRef(this.#buffer, at);
    if (index === undefined) throw this.#invalid("an ObjectRef of no form");
    let inline: Uint8Array | undefined;
    if (index >= 0) {
      const offset = this.#nextBlob(index);
      // A copy: a ref that is kept would keep its whole frame.
      const end = offset + (this.#blobs.lengths[index] as number);
      inline = new Uint8Array(this.#buffer.subarray(offset, end));
    }
    const ref = readObjectRef(this.#buffer, at, inline);
    if (ref === undefined) throw this.#invalid("an ObjectRef of no exact size or place");
    return ref;
  }

  #blob(at: number): unknown {
    const buffer = this.#buffer;
    const kind = buffer[at] as number;
    const index = (buffer[at + 2] as number) | ((buffer[at + 3] as number) << 8);
    if (buffer[at + 1] !== 0) throw this.#invalid(`blob ${index} of no form`);
    const offset = this.#nextBlob(index);
    const value = blobFrom(buffer, { kind, offset, length: this.#blobs.lengths[index] as number });
    if (value === undefined) throw this.#invalid(`a blob of kind ${kind} with a wrong size`);
    this.position = at + 4;
    return value;
  }

  /** Where a blob starts; they are named in their order, each once. */
  #nextBlob(index: number): number {
    const offset = this.#blobs.offsets[index];
    if (index !== this.blobsRead || offset === undefined) {
      throw this.#invalid(`blob ${index} where ${this.blobsRead} is due`);
    }
    this.blobsRead++;
    return offset;
  }

  #invalid(what: string): SystemError {
    return new SystemError("FRAME_INVALID", `broken header: ${what}`, {
      byteOffset: this.position,
    });
  }
}

// One descriptor for all: a fresh one costs as much again.
const FIELD = { value: undefined as unknown, enumerable: true, configurable: true, writable: true };

function defineField(fields: object, key: string, value: unknown): void {
  FIELD.value = value;
  Object.defineProperty(fields, key, FIELD);
  FIELD.value = undefined;
}

/**
 * An object whose fields the engine keeps in a table from the start: a new field costs a third of
 * what a new shape does (0.4 against 1.4 us, measured), whatever came before it.
 */
function slowObject(): Record<string, unknown> {
  const fields: Record<string, unknown> = { a: 0, b: 0 };
  delete fields["a"];
  delete fields["b"];
  return fields;
}

/** Makes an object keep its indices in a table. */
function makeSparse(fields: Record<string, unknown>): true {
  fields[INDEX_LAST] = 0;
  delete fields[INDEX_LAST];
  return true;
}

function isWhere(where: unknown): boolean {
  if (
    where === null ||
    typeof where !== "object" ||
    Object.getPrototypeOf(where) !== Object.prototype
  ) {
    return false;
  }
  return Object.values(where).every(
    (field) => field === undefined || typeof field === "string" || typeof field === "number",
  );
}
