/**
 * Records as text: names, FASTQ and FASTA in one line or wrapped, either line end, and records
 * that break the format on demand.
 */
import type { Sequencer } from "./sequencer.ts";
import { checkLabel, checkWhole, NAME_BYTES_MAX } from "./limits.ts";
import { SystemError } from "../../runtime/errors.ts";

/** How a record of four lines is broken. `cut` ends the file there: nothing follows it. */
export const BAD_KINDS = [
  "short-quality",
  "long-quality",
  "no-quality",
  "other-title",
  "no-plus",
  "no-at",
  "space-in-bases",
  "foreign-base",
  "control-in-quality",
  "nul-in-quality",
  "cut",
] as const;
export type BadKind = (typeof BAD_KINDS)[number];

export interface TextOptions {
  /** Default "\n". */
  readonly lineEnd?: "\n" | "\r\n";
  /** Letters of a line of bases or qualities; 0 (default) is one line. */
  readonly lineWidth?: number;
  readonly names?: {
    /**
     * plain (default): `sim_<i>` for both mates; slash: `/1`, `/2` behind it; casava: an
     * instrument's name with tile and place, and ` 1:N:0:ATCACG`.
     */
    readonly style?: "plain" | "slash" | "casava";
    /** First word of a casava name: "NB551000" (default) is of two colours, "M00001" of four. */
    readonly instrument?: string;
    /** Puts ` genome=<name> strain=<name>` behind the name. Default false. */
    readonly labels?: boolean;
  };
  /** Records first, first + every, ... of first reads are broken, by the kinds in turn. */
  readonly bad?: {
    readonly kinds: readonly BadKind[];
    readonly every: number;
    /** Default every - 1. */
    readonly first?: number;
  };
}

const TILE_READS = 1_000_000;
const ROW_READS = 1_000;
const FIRST_TILE = 1_101;

/** @throws {SystemError} USAGE for options out of bounds. */
export function checkText({ lineWidth = 0, names, bad }: TextOptions): void {
  checkWhole("line width", lineWidth, 0, 2 ** 30);
  if (names?.instrument !== undefined) checkLabel("instrument", names.instrument);
  if (bad === undefined) return;
  checkWhole("number of bad kinds", bad.kinds.length, 1, 1_000);
  checkWhole("distance of bad records", bad.every, 1, Number.MAX_SAFE_INTEGER);
  checkWhole("first bad record", bad.first ?? 0, 0, Number.MAX_SAFE_INTEGER);
  if (lineWidth > 0)
    throw new SystemError("USAGE", "simulated bad records: only records of four lines are broken");
}

/** How record `number` is broken, or undefined. */
export function badKindOf({ bad }: TextOptions, number: number): BadKind | undefined {
  if (bad === undefined) return undefined;
  const distance = number - (bad.first ?? bad.every - 1);
  if (distance < 0 || distance % bad.every !== 0) return undefined;
  return bad.kinds[(distance / bad.every) % bad.kinds.length];
}

/** The name of record `number`, mate 0 or 1, without `@` and without labels. */
export function nameOf({ names }: TextOptions, number: number, mate: 0 | 1): string {
  switch (names?.style) {
    case "slash":
      return `sim_${number}/${mate + 1}`;
    case "casava": {
      const tile = FIRST_TILE + Math.floor(number / TILE_READS);
      const inTile = number % TILE_READS;
      const x = 1_000 + (inTile % ROW_READS);
      const y = 1_000 + Math.floor(inTile / ROW_READS);
      const place = `${tile}:${x}:${y}`;
      return `${names.instrument ?? "NB551000"}:1:HSIMBGXX:1:${place} ${mate + 1}:N:0:ATCACG`;
    }
    default:
      return `sim_${number}`;
  }
}

/** Bytes that a record with `letters` bases may take at most. */
export function recordBytesMax(letters: number, { lineWidth = 0 }: TextOptions): number {
  const lines = lineWidth === 0 ? 1 : Math.ceil(letters / lineWidth) + 1;
  return NAME_BYTES_MAX + 2 * (letters + 2 * lines);
}

/** Writes the FASTQ record of `read` at `begin`; @returns its end. */
export function writeFastq(
  text: Buffer,
  begin: number,
  record: { readonly title: string; readonly read: Sequencer },
  options: TextOptions,
): number {
  const lineEnd = options.lineEnd ?? "\n";
  const { letters, qualities, length } = record.read;
  let end = begin + text.write(`@${record.title}${lineEnd}`, begin, "latin1");
  end = writeLines(text, end, letters, length, options);
  end += text.write(`+${lineEnd}`, end, "latin1");
  return writeLines(text, end, qualities, length, options);
}

/** Writes `length` letters at `begin` in the form's lines, one at least; @returns their end. */
export function writeLines(
  text: Buffer,
  begin: number,
  letters: Uint8Array,
  length: number,
  { lineEnd = "\n", lineWidth = 0 }: TextOptions,
): number {
  const width = lineWidth === 0 ? Math.max(1, length) : lineWidth;
  let end = begin;
  for (let from = 0; from === 0 || from < length; from += width) {
    const to = Math.min(length, from + width);
    text.set(letters.subarray(from, to), end);
    end += to - from;
    if (lineEnd === "\r\n") text[end++] = 13;
    text[end++] = 10;
  }
  return end;
}

/** The lines of a record, broken in this way; `cut` ends within the qualities, without line end. */
export function brokenRecord(
  kind: BadKind,
  record: { readonly title: string; readonly read: Sequencer },
  lineEnd: string,
): string {
  const { letters, qualities, length } = record.read;
  const title = `@${record.title}`;
  const bases = Buffer.from(letters.subarray(0, length)).toString("latin1");
  const quality = Buffer.from(qualities.subarray(0, length)).toString("latin1");
  const lines = linesOf(kind, title, bases, quality);
  return kind === "cut" ? lines.join(lineEnd) : `${lines.join(lineEnd)}${lineEnd}`;
}

function linesOf(kind: BadKind, title: string, bases: string, quality: string): string[] {
  switch (kind) {
    case "short-quality":
      return [title, bases, "+", quality.slice(1)];
    case "long-quality":
      return [title, bases, "+", `${quality}I`];
    case "no-quality":
      return [title, bases, "+"];
    case "other-title":
      return [title, bases, "+another", quality];
    case "no-plus":
      return [title, bases, quality];
    case "no-at":
      return [title.slice(1), bases, "+", quality];
    case "space-in-bases":
      return [title, `${bases.slice(1)} `, "+", quality];
    case "foreign-base":
      return [title, `${bases.slice(1)}!`, "+", quality];
    case "control-in-quality":
      return [title, bases, "+", `${quality.slice(1)}\u001b`];
    case "nul-in-quality":
      return [title, bases, "+", `${quality.slice(1)}\0`];
    case "cut":
      return [title, bases, "+", quality.slice(0, quality.length >> 1)];
    default:
      return kind satisfies never;
  }
}
