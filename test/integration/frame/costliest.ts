/**
 * Measures how long the costliest frames of each kind take to decode, and prints that as JSON: by
 * kind, milliseconds of the thread's own time. A process of its own, because a test runner's way of
 * loading modules makes every constant of another module a call.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { PREFIX_BYTES } from "../../../runtime/frame/prefix.ts";
import { FRAME_BYTES_MAX, FRAME_VALUES_MAX } from "../../../runtime/limits.ts";
import { FIELDS, frameWith } from "../../unit/frame/fixtures.ts";
import { randomOf } from "../../unit/link/faults.ts";

/** Mixtures of kinds that are tried. */
const MIXTURES = 5;
/** Frames whose time is taken together, because the thread's clock ticks in milliseconds. */
const FRAMES = 3;
/** Rounds of which the median counts: other work on the machine slows some of them. */
const ROUNDS = 3;

const bytesOf = (text: string): number[] => {
  const bytes = [...Buffer.from(text)];
  return bytes.length < 32 ? [0xa0 | bytes.length, ...bytes] : [0xd9, bytes.length, ...bytes];
};
const NIL = 0xc0;

type Random = () => number;
type Unit = (random: Random, i: number) => number[];
const word = (random: Random, length: number): string => {
  let text = "";
  for (let i = 0; i < length; i++) text += String.fromCharCode(97 + Math.floor(random() * 26));
  return text;
};
const field = (key: string): number[] => [...bytesOf(key), NIL];
/** A map of `n` fields. */
const mapOf = (n: number, key: (i: number) => string): number[] => [
  ...(n < 16 ? [0x80 | n] : [0xde, n >>> 8, n & 255]),
  ...Array.from({ length: n }, (_, i) => field(key(i))).flat(),
];

/** Values that cost more than their bytes let on, as MessagePack. */
const UNITS: Record<string, Unit> = {
  "small numbers": () => [5],
  floats: (random) => [0xcb, 0x40, 1, 2, 3, 4, 5, 6, Math.floor(random() * 256)],
  "empty arrays": () => [0x90],
  "empty arrays, wide": () => [0xdd, 0, 0, 0, 0],
  "empty maps": () => [0x80],
  undefineds: () => [0xd4, 0, 0],
  "nested arrays": () => [...new Array<number>(12).fill(0x91), 0x90],
  "nested maps": () => [...Array.from({ length: 12 }, () => [0x81, 0xa1, 0x61]).flat(), 0x80],
  "short texts": (random) => bytesOf(word(random, 7)),
  "short texts that aren't ASCII": (random) => bytesOf(`é${word(random, 3)}`),
  "longer texts": (random) => bytesOf(`€${word(random, 14)}`),
  "texts that aren't UTF-8": () => [0xbf, ...new Array<number>(31).fill(0xff)],
  "short texts that aren't UTF-8": () => [0xa4, 0xff, 0xfe, 0x80, 0x81],
  dates: () => [0xd6, 0xff, 1, 2, 3, 4],
  "long dates": () => [0xc7, 12, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1],
  bigints: () => [0xd3, 0x81, 2, 3, 4, 5, 6, 7, 8],
  refs: (random) => [
    0xc7,
    32,
    2,
    ...Array.from({ length: 17 }, () => Math.floor(random() * 256)),
    ...new Array<number>(7).fill(0),
    ...Array.from({ length: 8 }, () => Math.floor(random() * 256)),
  ],
  errors: () => [0x81, NIL, 0x93, 0xa0, 0xa0, 0x80],
  "errors with a place": (random) => [
    ...[0x81, NIL, 0x93, ...bytesOf("INTERNAL"), ...bytesOf(word(random, 4))],
    ...[0x81, ...bytesOf(word(random, 3)), 1],
  ],
  "maps of the same key": () => mapOf(1, () => "k"),
  "maps of keys in any order": (random) => {
    const names = Array.from("abcdefghijklmnop");
    return mapOf(15, () => names.splice(Math.floor(random() * names.length), 1)[0] ?? "");
  },
  "maps of a new key": (random) => mapOf(1, () => word(random, 4)),
  "maps of two new keys": (random) => mapOf(2, () => word(random, 4)),
  "maps of three new keys": (random) => mapOf(3, () => word(random, 4)),
  "maps of 15 new keys": (random) => mapOf(15, () => word(random, 4)),
  "maps of 40 new keys": (random) => mapOf(40, () => word(random, 4)),
  "maps of 1,000 new keys": (random) => mapOf(1_000, () => word(random, 4)),
  "maps of long keys": (random) => mapOf(2, () => word(random, 45)),
  "maps of new keys that aren't ASCII": (random) => mapOf(2, () => `é${word(random, 4)}`),
  "maps named __proto__": () => [0x81, ...bytesOf("__proto__"), 0x80],
  "maps of an index": () => mapOf(1, () => "1023"),
  "maps of a large index": () => mapOf(1, () => "4294967294"),
  "maps of far indices": () => mapOf(256, (i) => String(i * 1_000)),
  "maps of falling indices": () => mapOf(500, (i) => String(500 - i)),
};

