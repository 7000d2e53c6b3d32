/**
 * Checks a sealed set: the manifest's mark, of every shard size, rows, row groups, crc32c and
 * sha256, and of every side file and report size and sha256. Files are read in pieces, one after
 * the other, the next piece while one is digested: so memory is bounded whatever the set, and the
 * disk waits for nobody.
 */
import { createHash } from "node:crypto";
import { crc32cUpdate } from "../../../runtime/storage/crc32c.ts";
import { readShard } from "../../../runtime/dataset/parquet.ts";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { SET_PIECE_BYTES } from "../../../runtime/limits.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import {
  MANIFEST_FILE,
  type Manifest,
  type ManifestShard,
  parseManifest,
  SUCCESS_FILE,
} from "../../../solver/manifest.ts";

export interface SetReport {
  readonly schema: 1;
  readonly manifest: string;
  readonly shards: number;
  readonly rows: number;
  /** Of the files that were read. */
  readonly bytes: number;
  readonly seconds: number;
  /** In the manifest's order; a file may be named more than once. */
  readonly damaged: readonly { readonly file: string; readonly what: string }[];
}

/** Bytes behind a Parquet footer: its length, then the format's mark. */
const FOOTER_END = 8;

/**
 * Reads all of a set.
 * @param uri - of its manifest.
 * @throws {SystemError} STORAGE_FAILED when the manifest itself can't be read or is none.
 */
export async function checkSet(uri: string, storage: Storage): Promise<SetReport> {
  const begunMs = performance.now();
  const folder = uri.slice(0, -`/${MANIFEST_FILE}`.length);
  const { manifest, sha256 } = await readManifest(uri, storage);
  const damaged: { file: string; what: string }[] = [];
  const mark = await storage.readIfPresent(joinUri(folder, SUCCESS_FILE));
  if (mark === undefined) damaged.push({ file: SUCCESS_FILE, what: "missing: it isn't sealed" });
  else if (mark.toString("utf8").trim() !== sha256) {
    damaged.push({ file: SUCCESS_FILE, what: "it is of another manifest" });
  }
  let bytes = 0;
  for (const shard of manifest.shards) {
    const found = await checkShard(joinUri(folder, shard.file), shard, storage);
    bytes += found.bytes;
    damaged.push(...found.wrong.map((what) => ({ file: shard.file, what })));
  }
  const { quarantine = [], summaries = [], reports = [] } = manifest;
  for (const side of [...quarantine, ...summaries, ...reports]) {
    const found = await checkFile(joinUri(folder, side.file), side, storage);
    bytes += found.bytes;
    damaged.push(...found.wrong.map((what) => ({ file: side.file, what })));
  }
  const seconds = Math.round(performance.now() - begunMs) / 1_000;
  const { rows } = manifest;
  return {
    schema: 1,
    manifest: uri,
    shards: manifest.shards.length,
    rows,
    bytes,
    seconds,
    damaged,
  };
}

async function readManifest(
  uri: string,
  storage: Storage,
): Promise<{ readonly manifest: Manifest; readonly sha256: string }> {
  const bytes = await storage.readIfPresent(uri);
  if (bytes === undefined) throw new SystemError("INPUT_NOT_FOUND", "no manifest", { uri });
  try {
    return { manifest: parseManifest(bytes), sha256: sha256Hex(bytes) };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("SHARD_DAMAGED", `the manifest is damaged: ${why}`, { uri }, thrown);
  }
}

interface Checked {
  readonly bytes: number;
  readonly wrong: readonly string[];
}

async function checkShard(uri: string, shard: ManifestShard, storage: Storage): Promise<Checked> {
  const found = await checkFile(uri, shard, storage);
  // Of bytes that aren't its own nothing more can be said.
  if (found.wrong.length > 0) return found;
  try {
    return { ...found, wrong: await wrongRows(uri, shard, storage) };
  } catch (thrown) {
    return { ...found, wrong: [toSystemError(thrown).message] };
  }
}

/** Size and digests of a file. */
async function checkFile(
  uri: string,
  wanted: { readonly bytes: number; readonly sha256: string; readonly crc32c?: string },
  storage: Storage,
): Promise<Checked> {
  try {
    const found = await storage.look(uri);
    if (found === undefined) return { bytes: 0, wrong: ["missing"] };
    const { bytes, etag } = found;
    if (bytes !== wanted.bytes) return { bytes: 0, wrong: [`${bytes} bytes, not ${wanted.bytes}`] };
    const { crc32c, sha256 } = await digestsOf(uri, bytes, etag, storage);
    const said = wanted.crc32c ?? crc32c;
    const wrong = [
      ...(crc32c === said ? [] : [`crc32c ${crc32c}, not ${said}`]),
      ...(sha256 === wanted.sha256 ? [] : [`sha256 ${sha256}, not ${wanted.sha256}`]),
    ];
    return { bytes, wrong };
  } catch (thrown) {
    return { bytes: 0, wrong: [toSystemError(thrown).message] };
  }
}

async function digestsOf(
  uri: string,
  bytes: number,
  etag: string,
  storage: Storage,
): Promise<{ readonly crc32c: string; readonly sha256: string }> {
  const sha256 = createHash("sha256");
  let crc = 0;
  const read = (from: number): Promise<Buffer> =>
    storage.readRange(uri, from, Math.min(bytes, from + SET_PIECE_BYTES), etag);
  let next = bytes === 0 ? undefined : read(0);
  for (let at = 0; next !== undefined; ) {
    const piece = await next;
    at += piece.length;
    next = piece.length === 0 || at >= bytes ? undefined : read(at);
    // A failure is thrown where it is awaited, after this piece.
    next?.catch(() => undefined);
    sha256.update(piece);
    crc = crc32cUpdate(crc, piece);
  }
  const crc32c = (crc >>> 0).toString(16).padStart(8, "0");
  return { crc32c, sha256: sha256.digest("hex") };
}

async function wrongRows(uri: string, shard: ManifestShard, storage: Storage): Promise<string[]> {
  const { bytes } = shard;
  const end = await storage.readRange(uri, Math.max(0, bytes - FOOTER_END), bytes);
  const footer = end.length === FOOTER_END ? end.readUInt32LE(0) + FOOTER_END : bytes;
  const { rows, rowGroups } = readShard(
    await storage.readRange(uri, Math.max(0, bytes - footer), bytes),
  );
  if (rows !== shard.rows) return [`${rows} rows, not ${shard.rows}`];
  const groups = rowGroups.join(", ");
  const wanted = shard.rowGroups.join(", ");
  return groups === wanted ? [] : [`row groups of ${groups} rows, not ${wanted}`];
}
