/** Translation in TypeScript: kmers/frames.cpp, where no addon is. */
import { type Frames, MODES, type RawTranslate } from "../translate.ts";

const X = 88;
const STOP = 42;
const FRAMES = [1, 2, 3, -1, -2, -3] as const;
/** Letters, and the bases T 1, C 2, A 4, G 8 that each may stand for. */
const LETTERS = "TCAGUNRYSWKMBDHVX";
const MEANINGS = [1, 2, 4, 8, 1, 15, 12, 3, 10, 5, 9, 6, 11, 13, 7, 14, 15];
const SETS = new Uint8Array(256);
for (const [i, letter] of Array.from(LETTERS).entries()) {
  SETS[letter.charCodeAt(0)] = MEANINGS[i] ?? 0;
  SETS[letter.toLowerCase().charCodeAt(0)] = MEANINGS[i] ?? 0;
}

/** A stretch of one frame: residues [begin, end) of it. */
interface Stretch {
  readonly sequence: number;
  readonly bases: number;
  readonly frame: number;
  readonly residues: Uint8Array;
  readonly begin: number;
  readonly end: number;
}

export const translatePlain: RawTranslate = async (bases, ends, code, mode, lengthMin) => {
  const table = residueTable(code);
  const found: Stretch[] = [];
  for (let i = 0; i + 1 < ends.length; i++) {
    const sets = Uint8Array.from(bases.subarray(ends[i], ends[i + 1]), (byte) => SETS[byte] ?? 0);
    const other = sets.toReversed().map(complementSet);
    const whole = FRAMES.map((frame): Stretch => {
      const residues = residuesOf(frame > 0 ? sets : other, Math.abs(frame) - 1, table);
      const { length: end } = residues;
      return { sequence: i, bases: sets.length, frame, residues, begin: 0, end };
    });
    if (mode === MODES.frames) found.push(...whole);
    else
      found.push(
        ...chosen(
          whole.flatMap((frame) => openFrames(frame, lengthMin)),
          mode,
        ),
      );
  }
  return framesOf(found);
};

/** Residues by the sets of bases of a codon, four bits each. */
function residueTable(code: string): Uint8Array {
  return Uint8Array.from({ length: 4096 }, (_, codon) => {
    const residues = new Set<string>();
    for (let one = 0; one < 64; one++) {
      const bits = [codon >> (8 + (one >> 4)), codon >> (4 + ((one >> 2) & 3)), codon >> (one & 3)];
      if (bits.every((bit) => (bit & 1) === 1)) residues.add(code[one] ?? "X");
    }
    const [residue = "X", ...others] = residues;
    return others.length > 0 ? X : residue.charCodeAt(0);
  });
}

function complementSet(set: number): number {
  return ((set & 3) << 2) | ((set >> 2) & 3);
}

function residuesOf(sets: Uint8Array, shift: number, table: Uint8Array): Uint8Array {
  const n = Math.max(0, Math.floor((sets.length - shift) / 3));
  return Uint8Array.from({ length: n }, (_, i) => {
    const at = shift + 3 * i;
    const [first = 0, second = 0, third = 0] = sets.subarray(at, at + 3);
    return table[(first << 8) | (second << 4) | third] ?? X;
  });
}

function openFrames(frame: Stretch, lengthMin: number): readonly Stretch[] {
  const open: Stretch[] = [];
  for (let begin = 0; begin < frame.residues.length; ) {
    const stop = frame.residues.indexOf(STOP, begin);
    const end = stop < 0 ? frame.residues.length : stop;
    if (end - begin >= lengthMin) open.push({ ...frame, begin, end });
    begin = end + 1;
  }
  return open;
}

function chosen(open: readonly Stretch[], mode: number): readonly Stretch[] {
  if (mode === MODES.all) return open;
  const longest = Math.max(0, ...open.map(({ begin, end }) => end - begin));
  return open.filter(({ begin, end }) => end - begin === longest).slice(0, 1);
}

function framesOf(found: readonly Stretch[]): Frames {
  const ends = [0];
  for (const { begin, end } of found) ends.push((ends.at(-1) ?? 0) + end - begin);
  const places = found.map(({ bases, frame, begin, end }) => {
    const shift = Math.abs(frame) - 1;
    const [from, to] = [shift + 3 * begin, shift + 3 * end];
    return frame > 0 ? [from, to] : [bases - to, bases - from];
  });
  return {
    residues: new Uint8Array(
      Buffer.concat(found.map(({ residues, begin, end }) => residues.subarray(begin, end))),
    ),
    ends: Int32Array.from(ends),
    sequences: Int32Array.from(found, ({ sequence }) => sequence),
    frames: Int32Array.from(found, ({ frame }) => frame),
    begins: Int32Array.from(places, ([from = 0]) => from),
    stops: Int32Array.from(places, ([, to = 0]) => to),
  };
}
