/**
 * Marks of one-stream inputs, kept beside the job's plan: whoever passes a shard's begin leaves
 * one, and whoever is given that shard goes on from there, not from the file's beginning. They
 * spare work and decide nothing: a shard's records are the same with any of them or none, so one
 * that can't be read or written is no error.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import * as v from "valibot";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import { POINT_WINDOW_BYTES } from "../../limits.ts";
import { storageOf } from "../../../runtime/storage/open.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import type { Mark } from "../cursor.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const restartSchema = v.strictObject({
  bit: count,
  out: count,
  memberOut: count,
  crc: count,
  atMember: v.boolean(),
  /** Deflated, base64. */
  window: v.string(),
});
const pointSchema = v.strictObject({
  schema: v.literal(1),
  /** Digest of all that a mark depends on beside the record's number. */
  key: v.string(),
  /** Of each file of the input. */
  marks: v.array(
    v.strictObject({ record: count, offset: count, restart: v.optional(restartSchema) }),
  ),
});
const fileSchema = v.strictObject({ point: pointSchema, sha256: v.string() });

export class Points {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #key: string;
  readonly #storage: Storage;
  /** Records of the marks that are known to stand. */
  readonly #standing = new Set<number>();

  /**
   * @param state - the job's folder. @param input - its number. @param key - JSON of all that a
   * mark's place depends on: files, grammar, policy.
   */
  constructor(state: string, input: number, key: unknown) {
    this.#folder = joinUri(state, "points");
    this.#prefix = `${input}-`;
    this.#key = sha256Hex(canonicalJson(key));
    this.#storage = storageOf(state);
  }

  /** Marks of the input's files at a record, or at the last one before it that has any. */
  async best(record: number, after: number): Promise<readonly Mark[] | undefined> {
    try {
      const exact = await this.#read(record);
      if (exact !== undefined) return exact;
      for (const name of await this.#storage.list(this.#folder)) {
        if (name.startsWith(this.#prefix)) this.#standing.add(recordOf(name, this.#prefix));
      }
      const before = [...this.#standing].filter((at) => at < record && at > after);
      for (const at of before.sort((a, b) => b - a)) {
        const found = await this.#read(at);
        if (found !== undefined) return found;
      }
    } catch {
      // Without one the file is read from its beginning.
    }
    return undefined;
  }

  /** Leaves marks at a record, unless some stand there. */
  async leave(record: number, marks: readonly Mark[]): Promise<void> {
    if (this.#standing.has(record)) return;
    this.#standing.add(record);
    const point = { schema: 1 as const, key: this.#key, marks: marks.map(packed) };
    const file = { point, sha256: sha256Hex(canonicalJson(point)) };
    try {
      await this.#storage.createIfAbsent(this.#uriOf(record), Buffer.from(canonicalJson(file)));
    } catch {
      // The next reader inflates more.
    }
  }

  #uriOf(record: number): string {
    return joinUri(this.#folder, `${this.#prefix}${record}.json`);
  }

  async #read(record: number): Promise<readonly Mark[] | undefined> {
    const bytes = await this.#storage.readIfPresent(this.#uriOf(record));
    if (bytes === undefined) return undefined;
    this.#standing.add(record);
    return this.#parse(bytes);
  }

  /** Undefined for what is damaged, or of something else. */
  #parse(bytes: Buffer): readonly Mark[] | undefined {
    try {
      const { point, sha256 } = v.parse(fileSchema, JSON.parse(bytes.toString("utf8")));
      const isSound = sha256Hex(canonicalJson(point)) === sha256 && point.key === this.#key;
      return isSound ? point.marks.map(unpacked) : undefined;
    } catch {
      return undefined;
    }
  }
}

function recordOf(name: string, prefix: string): number {
  const record = Number(name.slice(prefix.length).replace(/\.json$/, ""));
  return Number.isSafeInteger(record) ? record : 0;
}

type PackedMark = v.InferOutput<typeof pointSchema>["marks"][number];

function packed({ record, offset, restart }: Mark): PackedMark {
  if (restart === undefined) return { record, offset };
  const { bit, out, memberOut, crc, atMember } = restart;
  const window = deflateRawSync(restart.window).toString("base64");
  return { record, offset, restart: { bit, out, memberOut, crc, atMember, window } };
}

function unpacked({ record, offset, restart }: PackedMark): Mark {
  if (restart === undefined) return { record, offset };
  const deflated = Buffer.from(restart.window, "base64");
  const window = inflateRawSync(deflated, { maxOutputLength: POINT_WINDOW_BYTES });
  return { record, offset, restart: { ...restart, window } };
}
