/**
 * Storage on a local or shared folder. Its one rule: a name is created once, with all its bytes, or
 * not at all, and never changed. A temp file is written and synced, then linked to its name, then
 * the folder is synced; link(2) is the race that exactly one writer wins.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, readFile, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ErrorCode, SystemError } from "../errors.ts";

/** `created`: ours stands. `same`: equal bytes stood already. `other`: different bytes stand. */
export type CreateOutcome = "created" | "same" | "other";

/**
 * Creates `path` with `bytes` unless it exists; the folder is made when missing.
 *
 * @returns whose bytes stand under the name now.
 * @throws {SystemError} OUTPUT_UNWRITABLE when the folder can't be written, STORAGE_FAILED else.
 */
export async function createIfAbsent(path: string, bytes: Uint8Array): Promise<CreateOutcome> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await createOnce(path, bytes);
    } catch (thrown) {
      // Somebody who took this writer for dead swept its temp file away.
      if (!hasCode(thrown, "ENOENT") || tried === TEMP_TRIES) throw storageError(thrown, path);
    }
  }
}

/** Times that a writer whose temp file is gone begins again: a folder is swept once, at a seal. */
const TEMP_TRIES = 3;

async function createOnce(path: string, bytes: Uint8Array): Promise<CreateOutcome> {
  const folder = dirname(path);
  const temp = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await makeFolder(folder);
    await writeSynced(temp, bytes);
    const outcome = await linkOnce(temp, path, bytes);
    await unlink(temp).catch(unlessMissing);
    await syncFolder(folder);
    return outcome;
  } catch (thrown) {
    await unlink(temp).catch(() => undefined);
    throw thrown;
  }
}

/** Of what may be gone: undefined then. */
function unlessMissing(thrown: unknown): undefined {
  if (!hasCode(thrown, "ENOENT")) throw thrown;
  return undefined;
}

/**
 * The bytes under a name, or undefined when there is none. A pipe or a device is an error: its end
 * might never come. @throws {SystemError} STORAGE_FAILED.
 */
export async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if ((await file.stat()).isFile()) return await file.readFile();
      throw new SystemError("STORAGE_FAILED", "it is no file", { uri: path });
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return undefined;
    throw storageError(thrown, path);
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o644);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function linkOnce(temp: string, path: string, bytes: Uint8Array): Promise<CreateOutcome> {
  try {
    await link(temp, path);
    return "created";
  } catch (thrown) {
    if (!hasCode(thrown, "EEXIST")) throw thrown;
    // NFS and Lustre can lose the reply of a link that took place: then both names are one file.
    const ours = await stat(temp).catch(unlessMissing);
    const theirs = await stat(path);
    if (ours?.ino === theirs.ino && ours.dev === theirs.dev) return "created";
    const standing = await readFile(path);
    return standing.equals(bytes) ? "same" : "other";
  }
}

/** Makes names created in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether a thrown value is a system error with this code, such as ENOENT. */
export function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}

/** Folders above a folder; no file system has more. */
const FOLDER_DEPTH_MAX = 256;
const UNWRITABLE = [
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "ENOTDIR",
  "ENOSPC",
  "EDQUOT",
  "EEXIST",
  "ELOOP",
];

/** What a folder's file system refused, as the error that crosses. */
export function storageError(thrown: unknown, path: string): SystemError {
  if (thrown instanceof SystemError) return thrown;
  const unwritable = UNWRITABLE.some((code) => hasCode(thrown, code));
  const code: ErrorCode = unwritable ? "OUTPUT_UNWRITABLE" : "STORAGE_FAILED";
  const what = thrown instanceof Error ? thrown.message : String(thrown);
  return new SystemError(code, what, { uri: path }, thrown);
}

/**
 * Makes a folder and those above it, so that their names survive a power cut. Node's own recursive
 * form doesn't end where a file system says ENOENT for ever, as /proc does.
 *
 * @throws {SystemError} OUTPUT_UNWRITABLE, STORAGE_FAILED.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeStep(path, FOLDER_DEPTH_MAX);
  } catch (thrown) {
    throw storageError(thrown, path);
  }
}

async function makeStep(path: string, depth: number): Promise<void> {
  try {
    await mkdir(path);
    await syncFolder(dirname(path));
  } catch (thrown) {
    if (hasCode(thrown, "EEXIST") && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (!hasCode(thrown, "ENOENT") || above === path || depth === 0) throw thrown;
    await makeStep(above, depth - 1);
    await mkdir(path).catch(async (again: unknown) => {
      if (!hasCode(again, "EEXIST") || !(await stat(path)).isDirectory()) throw again;
    });
    await syncFolder(above);
  }
}
