/**
 * Whose a folder or file is, in its name: `<pid>.<start>.<boot>.<number>`, one life of a process.
 * So what a killed process left is told from what a living one uses, and nothing else is touched.
 * Where the addon is, a lock on the folder says it as well, also across process namespaces.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemError } from "../errors.ts";
import { type Region, type RegionAddon, regionStatus } from "../native/regions.ts";
import { OBJECT_ROOT_TRIES } from "./limits.ts";
import { identityOf, isAlive, type ProcessIdentity } from "../processes.ts";

const NAME = /^(\d{1,10})\.(\d{1,20})\.([0-9a-f-]{36})\.(\d{1,16})$/;
const LOCK_FILE = "owner";

let mark: string | undefined;
let last = 0;

/** A name that no other process and no earlier call has. */
export function ownName(): string {
  mark ??= markOf();
  last += 1;
  return `${mark}.${last}`;
}

function markOf(): string {
  const own = identityOf(process.pid);
  if (own === undefined) throw new SystemError("INTERNAL", "this process has no /proc entry");
  return `${own.pid}.${own.startTicks}.${own.bootId}`;
}

/** The process that a name is of; undefined for any other name. */
export function ownerOf(name: string): ProcessIdentity | undefined {
  const [, pid, startTicks, bootId] = NAME.exec(name) ?? [];
  if (pid === undefined || startTicks === undefined || bootId === undefined) return undefined;
  return { pid: Number(pid), startTicks: Number(startTicks), bootId };
}

/** The memory file system that every machine has. */
export const SHARED_MEMORY = "/dev/shm";

/** This user's folder in the machine's shared memory. @param parent - where else it is. */
export function sharedRoot(parent = SHARED_MEMORY): string {
  return join(parent, `ligase-${process.geteuid?.() ?? 0}`);
}

/** This user's folder for objects on the local disk, and the folder that it is in. */
export function spillRoot(): { readonly path: string; readonly parent: string } {
  const TMPFS = 0x01021994;
  // What goes to a disk that is memory would be spilled in vain.
  const found = [tmpdir(), "/var/tmp"].find((folder) => typeOf(folder) !== TMPFS);
  const parent = found ?? tmpdir();
  return { path: join(parent, `ligase-objects-${process.geteuid?.() ?? 0}`), parent };
}

function typeOf(folder: string): number | undefined {
  try {
    return statfsSync(folder).type;
  } catch {
    return undefined;
  }
}

/** A folder of this process alone, and what ends it. */
export interface OwnFolder {
  readonly path: string;
  /** Takes it away with all that is in it. */
  remove(): void;
}

/**
 * A new folder of this process in `root`, which is made when it is missing.
 * @throws {SystemError} STORAGE_FAILED when `root` isn't a folder that only this user may enter.
 */
export function ownFolder(root: string, addon: RegionAddon | undefined): OwnFolder {
  const path = join(root, ownName());
  let lock: Region | undefined;
  try {
    makeIn(root, path);
    if (addon === undefined) writeFileSync(join(path, LOCK_FILE), "", { mode: 0o600 });
    else {
      lock = new addon.Region(join(path, LOCK_FILE), 1);
      lock.tryLock(true);
    }
  } catch (thrown) {
    if (thrown instanceof SystemError) throw thrown;
    throw new SystemError("STORAGE_FAILED", `can't make ${path}`, {}, thrown);
  }
  return {
    path,
    remove: () => {
      lock?.close();
      rmSync(path, { recursive: true, force: true });
      leaveRoot(root);
    },
  };
}

/** Another's end may take the root away meanwhile. */
function makeIn(root: string, path: string): void {
  for (let tries = OBJECT_ROOT_TRIES; ; tries -= 1) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    checkRoot(root);
    try {
      mkdirSync(path, { mode: 0o700 });
      return;
    } catch (thrown) {
      if (tries === 0 || (thrown as { code?: unknown }).code !== "ENOENT") throw thrown;
    }
  }
}

/** Takes a root away that nothing is in. */
function leaveRoot(root: string): void {
  try {
    rmdirSync(root);
  } catch {
    // Others use it, or it is gone.
  }
}

function checkRoot(root: string): void {
  const about = lstatSync(root);
  const isOurs = about.isDirectory() && about.uid === process.geteuid?.();
  if (isOurs && (about.mode & 0o077) === 0) return;
  throw new SystemError("STORAGE_FAILED", `${root} isn't a folder of this user alone`);
}

/**
 * Takes away the folders of dead processes; those of living ones, and all else, stay.
 * @returns how many.
 */
export function sweepDead(root: string, addon: RegionAddon | undefined): number {
  return sweepNames(root, (path) => !isLocked(join(path, LOCK_FILE), addon));
}

/** Takes away files of dead processes in one folder. @returns how many. */
export function sweepNames(folder: string, isFree = (_path: string): boolean => true): number {
  let taken = 0;
  for (const name of namesIn(folder)) {
    const owner = ownerOf(name);
    const path = join(folder, name);
    if (owner === undefined || isAlive(owner) || !isFree(path)) continue;
    rmSync(path, { recursive: true, force: true });
    taken += 1;
  }
  return taken;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Takes away all that dead processes of this user left in shared memory and on the disk; what
 * can't be taken away stays.
 * @returns how many folders went.
 */
export function sweepObjects(roots: readonly string[] = [sharedRoot(), spillRoot().path]): number {
  // The addon is loaded for what a dead process left alone.
  const isFree = (path: string): boolean => !isLocked(join(path, LOCK_FILE), regionStatus().addon);
  let taken = 0;
  for (const root of roots) {
    const gone = sweepNames(root, isFree);
    if (gone > 0) leaveRoot(root);
    taken += gone;
  }
  return taken;
}

function isLocked(path: string, addon: RegionAddon | undefined): boolean {
  if (addon === undefined) return false;
  try {
    new addon.Region(path).close();
    return false;
  } catch (thrown) {
    return (thrown as { code?: unknown }).code === "EAGAIN";
  }
}
