/**
 * A snapshot: `<state>/snapshot/<n>`, the durable state after the segments 1..n. The first line is
 * a JSON header {ligase, n, epoch, leader, facts, atMs, lines, crc32c}, crc32c over line one
 * without itself and all that follows. Then the state, as lines of bounded size, so that making one
 * doesn't hold a process up: a value, or further entries of a map that stands in an earlier line.
 * Maps and sets come back as such, in their order; what JSON can't tell from them is marked.
 */
import * as v from "valibot";
import { crc32cUpdate } from "../../../runtime/storage/crc32c.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import { type DurableState, emptyState } from "../../core/facts.ts";
import { numberName, REMEDY } from "../log.ts";

const FORMAT = 1;
/** Characters after which a line ends: 100 receipts, made or read in under 1 ms. */
const LINE_CHARS = 64 * 1024;
/** Bytes that are checked at a time: under 1 ms. */
const CHECKED_BYTES = 1024 * 1024;
/** How the marks of maps and the like begin in JSON. */
const MARK = '"$';

const headerSchema = v.strictObject({
  ligase: v.number(),
  n: v.number(),
  /** Of the last leader up to there. */
  epoch: v.number(),
  leader: v.string(),
  /** Facts that were applied. */
  facts: v.number(),
  /** When it was made, by its leader's wall clock. */
  atMs: v.number(),
  lines: v.number(),
  crc32c: v.string(),
});
export type SnapshotHeader = Readonly<v.InferOutput<typeof headerSchema>>;

/**
 * The bytes of a snapshot, made a line at a time.
 * @param state - which nobody changes meanwhile.
 * @param pause - awaited after each line.
 */
export async function encodeSnapshot(
  n: number,
  state: DurableState,
  atMs: number,
  pause: () => Promise<void>,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for (const line of linesOf(state)) {
    const chunk = Buffer.from(`${line}\n`);
    chunks.push(chunk);
    length += chunk.length;
    await pause();
  }
  const { epoch, facts } = state;
  const header = {
    ...{ ligase: FORMAT, n, epoch: epoch.number, leader: epoch.leader, facts, atMs },
    lines: chunks.length,
  };
  let crc = crc32cUpdate(0, Buffer.from(`${JSON.stringify(header)}\n`));
  for (const chunk of chunks) {
    crc = crc32cUpdate(crc, chunk);
    await pause();
  }
  const first = Buffer.from(`${JSON.stringify({ ...header, crc32c: hex(crc) })}\n`);
  const bytes = Buffer.allocUnsafeSlow(first.length + length);
  let at = first.copy(bytes);
  for (const chunk of chunks) {
    at += chunk.copy(bytes, at);
    await pause();
  }
  return bytes;
}

/**
 * A snapshot's header and state.
 * @throws {SystemError} LOG_CORRUPT with its number and what is wrong.
 */
export function decodeSnapshot(
  n: number,
  bytes: Buffer,
): { readonly header: SnapshotHeader; readonly state: DurableState } {
  const { header, first, bodyAt } = headerOf(n, bytes);
  compare(n, header, crc32cUpdate(crc32cUpdate(0, first), bytes.subarray(bodyAt)));
  const value = valueOf(n, bytes, header);
  // What a later version of the state has besides is empty in an older one's snapshot.
  const state = { ...emptyState(), ...(value as DurableState) };
  const { epoch, facts } = state;
  if (epoch.number !== header.epoch || facts !== header.facts) {
    throw damaged(n, "its header speaks of another state");
  }
  return { header, state };
}

/**
 * Whether the bytes are what a head made, a piece at a time.
 * @returns the header. @throws {SystemError} LOG_CORRUPT.
 */
export async function checkSnapshot(
  n: number,
  bytes: Buffer,
  pause: () => Promise<void>,
): Promise<SnapshotHeader> {
  const { header, first, bodyAt } = headerOf(n, bytes);
  let crc = crc32cUpdate(0, first);
  for (let at = bodyAt; at < bytes.length; at += CHECKED_BYTES) {
    crc = crc32cUpdate(crc, bytes.subarray(at, at + CHECKED_BYTES));
    await pause();
  }
  compare(n, header, crc);
  return header;
}

/** What its first line says; the rest may be anything. @throws {SystemError} LOG_CORRUPT. */
export function headerOf(
  n: number,
  bytes: Buffer,
): { readonly header: SnapshotHeader; readonly first: Buffer; readonly bodyAt: number } {
  const bodyAt = bytes.indexOf(10) + 1;
  const parsed = v.safeParse(headerSchema, parse(n, bytes.toString("utf8", 0, bodyAt)));
  if (!parsed.success) throw damaged(n, "its first line is no header");
  const { crc32c, ...rest } = parsed.output;
  if (rest.ligase !== FORMAT) throw damaged(n, `format ${rest.ligase} isn't ${FORMAT}`);
  if (rest.n !== n) throw damaged(n, `its header says ${rest.n}`);
  const again = Buffer.from(`${JSON.stringify({ ...rest, crc32c })}\n`);
  // What JSON reads in more than one way (a space, an escape) was never written by us.
  if (!again.equals(bytes.subarray(0, bodyAt))) throw damaged(n, "its first line was changed");
  return { header: parsed.output, first: Buffer.from(`${JSON.stringify(rest)}\n`), bodyAt };
}

