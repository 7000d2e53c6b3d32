/**
 * The port to storage on a folder: a local disk, NFS, Lustre. Temp files of writers are no names:
 * `list` doesn't show them, and `sweep` takes those of the dead away.
 */
import { type FileHandle, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SystemError } from "../errors.ts";
import { FOLDER_LOOKS_MAX } from "../limits.ts";
import { createIfAbsent, hasCode, readIfPresent, storageError } from "./local.ts";
import type { Listed, Look, Storage } from "./storage.ts";

/** What `createIfAbsent` calls its temp files. */
const TEMP = /^\..*\.[0-9a-f]{12}\.tmp$/s;

/** Storage whose names are absolute paths. */
export const folderStorage: Storage = {
  createIfAbsent,
  readIfPresent,
  readRange,
  look,
  list,
  listSized,
  remove,
  sweep: async (folder) => {
    const left = (await entries(folder)).filter((name) => TEMP.test(name));
    for (const name of left) await remove(join(folder, name));
  },
};

/** A file's size and time: `<size>-<mtimeNs>`. */
export function fileEtag(info: { readonly size: bigint; readonly mtimeNs: bigint }): string {
  return `${info.size}-${info.mtimeNs}`;
}

async function look(path: string): Promise<Look | undefined> {
  try {
    const info = await stat(path, { bigint: true });
    return info.isFile() ? { bytes: Number(info.size), etag: fileEtag(info) } : undefined;
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT") || hasCode(thrown, "ENOTDIR")) return undefined;
    throw storageError(thrown, path);
  }
}

async function readRange(path: string, from: number, to: number, etag?: string): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    await checkEtag(file, path, etag);
    const { size } = await file.stat();
    const into = Buffer.allocUnsafe(Math.max(0, Math.min(to, size) - from));
    const bytes = into.subarray(0, await readAt(file, into, from));
    // Once more: what was read is of this version only if the file still is.
    await checkEtag(file, path, etag);
    return bytes;
  } catch (thrown) {
    throw readError(thrown, path);
  } finally {
    await file?.close();
  }
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

/** @throws {SystemError} INPUT_CHANGED when the file isn't the version that is meant. */
async function checkEtag(file: FileHandle, uri: string, etag: string | undefined): Promise<void> {
  if (etag === undefined) return;
  const now = fileEtag(await file.stat({ bigint: true }));
  if (now === etag) return;
  throw new SystemError("INPUT_CHANGED", `it is ${now} now, ${etag} was meant`, { uri });
}

function readError(thrown: unknown, uri: string): unknown {
  if (thrown instanceof SystemError || !(thrown instanceof Error)) return thrown;
  const missing = hasCode(thrown, "ENOENT") || hasCode(thrown, "ENOTDIR");
  const what = missing ? "no such file" : thrown.message;
  const code = missing ? "INPUT_NOT_FOUND" : "INPUT_UNREADABLE";
  return new SystemError(code, what, { uri }, thrown);
}

/** Files directly in a folder, temp files among them, sorted. */
async function entries(folder: string): Promise<string[]> {
  try {
    const found = await readdir(folder, { withFileTypes: true });
    return found.flatMap((entry) => (entry.isDirectory() ? [] : [entry.name])).sort();
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return [];
    throw storageError(thrown, folder);
  }
}

async function list(folder: string): Promise<string[]> {
  return (await entries(folder)).filter((name) => !TEMP.test(name));
}

/** What isn't a file by now is left out. */
async function listSized(folder: string): Promise<Listed[]> {
  const names = await list(folder);
  const sizes = new Map<string, number>();
  let next = 0;
  const lookOn = async (): Promise<void> => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) {
      const found = await look(join(folder, name));
      if (found !== undefined) sizes.set(name, found.bytes);
    }
  };
  await Promise.all(Array.from({ length: FOLDER_LOOKS_MAX }, lookOn));
  return names.flatMap((name) => {
    const bytes = sizes.get(name);
    return bytes === undefined ? [] : [{ name, bytes }];
  });
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) throw storageError(thrown, path);
  }
}
