/**
 * Storage as processes of a simulation see it. All of them share one `Vault`. A call takes time,
 * takes effect at one moment within it, and its answer may be lost; a call of a process that is
 * killed meanwhile takes effect at once, late, or never. What a writer hasn't finished is seen by
 * nobody.
 */
import { dirname } from "node:path";
import { SystemError } from "../../../runtime/errors.ts";
import type { CreateOutcome, Listed, Look, Storage } from "../../../runtime/storage/storage.ts";
import { NEVER, type SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import { hashBytes } from "../core/trace.ts";

/** What goes wrong from now on; shares of calls. */
export interface StorageFaults {
  /** Fail before they take effect. */
  fail: number;
  /** Take effect and fail. */
  lost: number;
  /** Kill the process: before the effect, or after it and before the answer. */
  kill: number;
  /** Milliseconds that half of a call takes on average. */
  delayMs: number;
}

export function noStorageFaults(): StorageFaults {
  return { fail: 0, lost: 0, kill: 0, delayMs: 2 };
}

/** Milliseconds after its writer's death in which a write may still take effect. */
const LATE_MS = 15_000;

interface Kept {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** What happens to a vault, for who checks it. */
export interface VaultWatch {
  /** Called after each attempt to create a name. */
  readonly onCreate: (uri: string, bytes: Buffer, outcome: CreateOutcome) => void;
  readonly onRemove: (uri: string) => void;
}

/** All names there are. */
export class Vault {
  readonly #kept = new Map<string, Kept>();
  readonly #folders = new Map<string, Set<string>>();
  /** Creations under way by their folder: a sweep takes their temp files away. */
  readonly unfinished = new Map<string, Set<{ isSwept: boolean }>>();
  readonly #watch: VaultWatch | undefined;
  #version = 0;

  constructor(watch?: VaultWatch) {
    this.#watch = watch;
  }

  create(uri: string, bytes: Uint8Array): CreateOutcome {
    const standing = this.#kept.get(uri);
    const mine = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const outcome: CreateOutcome =
      standing === undefined ? "created" : standing.bytes.equals(mine) ? "same" : "other";
    if (outcome === "created") this.#keep(uri, Buffer.from(mine));
    this.#watch?.onCreate(uri, mine, outcome);
    return outcome;
  }

  read(uri: string): Buffer | undefined {
    return this.#kept.get(uri)?.bytes;
  }

  look(uri: string): Look | undefined {
    const kept = this.#kept.get(uri);
    return kept === undefined ? undefined : { bytes: kept.bytes.length, etag: kept.etag };
  }

  list(folder: string): string[] {
    return [...(this.#folders.get(folder) ?? [])].sort();
  }

  listSized(folder: string): Listed[] {
    return this.list(folder).map((name) => ({
      name,
      bytes: this.#kept.get(`${folder}/${name}`)?.bytes.length ?? 0,
    }));
  }

  remove(uri: string): void {
    if (!this.#kept.delete(uri)) return;
    this.#folders.get(dirname(uri))?.delete(uri.slice(dirname(uri).length + 1));
    this.#watch?.onRemove(uri);
  }

  /** What no storage of ours does: bytes that were there become others. */
  damage(uri: string, change: (bytes: Buffer) => void): boolean {
    const kept = this.#kept.get(uri);
    if (kept === undefined) return false;
    const bytes = Buffer.from(kept.bytes);
    change(bytes);
    this.#kept.set(uri, { ...kept, bytes });
    return true;
  }

  #keep(uri: string, bytes: Buffer): void {
    this.#version += 1;
    this.#kept.set(uri, { bytes, etag: `${bytes.length}-${this.#version}` });
    const folder = dirname(uri);
    const names = this.#folders.get(folder) ?? new Set<string>();
    names.add(uri.slice(folder.length + 1));
    this.#folders.set(folder, names);
  }
}

export interface StoragePorts {
  readonly vault: Vault;
  readonly faults: StorageFaults;
  readonly random: Random;
  readonly process: SimProcess;
}

type Fate = "good" | "fail" | "lost" | "kill-before" | "kill-after";

/** One process's way to the vault. */
export class SimStorage implements Storage {
  readonly #ports: StoragePorts;

  constructor(ports: StoragePorts) {
    this.#ports = ports;
  }

  createIfAbsent(uri: string, bytes: Uint8Array): Promise<CreateOutcome> {
    const { vault } = this.#ports;
    const folder = dirname(uri);
    const temp = { isSwept: false };
    const temps = vault.unfinished.get(folder) ?? new Set();
    vault.unfinished.set(folder, temps.add(temp));
    return this.#call("create", uri, hashBytes(bytes), () => {
      temps.delete(temp);
      if (temp.isSwept) throw new SystemError("OUTPUT_UNWRITABLE", "the temp is gone", { uri });
      return vault.create(uri, bytes);
    });
  }

  readIfPresent(uri: string): Promise<Buffer | undefined> {
    return this.#call("read", uri, 0, () => this.#ports.vault.read(uri));
  }

  readRange(uri: string, from: number, to: number, etag?: string): Promise<Buffer> {
    return this.#call("range", uri, from, () => {
      const { vault } = this.#ports;
      const bytes = vault.read(uri);
      if (bytes === undefined) throw new SystemError("INPUT_NOT_FOUND", "no such file", { uri });
      const now = vault.look(uri)?.etag ?? "";
      if (etag !== undefined && etag !== now) {
        throw new SystemError("INPUT_CHANGED", `it is ${now} now, ${etag} was meant`, { uri });
      }
      return bytes.subarray(Math.min(from, bytes.length), Math.min(to, bytes.length));
    });
  }

  look(uri: string): Promise<Look | undefined> {
    return this.#call("look", uri, 0, () => this.#ports.vault.look(uri));
  }

  list(folder: string): Promise<string[]> {
    return this.#call("list", folder, 0, () => this.#ports.vault.list(folder));
  }

  listSized(folder: string): Promise<Listed[]> {
    return this.#call("list", folder, 0, () => this.#ports.vault.listSized(folder));
  }

  remove(uri: string): Promise<void> {
    return this.#call("remove", uri, 0, () => this.#ports.vault.remove(uri));
  }

  sweep(folder: string): Promise<void> {
    return this.#call("sweep", folder, 0, () => {
      for (const temp of this.#ports.vault.unfinished.get(folder) ?? []) temp.isSwept = true;
    });
  }

  #call<T>(kind: string, uri: string, detail: number, effect: () => T): Promise<T> {
    const { process, faults, random } = this.#ports;
    const { scheduler } = process;
    if (!process.isAlive) return NEVER;
    const fate = this.#fate(kind);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (settle: () => void): void => {
      scheduler.after(random.exponential(faults.delayMs), () => process.enter(settle));
    };
    const fail = (): void => reject(new SystemError("STORAGE_FAILED", `${kind} failed`, { uri }));
    scheduler.trace.note(scheduler.nowMs, process.name, kind, uri, detail, fate);
    if (fate === "fail") {
      answer(fail);
      return promise;
    }
    if (fate === "kill-before") process.kill();
    const happen = (): void => {
      forget();
      try {
        const value = effect();
        if (fate === "kill-after") process.kill();
        else if (fate === "lost") answer(fail);
        else answer(() => resolve(value));
      } catch (thrown) {
        answer(() => reject(thrown));
      }
    };
    const cancel = scheduler.after(random.exponential(faults.delayMs), happen);
    const orphan = (): void => {
      cancel();
      if (random.chance(0.5)) scheduler.after(late(random), happen);
    };
    const forget = process.whenKilled(orphan);
    if (!process.isAlive) orphan();
    return promise;
  }

  #fate(kind: string): Fate {
    const { faults, random } = this.#ports;
    const roll = random.unit();
    const { fail, lost, kill } = faults;
    if (roll < fail) return "fail";
    if (kind === "create" && roll < fail + lost) return "lost";
    if (roll < fail + lost + kill) return random.chance(0.5) ? "kill-before" : "kill-after";
    return "good";
  }
}

/** Mostly soon, sometimes when nobody thinks of it any more. */
function late(random: Random): number {
  return random.chance(0.7) ? random.between(0, 5) : random.between(0, LATE_MS);
}
