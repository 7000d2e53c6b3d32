/**
 * The folders of an embedded cluster. The runtime folder is short (Unix sockets end at 107 bytes),
 * private, outside every checkout, and gone when the cluster is; the logs stay beside the state.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SystemError } from "../../runtime/errors.ts";
import { SLURM_FOLDER_BYTES_MAX } from "../../runtime/limits.ts";
import { makeFolder } from "../../runtime/storage/local.ts";

/** Below it lies a private Slurm, whose own sockets need the rest of 107 bytes. */
const SLURM_FOLDER = "slurm";
const PATH_BYTES_MAX = SLURM_FOLDER_BYTES_MAX - SLURM_FOLDER.length - 1;
/** What Slurm takes in a path. */
const PLAIN = /^\/[A-Za-z0-9._/-]+$/;
const NAME = /^lg-[0-9a-f]{8}$/;
const TAIL_BYTES = 2_048;

/**
 * Path for a new runtime folder, not made yet: under XDG_RUNTIME_DIR, the system's temp folder or
 * `/tmp`, the first that is writable and short enough.
 */
export async function newRuntimeFolderPath(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const name = `lg-${randomBytes(4).toString("hex")}`;
  for (const parent of [env["XDG_RUNTIME_DIR"], tmpdir(), "/tmp"]) {
    if (!parent || !PLAIN.test(parent) || join(parent, name).length > PATH_BYTES_MAX) continue;
    if (await isWritable(parent)) return join(parent, name);
  }
  throw new SystemError("CLUSTER_START_FAILED", "no writable folder for sockets", { uri: "/tmp" });
}

/** Folder of a private Slurm in a runtime folder. */
export function slurmFolder(runtimeDir: string): string {
  return join(runtimeDir, SLURM_FOLDER);
}

/** Makes it, for this user alone. */
export async function makeRuntimeFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 });
}

/**
 * Removes a runtime folder with all in it. The path may come from a record that somebody edited, so
 * it must have our form, be a folder of its own and belong to this user; else it stays.
 */
export async function removeRuntimeFolder(path: string): Promise<void> {
  if (!NAME.test(basename(path))) return;
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || !found.isDirectory() || found.uid !== process.getuid?.()) return;
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Path of an empty log for `name`; the last run's becomes `<name>.1.log`, older ones go. */
export async function freshLog(stateDir: string, name: string): Promise<string> {
  const folder = join(stateDir, "logs");
  await makeFolder(folder);
  const path = join(folder, `${name}.log`);
  await rename(path, join(folder, `${name}.1.log`)).catch(() => undefined);
  return path;
}

/** The last lines of a log, for an error's text. */
export async function tailOf(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await file.read(bytes, 0, bytes.length, start);
    return bytes.toString("utf8").trim();
  } finally {
    await file.close();
  }
}

async function isWritable(folder: string): Promise<boolean> {
  return await access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}
