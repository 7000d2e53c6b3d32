/**
 * A shard's side file: the records that were put aside, one JSON object a line, in the input's
 * order. Its bytes are a function of the input's and of the exclusion, and it stands before the
 * shard that names it. One that is gone is made again with its shard, whose bytes stay.
 */
import { isUtf8 } from "node:buffer";
import { SystemError } from "../errors.ts";
import { sha256Hex } from "../ids.ts";
import type { Exclusion, Receipt } from "../messages.ts";
import type { Storage } from "../storage/storage.ts";
import { joinUri } from "../storage/uri.ts";
import type { BadRecord, ShardReader, ShardRequest } from "./types.ts";

/** What a receipt says of a side file. */
type SideFile = NonNullable<Receipt["quarantine"]>;

/** The side file of these records, or undefined when there are none. */
export function sideFileOf(
  records: readonly BadRecord[],
): { readonly bytes: Uint8Array; readonly said: Omit<SideFile, "file"> } | undefined {
  if (records.length === 0) return undefined;
  const inOrder = [...records].sort((a, b) => a.record - b.record);
  const bytes = Buffer.from(inOrder.map((it) => `${JSON.stringify(rowOf(it))}\n`).join(""));
  const digests = { bytes: bytes.length, sha256: sha256Hex(bytes) };
  return { bytes, said: { records: records.length, ...digests } };
}

/**
 * Whether a side file stands.
 * @param folder - the output.
 * @throws {SystemError} SHARD_DAMAGED when one of another size does.
 */
async function sideStands(
  folder: string,
  { file, bytes }: Pick<SideFile, "file" | "bytes">,
  storage: Storage,
): Promise<boolean> {
  const uri = joinUri(folder, file);
  const found = await storage.look(uri);
  if (found === undefined || found.bytes === bytes) return found !== undefined;
  const what = `the side file ${file} has ${found.bytes} bytes, and ${bytes} were written`;
  throw new SystemError("SHARD_DAMAGED", what, { uri });
}

/** Whether all of a shard's side files stand. @throws {SystemError} SHARD_DAMAGED. */
export async function sidesStand(
  folder: string,
  files: readonly Pick<SideFile, "file" | "bytes">[],
  storage: Storage,
): Promise<boolean> {
  for (const side of files) if (!(await sideStands(folder, side, storage))) return false;
  return true;
}

/** Excluded records as they stand in the input. */
export async function excludedRecords(
  reader: ShardReader,
  request: ShardRequest,
  { records }: Exclusion,
): Promise<BadRecord[]> {
  const positions = records.map(({ position }) => position);
  const raws = (await reader.raw?.(request, positions)) ?? [];
  return records.map(({ position, reason }, index): BadRecord => {
    const raw = raws[index] ?? { record: position + 1, bytes: new Uint8Array(0), length: 0 };
    return { ...raw, code: "POISON_RECORD", what: `it ends its executor: ${reason}` };
  });
}

/** Text where the bytes are text, or else base64; a record that was cut says its length. */
function rowOf({ record, byteOffset, code, what, bytes, length }: BadRecord) {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const content = isUtf8(raw) ? { text: raw.toString("utf8") } : { base64: raw.toString("base64") };
  const place = byteOffset === undefined ? { record } : { record, byteOffset };
  return { ...place, code, what, bytes: length, ...content };
}
