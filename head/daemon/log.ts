/**
 * The log: `<state>/log/<n>` segments, each made once under the next number. Making number n is the
 * fence: who finds other bytes there doesn't lead. A segment is a JSON line {ligase, n, epoch,
 * leader, facts, crc32c} and then one JSON line per fact; crc32c is over line one without itself
 * and all that follows.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { crc32c } from "../../runtime/crc32c.ts";
import { SystemError } from "../../runtime/errors.ts";
import { createIfAbsent, hasCode, readIfPresent } from "../../runtime/storage/local.ts";
import type { Fact } from "../core/facts.ts";

const FORMAT = 1;
const NAME = /^\d{12}$/;

const headerSchema = v.strictObject({
  ligase: v.number(),
  n: v.number(),
  epoch: v.number(),
  leader: v.string(),
  facts: v.number(),
  crc32c: v.string(),
});
export type SegmentHeader = Readonly<v.InferOutput<typeof headerSchema>>;

/** The bytes of one segment; equal arguments give equal bytes. */
export function encodeSegment(
  n: number,
  epoch: { readonly number: number; readonly leader: string },
  facts: readonly Fact[],
): Buffer {
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
export function decodeSegment(
  n: number,
  bytes: Buffer,
): { readonly header: SegmentHeader; readonly facts: Fact[] } {
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
 * Every fact of the log in order, and the next free number.
 * @throws {SystemError} LOG_CORRUPT for a damaged or missing segment.
 */
export async function readLog(
  stateFolder: string,
): Promise<{ readonly facts: Fact[]; readonly next: number }> {
  const names = (await listNames(join(stateFolder, "log"))).filter((name) => NAME.test(name));
  const facts: Fact[] = [];
  // As many as there are: a gap shows as a number below that which isn't there.
  for (let n = 1; n <= names.length; n += 1) {
    const bytes = await readIfPresent(segmentPath(stateFolder, n));
    if (bytes === undefined) throw corrupt(n, "it is missing");
    for (const fact of decodeSegment(n, bytes).facts) facts.push(fact);
  }
  return { facts, next: names.length + 1 };
}

/**
 * Makes segment n durable.
 * @throws {SystemError} LOG_FENCED when other bytes stand there: another head leads.
 */
export async function appendSegment(
  stateFolder: string,
  n: number,
  epoch: { readonly number: number; readonly leader: string },
  facts: readonly Fact[],
): Promise<void> {
  const outcome = await createIfAbsent(segmentPath(stateFolder, n), encodeSegment(n, epoch, facts));
  if (outcome === "other") {
    throw new SystemError("LOG_FENCED", `segment ${n} was made by another head`);
  }
}

export function segmentPath(stateFolder: string, n: number): string {
  return join(stateFolder, "log", String(n).padStart(12, "0"));
}

async function listNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return [];
    throw thrown;
  }
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

function corrupt(n: number, what: string): SystemError {
  return new SystemError("LOG_CORRUPT", `log segment ${n}: ${what}`, { segment: n });
}
