/**
 * The log: `<state>/log/<n>` segments, each made once under the next number. Making number n is the
 * fence: who finds other bytes there doesn't lead. A segment is a JSON line {ligase, n, epoch,
 * leader, facts, crc32c} and then one JSON line per fact; crc32c is over line one without itself
 * and all that follows. The segments up to a snapshot's are removed a day after it.
 */
import * as v from "valibot";
import { crc32c } from "../../runtime/storage/crc32c.ts";
import { SystemError } from "../../runtime/errors.ts";
import { anyStorage } from "../../runtime/storage/open.ts";
import type { Storage } from "../../runtime/storage/storage.ts";
import { joinUri } from "../../runtime/storage/uri.ts";
import type { Epoch } from "../../runtime/messages.ts";
import type { Fact } from "../core/facts.ts";

const FORMAT = 1;
const NAME = /^\d{12}$/;
/** Segments that are read at a time: over S3 each takes ~20 ms. */
const READ_AHEAD = 16;

const headerSchema = v.strictObject({
  ligase: v.number(),
  n: v.number(),
  epoch: v.number(),
  leader: v.string(),
  facts: v.number(),
  crc32c: v.string(),
});
export type SegmentHeader = Readonly<v.InferOutput<typeof headerSchema>>;

export interface Segment {
  readonly header: SegmentHeader;
  readonly facts: Fact[];
}

/** Where a log lies. */
export interface LogPlace {
  /** The state's prefix: an absolute path, or `s3://bucket/key`. */
  readonly stateUri: string;
  readonly storage: Storage;
}

/** What a person can do about a damaged state; the end of each LOG_CORRUPT. */
export const REMEDY =
  "restore it from a copy, or move the folders log and snapshot away and run again: " +
  "shards that stand are checked and adopted";

/** The bytes of one segment; equal arguments give equal bytes. */
export function encodeSegment(n: number, epoch: Epoch, facts: readonly Fact[]): Buffer {
  const body = Buffer.from(facts.map((fact) => `${JSON.stringify(fact)}\n`).join(""));
  const { number, leader } = epoch;
  const header = { ligase: FORMAT, n, epoch: number, leader, facts: facts.length };
  return Buffer.concat([headerLine(header, body), body]);
}

