/**
 * Files and objects as inputs: their identity, opening them as the very bytes that were planned,
 * and turning what goes wrong into errors that say where.
 */
import { basename } from "node:path";
import type { InputSpec } from "../../runtime/dataset/types.ts";
import { SystemError, type Where } from "../../runtime/errors.ts";
import { READ_CHUNK_BYTES } from "../../runtime/limits.ts";
import { lookAtInput, type OpenedInput, openUnchecked } from "./opened.ts";
import { RecordFault } from "./record.ts";

const LF = 10;

/**
 * An input as it stands in a job's spec; a file's etag is `<size>-<mtimeNs>`, an object's is S3's.
 * @param uri - an absolute path, or `s3://bucket/key`.
 * @throws {SystemError} INPUT_NOT_FOUND, INPUT_UNREADABLE (a folder, a device, no permission),
 * USAGE, and what storage says.
 */
export async function identifyInput(uri: string): Promise<InputSpec> {
  try {
    const { etag, bytes } = await lookAtInput(uri);
    return { uri, sample: sampleOf(uri), etag, bytes };
  } catch (thrown) {
    throw inputError(thrown, uri);
  }
}

/** The sample's name: the file's without folder and without .fastq, .fq, .gz. */
export function sampleOf(path: string): string {
  const stem = basename(path)
    .replace(/\.gz$/i, "")
    .replace(/\.(fastq|fq)$/i, "");
  return stem === "" ? basename(path) : stem;
}

/** What in the names of inputs a person may not have meant; the run goes on. */
export function sampleWarnings(paths: readonly string[]): string[] {
  const warnings: string[] = [];
  for (const [path, times] of counts(paths)) {
    if (times > 1)
      warnings.push(`${path}: given ${times} times, so its reads count ${times} times`);
  }
  for (const [sample, files] of counts([...new Set(paths)].map(sampleOf))) {
    if (files === 1) continue;
    warnings.push(`${sample}: ${files} files give this sample name; shard names tell them apart`);
  }
  return warnings;
}

function counts(names: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

/**
 * The open input, checked to be the one that was identified; the caller closes it.
 * @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE.
 */
export async function openInput(input: InputSpec): Promise<OpenedInput> {
  let opened: OpenedInput | undefined;
  try {
    opened = await openUnchecked(input);
    await opened.checkUnchanged();
    return opened;
  } catch (thrown) {
    await opened?.close();
    throw inputError(thrown, input.uri);
  }
}

/** Lines before `end`; only on the way to an error, to number its record. */
export async function countLines(opened: OpenedInput, end: number): Promise<number> {
  const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
  const fill = opened.sequence(0, end);
  let lines = 0;
  for (let read = await fill(chunk); read > 0; read = await fill(chunk)) {
    const text = chunk.subarray(0, read);
    for (let at = text.indexOf(LF); at >= 0; at = text.indexOf(LF, at + 1)) lines++;
  }
  return lines;
}

/** A fault of a record, or of the file system, as the error that crosses processes. */
export function inputError(thrown: unknown, uri: string, where: Where = {}): unknown {
  if (thrown instanceof RecordFault) {
    return new SystemError(thrown.code, thrown.message, { uri, ...where }, thrown);
  }
  if (thrown instanceof SystemError || !(thrown instanceof Error) || !("code" in thrown)) {
    return thrown;
  }
  const missing = thrown.code === "ENOENT" || thrown.code === "ENOTDIR";
  const code = missing ? "INPUT_NOT_FOUND" : "INPUT_UNREADABLE";
  const what = missing ? "no such file" : thrown.message;
  return new SystemError(code, what, { uri, ...where }, thrown);
}
