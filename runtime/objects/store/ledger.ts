/**
 * A store's accounts: what each job has of it, and how the last objects that ended came to that.
 * Invariant: the sums are those of all jobs; a job stands here while it has anything.
 */
import { SystemError } from "../../errors.ts";
import { OBJECT_ENDS_KEPT_MAX, OBJECT_HOLDERS_SAID } from "../limits.ts";

/** What one job, or all, have in a store. */
export interface JobUsage {
  objects: number;
  /** In shared memory, copies included. */
  sharedBytes: number;
  spilledBytes: number;
  /** Of the shared ones those of copies, whose originals are on other nodes. */
  copyBytes: number;
}

/** How an object ended here. */
export interface ObjectEnd {
  readonly how: string;
  /** ms since 1970. */
  readonly atMs: number;
}

export class Ledger {
  readonly sum: Readonly<JobUsage>;
  readonly #sum = newUsage();
  readonly #jobs = new Map<string, JobUsage>();
  /** The oldest first. */
  readonly #ends = new Map<string, ObjectEnd>();

  constructor() {
    this.sum = this.#sum;
  }

  get jobs(): ReadonlyMap<string, Readonly<JobUsage>> {
    return this.#jobs;
  }

  /** Something of a job comes, goes or moves. */
  count(job: string, change: Partial<JobUsage>): void {
    const usage = this.#jobs.get(job) ?? newUsage();
    let isEmpty = true;
    for (const key of KEYS) {
      usage[key] += change[key] ?? 0;
      this.#sum[key] += change[key] ?? 0;
      isEmpty &&= usage[key] === 0;
    }
    if (isEmpty) this.#jobs.delete(job);
    else this.#jobs.set(job, usage);
  }

  /** An object ended. @param how - in words. */
  ended(id: string, how: string): void {
    this.#ends.set(id, { how, atMs: Date.now() });
    const oldest = this.#ends.keys().next().value;
    if (this.#ends.size > OBJECT_ENDS_KEPT_MAX && oldest !== undefined) this.#ends.delete(oldest);
  }

  /** The error for who wants an object that isn't here: who ended it and when, where known. */
  lost(id: string): SystemError {
    const end = this.#ends.get(id);
    const when = end === undefined ? "" : ` at ${new Date(end.atMs).toISOString()}`;
    return new SystemError("OBJECT_LOST", `${end?.how ?? "never here"}${when}`, { object: id });
  }

  /** Who holds most of the shared memory, in words. */
  holders(): string {
    const jobs = [...this.#jobs].sort(([, a], [, b]) => b.sharedBytes - a.sharedBytes);
    const said = jobs.slice(0, OBJECT_HOLDERS_SAID).map(([job, { objects, sharedBytes }]) => {
      return `; job ${job} has ${sharedBytes} in ${objects} objects`;
    });
    return said.join("");
  }
}

const KEYS = ["objects", "sharedBytes", "spilledBytes", "copyBytes"] as const;

function newUsage(): JobUsage {
  return { objects: 0, sharedBytes: 0, spilledBytes: 0, copyBytes: 0 };
}