function headerLine(header: Omit<SegmentHeader, "crc32c">, body: Buffer): Buffer {
  const checksum = crc32c(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
  return Buffer.from(`${JSON.stringify({ ...header, crc32c: checksum })}\n`);
}

/**
 * The header and facts of one segment.
 * @throws {SystemError} LOG_CORRUPT with the segment's number and what is wrong.
 */
export function decodeSegment(n: number, bytes: Buffer): Segment {
  const bodyAt = bytes.indexOf(10) + 1;
  const header = parseHeader(n, bytes.subarray(0, Math.max(0, bodyAt - 1)));
  const body = bytes.subarray(bodyAt);
  if (header.ligase !== FORMAT) throw corrupt(n, `format ${header.ligase} isn't ${FORMAT}`);
  if (header.n !== n) throw corrupt(n, `its header says ${header.n}`);
  const { epoch: number, leader } = header;
  const again = headerLine({ ligase: FORMAT, n, epoch: number, leader, facts: header.facts }, body);
  if (!again.equals(bytes.subarray(0, bodyAt))) {
    throw corrupt(n, "its checksum doesn't match");
  }
  const lines = body.toString("utf8").split("\n").slice(0, -1);
  if (lines.length !== header.facts) throw corrupt(n, `${header.facts} facts are announced`);
  return { header, facts: lines.map((line) => parseLine(n, Buffer.from(line)) as Fact) };
}

/**
 * One segment; undefined when there is none.
 * @throws {SystemError} LOG_CORRUPT, STORAGE_FAILED.
 */
export async function readSegment(place: LogPlace, n: number): Promise<Segment | undefined> {
  const bytes = await place.storage.readIfPresent(segmentUri(place.stateUri, n));
  return bytes === undefined ? undefined : decodeSegment(n, bytes);
}

/**
 * The segments [from, to] in order, read ahead of whoever takes them.
 * @throws {SystemError} LOG_CORRUPT for a damaged or missing one.
 */
export async function* readSegments(
  place: LogPlace,
  from: number,
  to: number,
): AsyncGenerator<Segment> {
  const { stateUri, storage } = place;
  const reading: Promise<Buffer | undefined>[] = [];
  for (let n = from, next = from; n <= to; n += 1) {
    for (; next <= Math.min(to, n + READ_AHEAD); next += 1) {
      const bytes = storage.readIfPresent(segmentUri(stateUri, next));
      // One that fails behind a damaged one is nobody's: it must not end the process.
      bytes.catch(() => undefined);
      reading.push(bytes);
    }
    const bytes = await reading.shift();
    if (bytes === undefined) throw corrupt(n, "it is missing");
    yield decodeSegment(n, bytes);
  }
}

/** Numbers of the segments that stand, rising; and names in their folder that aren't ours. */
export async function listSegments(
  place: LogPlace,
): Promise<{ readonly numbers: readonly number[]; readonly foreign: readonly string[] }> {
  return await listNumbers(place, "log");
}

/** The same of a folder of the state whose names are numbers. */
export async function listNumbers(
  { stateUri, storage }: LogPlace,
  folder: "log" | "snapshot",
): Promise<{ readonly numbers: readonly number[]; readonly foreign: readonly string[] }> {
  const names = await storage.list(joinUri(stateUri, folder));
  const isOurs = (name: string): boolean => NAME.test(name) && Number(name) > 0;
  return {
    numbers: names.filter(isOurs).map(Number),
    // A name that begins with a dot is what a writer that was killed left behind.
    foreign: names.filter((name) => !isOurs(name) && !name.startsWith(".")),
  };
}

/**
 * Every fact of a log of which nothing was removed, and the next free number. A head reads a log
 * by `Replica`.
 * @throws {SystemError} LOG_CORRUPT for a damaged or missing segment.
 */
export async function readLog(
  stateUri: string,
  storage: Storage = anyStorage,
): Promise<{ readonly facts: Fact[]; readonly next: number }> {
  const place = { stateUri, storage };
  const { numbers } = await listSegments(place);
  const last = numbers.at(-1) ?? 0;
  const facts: Fact[] = [];
  for await (const segment of readSegments(place, 1, last)) {
    for (const fact of segment.facts) facts.push(fact);
  }
  return { facts, next: last + 1 };
}

/**
 * Makes segment n durable.
 * @throws {SystemError} LOG_FENCED when other bytes stand there: another head leads.
 */
export async function appendSegment(
  { stateUri, storage }: LogPlace,
  n: number,
  epoch: Epoch,
  facts: readonly Fact[],
): Promise<void> {
  const bytes = encodeSegment(n, epoch, facts);
  const outcome = await storage.createIfAbsent(segmentUri(stateUri, n), bytes);
  if (outcome === "other") throw fenced(`segment ${n} was made by another head`);
}

/** The error of a head that finds that it doesn't lead. */
export function fenced(what: string): SystemError {
  return new SystemError("LOG_FENCED", what);
}

export function segmentUri(stateUri: string, n: number): string {
  return joinUri(stateUri, "log", numberName(n));
}

/** A number as names have it: 12 digits. */
export function numberName(n: number): string {
  return String(n).padStart(12, "0");
}

function parseHeader(n: number, line: Buffer): SegmentHeader {
  const parsed = v.safeParse(headerSchema, parseLine(n, line));
  if (!parsed.success) throw corrupt(n, "its first line is no header");
  return parsed.output;
}

function parseLine(n: number, line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    throw corrupt(n, "a line isn't JSON");
  }
}

/** The error for a segment that isn't what a head made. */
export function corrupt(n: number, what: string): SystemError {
  return new SystemError("LOG_CORRUPT", `log segment ${n}: ${what}; ${REMEDY}`, { segment: n });
}
