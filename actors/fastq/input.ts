/**
 * Files as inputs: their identity, opening them as the very bytes that were planned, and turning
 * what goes wrong into errors that say where.
 */
import { constants } from "node:fs";
import { access, type FileHandle, open, stat } from "node:fs/promises";
import { basename, isAbsolute } from "node:path";
import type { InputSpec } from "../../runtime/dataset/types.ts";
import { SystemError, type Where } from "../../runtime/errors.ts";
import { READ_CHUNK_BYTES } from "../../runtime/limits.ts";
import { RecordFault } from "./record.ts";

const LF = 10;

/**
 * An input as it stands in a job's spec; its etag is `<size>-<mtimeNs>`.
 * @param path - absolute.
 * @throws {SystemError} INPUT_NOT_FOUND, INPUT_UNREADABLE (a folder, a device, no permission).
 */
export async function identifyInput(path: string): Promise<InputSpec> {
  if (!isAbsolute(path))
    throw new SystemError("USAGE", "an input is an absolute path", { uri: path });
  try {
    const info = await stat(path, { bigint: true });
    if (!info.isFile()) {
      const what = info.isDirectory() ? "the input is a folder" : "the input isn't a regular file";
      throw new SystemError("INPUT_UNREADABLE", what, { uri: path });
    }
    await access(path, constants.R_OK);
    const etag = `${info.size}-${info.mtimeNs}`;
    return { uri: path, sample: sampleOf(path), etag, bytes: Number(info.size) };
  } catch (thrown) {
    throw inputError(thrown, path);
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
 * The open file, checked to be the one that was identified; the caller closes it.
 * @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE.
 */
export async function openInput(input: InputSpec): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(input.uri, "r");
    await checkUnchanged(file, input);
    return file;
  } catch (thrown) {
    await file?.close();
    throw inputError(thrown, input.uri);
  }
}

/** @throws {SystemError} INPUT_CHANGED when size or time differ from what was identified. */
export async function checkUnchanged(file: FileHandle, input: InputSpec): Promise<void> {
  const { size, mtimeNs } = await file.stat({ bigint: true });
  const etag = `${size}-${mtimeNs}`;
  if (etag === input.etag) return;
  const what = `the input is ${etag} now, it was planned as ${input.etag}`;
  throw new SystemError("INPUT_CHANGED", what, { uri: input.uri });
}

/** The bytes [begin, begin + into.length) of a file, or fewer at its end. */
export async function readAt(file: FileHandle, into: Buffer, begin: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, begin + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** Lines before `end`; only on the way to an error, to number its record. */
export async function countLines(file: FileHandle, end: number): Promise<number> {
  const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
  let lines = 0;
  for (let begin = 0; begin < end; begin += chunk.length) {
    const read = await readAt(file, chunk.subarray(0, Math.min(chunk.length, end - begin)), begin);
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
