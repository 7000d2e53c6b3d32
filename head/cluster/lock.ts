/**
 * The state lock: who works on a state folder. `lock/<n>` is a record created once, with
 * link(2); the highest n is the current one, and its owner holds the lock as long as its process
 * lives. Nobody releases it: a dead owner's record is followed by n + 1, once its processes are
 * swept.
 *
 * A taker that was slow may create a number that was taken, and removed, while it swept. So nobody
 * removes the highest record, and who has created one looks again: when a higher one stands, it
 * came too late and withdraws its own.
 */
import { readdir, readFile, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { LOCK_TRIES_MAX } from "../../runtime/limits.ts";
import { identityOf, isAlive, type ProcessIdentity } from "../../runtime/processes.ts";
import { createIfAbsent, hasCode, makeFolder } from "../../runtime/storage/local.ts";

const ownerSchema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Clock ticks from boot to its start; with pid and boot it names one life of a process. */
  startTicks: v.number(),
  bootId: v.string(),
  host: v.string(),
  /** LIGASE_MARK of all its processes. */
  mark: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  runtimeFolder: v.string(),
  /** Where it answers followers. */
  socket: v.string(),
});

/** Who holds, or held, the lock of a state folder. */
export type LockOwner = v.InferOutput<typeof ownerSchema>;

export type LockOutcome =
  | { readonly kind: "owned"; readonly generation: number; readonly owner: LockOwner }
  | { readonly kind: "busy"; readonly owner: LockOwner };

export interface LockOptions {
  readonly stateDir: string;
  /** What this process would write; `thisProcess` fills in who it is. */
  readonly self: LockOwner;
  /** Ends what a dead owner left running; the lock is taken only after it settled. */
  readonly sweep: (dead: LockOwner) => Promise<void>;
}

/** Who this process is, as a record says it. */
export function thisProcess(): ProcessIdentity & { readonly host: string } {
  const identity = identityOf(process.pid);
  if (identity === undefined) throw new SystemError("INTERNAL", "/proc doesn't show this process");
  return { ...identity, host: hostname() };
}

/**
 * The lock, or who holds it.
 *
 * @throws {SystemError} OUTPUT_BUSY when the record is of another host, whose processes can't be
 * seen from here, or is damaged; OUTPUT_UNWRITABLE when the folder can't be written.
 */
export async function takeLock(options: LockOptions): Promise<LockOutcome> {
  const folder = join(options.stateDir, "lock");
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries += 1) {
    const [highest = 0] = await generations(folder);
    if (highest > 0) {
      const owner = await ownerOf(folder, highest);
      if (owner === undefined) continue;
      if (holds(owner, folder, options.self)) return { kind: "busy", owner };
      await options.sweep(owner);
    }
    const mine = highest + 1;
    if (!(await create(folder, mine, options.self))) continue;
    const [current, ...lower] = await generations(folder);
    if (current === mine) {
      await Promise.all(lower.map((n) => remove(folder, n)));
      return { kind: "owned", generation: mine, owner: options.self };
    }
    await remove(folder, mine);
  }
  const what = `the lock changed hands ${LOCK_TRIES_MAX} times`;
  throw new SystemError("OUTPUT_BUSY", what, { uri: folder });
}

/** Numbers of the records, highest first. */
async function generations(folder: string): Promise<number[]> {
  try {
    await makeFolder(folder);
    const names = await readdir(folder);
    const numbers = names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
    return numbers.sort((a, b) => b - a);
  } catch (thrown) {
    throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  }
}

/** Who stands in a record; undefined when a higher one has replaced it meanwhile. */
async function ownerOf(folder: string, generation: number): Promise<LockOwner | undefined> {
  const path = join(folder, String(generation));
  try {
    return v.parse(ownerSchema, JSON.parse(await readFile(path, "utf8")));
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return undefined;
    const what = "the lock's record can't be read; remove it if nothing works on this output";
    throw new SystemError("OUTPUT_BUSY", what, { uri: path }, thrown);
  }
}

/** Whether a record's owner lives; an earlier boot's doesn't. */
function holds(owner: LockOwner, folder: string, self: LockOwner): boolean {
  if (owner.host === self.host) return isAlive(owner);
  const what = `process ${owner.pid} of host ${owner.host} holds the lock`;
  throw new SystemError("OUTPUT_BUSY", what, { uri: folder, host: owner.host });
}

async function create(folder: string, generation: number, self: LockOwner): Promise<boolean> {
  const path = join(folder, String(generation));
  try {
    const bytes = Buffer.from(`${JSON.stringify(self)}\n`);
    return (await createIfAbsent(path, bytes)) === "created";
  } catch (thrown) {
    // The record that stood in the way may be gone before it was compared: then look again.
    if (toSystemError(thrown).code === "STORAGE_FAILED") return false;
    throw thrown;
  }
}

async function remove(folder: string, generation: number): Promise<void> {
  await unlink(join(folder, String(generation))).catch((thrown: unknown) => {
    if (!hasCode(thrown, "ENOENT")) throw thrown;
  });
}