function compare(n: number, { crc32c }: SnapshotHeader, crc: number): void {
  if (hex(crc) !== crc32c) throw damaged(n, "its checksum doesn't match");
}

function hex(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, "0");
}

export function snapshotUri(stateUri: string, n: number): string {
  return joinUri(stateUri, "snapshot", numberName(n));
}

/** The lines of a value: itself, with its maps empty, then their entries. */
function* linesOf(root: unknown): Generator<string> {
  // Maps whose entries follow, by the number under which a line names them.
  const waiting: ReadonlyMap<unknown, unknown>[] = [];
  yield JSON.stringify({ value: marked(root, waiting) });
  for (let of = 0; of < waiting.length; of += 1) {
    let entries: string[] = [];
    let length = 0;
    for (const entry of waiting[of] ?? []) {
      const text = JSON.stringify(entry.map((part) => marked(part, waiting)));
      entries.push(text);
      length += text.length;
      if (length < LINE_CHARS) continue;
      yield lineOf(of, entries);
      entries = [];
      length = 0;
    }
    if (entries.length > 0) yield lineOf(of, entries);
  }
}

function lineOf(of: number, entries: readonly string[]): string {
  return `{"of":${of},"entries":[${entries.join(",")}]}`;
}

/** A value as JSON that can be read back; itself where nothing in it needs a mark. */
function marked(value: unknown, waiting: ReadonlyMap<unknown, unknown>[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Map) {
    if (value.size > 0) return { $map: waiting.push(value) - 1 };
    return { $map: -1 };
  }
  if (value instanceof Set) return { $set: marked([...(value as Set<unknown>)], waiting) };
  if (Array.isArray(value)) {
    return changed(value, (item: unknown) => marked(item, waiting)) ?? value;
  }
  const fields = Object.entries(value);
  const others = changed(fields, (field) => {
    const now = marked(field[1], waiting);
    return now === field[1] ? field : [field[0], now];
  });
  if (fields.some(([key]) => key.startsWith("$"))) return { $object: others ?? fields };
  return others === undefined ? value : Object.fromEntries(others as [string, unknown][]);
}

/** The items after a change; undefined when each one is what it was. */
function changed<T>(items: readonly T[], change: (item: T) => unknown): unknown[] | undefined {
  let others: unknown[] | undefined;
  for (const [index, item] of items.entries()) {
    const now = change(item);
    if (others === undefined && now === item) continue;
    others ??= items.slice(0, index);
    others.push(now);
  }
  return others;
}

function valueOf(n: number, bytes: Buffer, header: SnapshotHeader): unknown {
  const maps: Map<unknown, unknown>[] = [];
  let value: unknown;
  let lines = 0;
  for (let at = bytes.indexOf(10) + 1; at < bytes.length; lines += 1) {
    const found = bytes.indexOf(10, at);
    const end = found < 0 ? bytes.length : found;
    const text = bytes.toString("utf8", at, end);
    at = end + 1;
    const line = parse(n, text);
    const read = text.includes(MARK) ? unmarked(line, maps) : line;
    const {
      of,
      entries,
      value: root,
    } = read as {
      readonly of?: number;
      readonly entries?: readonly [unknown, unknown][];
      readonly value?: unknown;
    };
    if (lines === 0) value = root;
    else if (of === undefined) throw damaged(n, "a line is of no map");
    else for (const [key, item] of entries ?? []) maps[of]?.set(key, item);
  }
  if (lines !== header.lines) throw damaged(n, `${header.lines} lines are announced`);
  return value;
}

function unmarked(value: unknown, maps: Map<unknown, unknown>[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => unmarked(item, maps));
  const fields = Object.entries(value);
  const [mark, content] = fields[0] ?? [];
  if (mark === "$map") {
    const map = new Map<unknown, unknown>();
    if (typeof content === "number" && content >= 0) maps[content] = map;
    return map;
  }
  if (mark === "$set") return new Set(unmarked(content, maps) as unknown[]);
  const plain = mark === "$object" ? (content as [string, unknown][]) : fields;
  return Object.fromEntries(plain.map(([key, item]) => [key, unmarked(item, maps)]));
}

function parse(n: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(n, "a line isn't JSON");
  }
}

function damaged(n: number, what: string): SystemError {
  return new SystemError("LOG_CORRUPT", `snapshot ${n}: ${what}; ${REMEDY}`, { snapshot: n });
}
