/**
 * A head's copy of the durable state: the newest good snapshot and the segments behind it, through
 * `apply`. A head that leads goes on from it; one that stands by keeps it warm. Nothing is passed
 * over in silence: a damaged snapshot is told of and an older one read with all segments behind it;
 * where one of these is missing or damaged, or is another log's, there is no state.
 */
import { SystemError } from "../../../runtime/errors.ts";
import type { Epoch } from "../../../runtime/messages.ts";
import { anyStorage } from "../../../runtime/storage/open.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import { apply } from "../../core/apply.ts";
import { type DurableState, emptyState } from "../../core/facts.ts";
import {
  corrupt,
  listNumbers,
  listSegments,
  type LogPlace,
  readSegment,
  readSegments,
  segmentUri,
  type Segment,
} from "../log.ts";
import { decodeSnapshot, snapshotUri } from "./snapshot.ts";

export class Replica {
  readonly #place: LogPlace;
  readonly state: DurableState;
  #next: number;
  /** What a person should know of: a damaged snapshot, names of others. */
  readonly remarks: readonly string[];
  /** Segments up to a snapshot: the one that was read, or 0. */
  readonly base: number;

  private constructor(
    place: LogPlace,
    from: { readonly state: DurableState; readonly base: number },
    remarks: readonly string[],
  ) {
    this.#place = place;
    this.state = from.state;
    this.base = from.base;
    this.#next = from.base + 1;
    this.remarks = remarks;
  }

  /** @throws {SystemError} LOG_CORRUPT, which says what is wrong and what to do; STORAGE_FAILED. */
  static async load(place: LogPlace): Promise<Replica> {
    const { snapshot, remarks } = await newestSnapshot(place);
    const { numbers, foreign } = await listSegments(place);
    if (foreign.length > 0)
      remarks.push(`the folder log holds names that aren't ours: ${foreign.join(", ")}`);
    const replica = new Replica(place, snapshot, remarks);
    try {
      for await (const segment of readSegments(place, replica.#next, numbers.at(-1) ?? 0)) {
        replica.#take(segment);
      }
    } catch (thrown) {
      throw withRemarks(thrown, remarks);
    }
    await replica.catchUp();
    return replica;
  }

  /** Number of the segment that isn't known here; it stands if another head leads. */
  get next(): number {
    return this.#next;
  }

  get tail(): number {
    return this.#next - 1;
  }

  /**
   * Takes what stands behind its tail; one call at a time.
   * @returns how many segments those were.
   * @throws {SystemError} LOG_CORRUPT, STORAGE_FAILED.
   */
  async catchUp(): Promise<number> {
    const from = this.#next;
    for (;;) {
      const segment = await readSegment(this.#place, this.#next);
      if (segment === undefined) return this.#next - from;
      this.#take(segment);
    }
  }

  /** Whether the last segment that it took is still there, or a snapshot of it. */
  async isStanding(): Promise<boolean> {
    const { storage, stateUri } = this.#place;
    if (this.tail === this.base) return true;
    if ((await storage.look(segmentUri(stateUri, this.tail))) !== undefined) return true;
    return await this.isLeftBehind(this.tail);
  }

  /** Whether segments behind its tail were removed: then only a new one knows the state. */
  async isLeftBehind(from = this.#next): Promise<boolean> {
    const { numbers } = await listNumbers(this.#place, "snapshot");
    return (numbers.at(-1) ?? 0) >= from;
  }

  #take({ header, facts }: Segment): void {
    const { n, epoch: number, leader } = header;
    const [first] = facts;
    const begins = first?.type === "epoch" && first.number > this.state.epoch.number;
    const epoch: Epoch = begins ? first : this.state.epoch;
    if (number !== epoch.number || leader !== epoch.leader) {
      throw corrupt(n, `it is of epoch ${number} of ${leader}, which didn't lead then`);
    }
    for (const fact of facts) apply(this.state, fact);
    this.#next = n + 1;
  }
}

/** Durable state as the log tells it, and the next number. @throws {SystemError} LOG_CORRUPT. */
export async function replay(
  stateUri: string,
  storage: Storage = anyStorage,
): Promise<{ readonly state: DurableState; readonly next: number }> {
  const { state, next } = await Replica.load({ stateUri, storage });
  return { state, next };
}

async function newestSnapshot(place: LogPlace): Promise<{
  readonly snapshot: { readonly state: DurableState; readonly base: number };
  readonly remarks: string[];
}> {
  const { numbers, foreign } = await listNumbers(place, "snapshot");
  const remarks: string[] = [];
  if (foreign.length > 0) {
    remarks.push(`the folder snapshot holds names that aren't ours: ${foreign.join(", ")}`);
  }
  for (const n of numbers.toReversed()) {
    const bytes = await place.storage.readIfPresent(snapshotUri(place.stateUri, n));
    // A leader took it away meanwhile, because a newer one stands: that is of no use to us.
    if (bytes === undefined) return await newestSnapshot(place);
    try {
      return { snapshot: { state: decodeSnapshot(n, bytes).state, base: n }, remarks };
    } catch (thrown) {
      if (!(thrown instanceof SystemError)) throw thrown;
      remarks.push(`${thrown.what.split(";", 1).join("")}: an older one is read instead`);
    }
  }
  return { snapshot: { state: emptyState(), base: 0 }, remarks };
}

/** The one error a person gets says all that is wrong. */
function withRemarks(thrown: unknown, remarks: readonly string[]): unknown {
  if (!(thrown instanceof SystemError) || remarks.length === 0) return thrown;
  return new SystemError(
    thrown.code,
    `${remarks.join("; ")}; ${thrown.what}`,
    thrown.where,
    thrown,
  );
}