/** These units in turn, at most `n`, as many as fit a frame. */
function partsOf(units: readonly Unit[], seed: number, n: number): Buffer[] {
  const random = randomOf(seed);
  const parts: Buffer[] = [];
  let bytes = PREFIX_BYTES + 7;
  for (let i = 0; i < n; i++) {
    const part = Buffer.from(units[i % units.length]?.(random, i) ?? []);
    if (bytes + part.length > FRAME_BYTES_MAX) break;
    parts.push(part);
    bytes += part.length;
  }
  return parts;
}

function frameOf(parts: readonly Buffer[]): Uint8Array {
  const head = Buffer.from([0x92, 0x90, 0xdd, 0, 0, 0, 0]);
  head.writeUInt32BE(parts.length, 3);
  return frameWith(Buffer.concat([head, ...parts]));
}

/** The most of them that a receiver takes. */
function mostTaken(units: readonly Unit[]): number {
  const parts = partsOf(units, 1, FRAME_VALUES_MAX);
  let [low, high] = [1, parts.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isTaken(frameOf(parts.slice(0, middle)))) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isTaken(frame: Uint8Array): boolean {
  try {
    decodeFrame(frame);
    return true;
  } catch (thrown) {
    if (thrown instanceof SystemError && thrown.code === "FRAME_INVALID") return false;
    throw thrown;
  }
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Measurements of one kind: a busy machine's shared caches slow some of them, and some much. */
const TRIES = 4;
/** Milliseconds below which nobody asks again. */
const CLEARLY_QUICK_MS = 4;

/** Milliseconds of this thread's time that one of these frames takes, typically. */
function typical(frames: readonly Uint8Array[]): number {
  let least = medianOf(frames);
  for (let i = 1; i < TRIES && least > CLEARLY_QUICK_MS; i++) {
    least = Math.min(least, medianOf(frames));
  }
  return least;
}

function medianOf(frames: readonly Uint8Array[]): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    // Else this thread would clear away what the test has left.
    collectGarbage();
    const start = process.threadCpuUsage();
    for (const frame of frames) isTaken(frame);
    const { user, system } = process.threadCpuUsage(start);
    return (user + system) / 1_000 / frames.length;
  });
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

/** The same of the costliest frames that are taken, and of such as are refused. */
function worst(units: readonly Unit[]): number {
  const most = mostTaken(units);
  const all = Array.from({ length: FRAMES }, (_, i) =>
    partsOf(units, i * 7_919 + 1, Math.ceil(most * 1.1)),
  );
  const taken = typical(all.map((parts) => frameOf(parts.slice(0, most))));
  return Math.max(taken, typical(all.map(frameOf)));
}

const repeated = (frame: Uint8Array): Uint8Array[] => Array.from({ length: FRAMES }, () => frame);

/** The largest frame of `n` such values. */
function largest(value: unknown): Uint8Array {
  for (let n = FRAME_VALUES_MAX; ; n -= 500) {
    try {
      return encodeFrame(FIELDS, new Array(n).fill(value));
    } catch (thrown) {
      if (!(thrown instanceof SystemError) || thrown.code !== "FRAME_TOO_LARGE") throw thrown;
    }
  }
}

/** A frame of one text of this byte, as long as it may be. */
function oneText(byte: number): Uint8Array {
  const text = Buffer.alloc(FRAME_BYTES_MAX - PREFIX_BYTES - 7, byte);
  const head = Buffer.from([0x92, 0x90, 0xdb, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 3);
  return frameWith(Buffer.concat([head, text]));
}

const times: Record<string, number> = {};
for (const [name, unit] of Object.entries(UNITS)) times[name] = worst([unit]);
times["one text"] = typical(repeated(oneText(0x61)));
times["one text that isn't UTF-8"] = typical(repeated(oneText(0xff)));
times["blobs to view"] = typical(repeated(largest(new Uint8Array(0))));
times["blobs to copy"] = typical(repeated(largest(new ArrayBuffer(8))));
times["blobs that aren't aligned"] = typical(repeated(largest(new Float64Array(1))));
const random = randomOf(Number(process.argv[2]));
for (let i = 0; i < MIXTURES; i++) {
  const kinds = Object.keys(UNITS);
  const names = Array.from({ length: 2 + Math.floor(random() * 4) }, () => {
    return kinds[Math.floor(random() * kinds.length)] ?? "";
  });
  times[names.join(" + ")] = worst(names.flatMap((name) => UNITS[name] ?? []));
}
process.stdout.write(`${JSON.stringify(times)}\n`);
