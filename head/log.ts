/**
 * The log: `<state>/log/<n>` segments, each made once under the next number. Making number n is the
 * fence: who finds other bytes there doesn't lead. A segment is a JSON line {ligase, n, epoch,
 * leader, facts, crc32c} and then one JSON line per fact; crc32c is over all bytes after line one.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "../runtime/crc32c.ts";
import { SystemError } from "../runtime/errors.ts";
import { createIfAbsent, hasCode, readIfPresent } from "../runtime/storage/local.ts";
import type { Fact } from "./facts.ts";

const FORMAT = 1;
const NAME = /^\d{12}$/;

export interface SegmentHeader {
  readonly ligase: number;
  readonly n: number;
  readonly epoch: number;
  readonly leader: string;
  readonly facts: number;
  readonly crc32c: string;
}

/** The bytes of one segment; equal arguments give equal bytes. */
export function encodeSegment(
  n: number,
  epoch: { readonly number: number; readonly leader: string },
  facts: readonly Fact[],
): Buffer {
  const body = Buffer.from(facts.map((fact) => `${JSON.stringify(fact)}\n`).join(""));
  const header: SegmentHeader = {
    ligase: FORMAT,
    n,
    epoch: epoch.number,
    leader: epoch.leader,
    facts: facts.length,
    crc32c: crc32c(body),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

/**
 * The header and facts of one segment.
 * @throws {SystemError} LOG_CORRUPT with the segment's number and what is wrong.
 */
export function decodeSegment(
  n: number,
  bytes: Buffer,
): { readonly header: SegmentHeader; readonly facts: Fact[] } {
  const newline = bytes.indexOf(10);
  const header = parseLine<SegmentHeader>(n, bytes.subarray(0, newline < 0 ? 0 : newline));
  const body = bytes.subarray(newline + 1);
  if (header.ligase !== FORMAT) throw corrupt(n, `format ${header.ligase} isn't ${FORMAT}`);
  if (header.n !== n) throw corrupt(n, `its header says ${header.n}`);
  if (header.crc32c !== crc32c(body)) throw corrupt(n, "its checksum doesn't match");
  const lines = body.toString("utf8").split("\n").slice(0, -1);
  if (lines.length !== header.facts) throw corrupt(n, `${header.facts} facts are announced`);
  return { header, facts: lines.map((line) => parseLine<Fact>(n, Buffer.from(line))) };
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
  for (const [index, name] of names.sort().entries()) {
    const n = index + 1;
    if (Number(name) !== n) throw corrupt(n, "it is missing");
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

function parseLine<T>(n: number, line: Buffer): T {
  try {
    return JSON.parse(line.toString("utf8")) as T;
  } catch {
    throw corrupt(n, "a line isn't JSON");
  }
}

function corrupt(n: number, what: string): SystemError {
  return new SystemError("LOG_CORRUPT", `log segment ${n}: ${what}`, { segment: n });
}
