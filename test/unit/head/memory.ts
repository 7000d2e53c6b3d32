/** Storage in memory with faults, and a clock that a test moves. */
import type { Clock } from "../../../runtime/clock.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { CreateOutcome, Listed, Look, Storage } from "../../../runtime/storage/storage.ts";

/** Turns of the event loop that a chain of promises may take. */
const SETTLE_TURNS = 20;

export class MemoryStorage implements Storage {
  readonly files = new Map<string, Buffer>();
  /** Throws for calls that it says so of, by operation and name. */
  fault: (op: keyof Storage, uri: string) => boolean = () => false;
  /** What a call waits for before anything happens. */
  gate: (op: keyof Storage, uri: string) => Promise<void> = async () => {};

  async createIfAbsent(uri: string, bytes: Uint8Array): Promise<CreateOutcome> {
    await this.#enter("createIfAbsent", uri);
    const standing = this.files.get(uri);
    if (standing === undefined) {
      this.files.set(uri, Buffer.from(bytes));
      return "created";
    }
    return standing.equals(bytes) ? "same" : "other";
  }

  async readIfPresent(uri: string): Promise<Buffer | undefined> {
    await this.#enter("readIfPresent", uri);
    return this.files.get(uri);
  }

  async readRange(uri: string, from: number, to: number): Promise<Buffer> {
    await this.#enter("readRange", uri);
    const bytes = this.files.get(uri);
    if (bytes === undefined) throw new SystemError("INPUT_NOT_FOUND", "no such name", { uri });
    return bytes.subarray(from, to);
  }

  async look(uri: string): Promise<Look | undefined> {
    await this.#enter("look", uri);
    const bytes = this.files.get(uri);
    return bytes === undefined ? undefined : { bytes: bytes.length, etag: "1" };
  }

  async list(folder: string): Promise<string[]> {
    await this.#enter("list", folder);
    const names = [...this.files.keys()].filter((uri) => uri.startsWith(`${folder}/`));
    return names.map((uri) => uri.slice(folder.length + 1)).sort();
  }

  async listSized(folder: string): Promise<Listed[]> {
    const names = await this.list(folder);
    return names.map((name) => ({
      name,
      bytes: this.files.get(`${folder}/${name}`)?.length ?? 0,
    }));
  }

  async remove(uri: string): Promise<void> {
    await this.#enter("remove", uri);
    this.files.delete(uri);
  }

  async sweep(): Promise<void> {
    await Promise.resolve();
  }

  /** Changes what stands, as a disk may. */
  change(uri: string, change: (bytes: Buffer) => Buffer): void {
    const bytes = this.files.get(uri);
    if (bytes === undefined) throw new Error(`${uri} doesn't stand`);
    this.files.set(uri, change(Buffer.from(bytes)));
  }

  async #enter(op: keyof Storage, uri: string): Promise<void> {
    await this.gate(op, uri);
    if (this.fault(op, uri)) throw new SystemError("STORAGE_FAILED", `${op} was refused`, { uri });
  }
}

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that stands still until `pass`. */
export class TestClock implements Clock {
  ms = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.ms;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.ms + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  /** Lets time pass, timer by timer, and all that comes of each settle. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= end);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.ms = Math.max(this.ms, next.atMs);
      next.callback();
      await settled();
    }
    this.ms = end;
  }

  /** Time passes while this process stands still: no timer runs before its end. */
  stall(ms: number): void {
    this.ms += ms;
  }
}

/** When all that was begun has settled that needs no time. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn += 1) {
    await new Promise((settle) => setImmediate(settle));
  }
}
