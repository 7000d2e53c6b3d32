/**
 * Keeps a leader's log short: a snapshot after every so many segments, and a day later the removal
 * of the segments up to it and of older snapshots. Made in pieces, so that the head goes on.
 *
 * Invariants: what is removed stands in a snapshot that was just read back and is good; only a
 * leader removes, that has led for longer than any other head may still append without a proof, and
 * that has just proven that it leads. So whatever clocks say, nobody makes a removed segment again.
 */
import { toSystemError } from "../../../runtime/errors.ts";
import {
  LEAD_PROOF_MS,
  LOG_KEPT_MS,
  LOG_KEPT_PROOFS,
  LOG_REMOVED_PER_ROUND,
  LOG_SNAPSHOT_SEGMENTS,
  LOG_SNAPSHOT_SEGMENTS_MAX,
} from "../../limits.ts";
import { copyOf } from "./copy.ts";
import type { DurableState } from "../../core/facts.ts";
import type { LeadPorts, LogWriter } from "../lead.ts";
import { listNumbers, listSegments, segmentUri } from "../log.ts";
import { checkSnapshot, encodeSnapshot, headerOf, snapshotUri } from "./snapshot.ts";

export interface KeeperOptions {
  /** Of the snapshot that this leader's state began with; 0 for none. */
  readonly base: number;
  /** Facts that it holds. */
  readonly facts: number;
  /** Segments after which a snapshot is made; else by the limits. */
  readonly segments?: number | undefined;
  readonly warn: (line: string) => void;
}

export class LogKeeper {
  readonly #ports: LeadPorts;
  readonly #log: LogWriter;
  readonly #warn: (line: string) => void;
  readonly #segments: number | undefined;
  readonly #sinceMs: number;
  /** Number of the newest snapshot, or the one under way. */
  #newest: number;
  #newestFacts: number;
  /** When each snapshot was made, and whether it was read whole and is good. */
  readonly #known = new Map<number, { readonly atMs: number; isGood: boolean }>();
  #isBusy = false;
  /** Names that are to go: a good snapshot holds what they say. */
  #removing: { readonly uris: string[] } | undefined;

  constructor(ports: LeadPorts, log: LogWriter, options: KeeperOptions) {
    this.#ports = ports;
    this.#log = log;
    this.#warn = options.warn;
    this.#segments = options.segments;
    this.#newest = options.base;
    this.#newestFacts = options.facts;
    this.#sinceMs = ports.clock.now();
  }

  /**
   * Called with the state that facts about to be appended have made already.
   * @returns what is to be called once they are durable; undefined when no snapshot is due.
   */
  beforeAppend(state: DurableState): (() => void) | undefined {
    if (this.#isBusy || !this.#isDue(state)) return undefined;
    const copy = copyOf(state);
    this.#isBusy = true;
    return () => {
      const n = this.#log.tail;
      this.#newest = n;
      this.#newestFacts = copy.facts;
      void this.#make(n, copy).finally(() => {
        this.#isBusy = false;
      });
    };
  }

  /** Removes some of what isn't needed any more. Never throws what the next round may mend. */
  async round(): Promise<void> {
    if (this.#isBusy || !this.#mayRemove()) return;
    this.#isBusy = true;
    try {
      this.#removing ??= await this.#removable();
      if (this.#removing === undefined) return;
      await this.#log.look();
      const { uris } = this.#removing;
      for (let gone = 0; gone < LOG_REMOVED_PER_ROUND && uris.length > 0; gone += 1) {
        await this.#ports.storage.remove(uris[0] ?? "");
        uris.shift();
      }
      if (uris.length === 0) this.#removing = undefined;
    } catch (thrown) {
      const error = toSystemError(thrown);
      if (error.code === "LOG_FENCED" || error.code === "LOG_UNPROVEN") throw error;
      this.#warn(`old segments stay for now: ${error.message}`);
    } finally {
      this.#isBusy = false;
    }
  }

  /** All snapshots of a log are together about as long as three logs. */
  #isDue({ facts }: DurableState): boolean {
    const segments = this.#log.tail + 1 - this.#newest;
    if (this.#segments !== undefined) return segments >= this.#segments;
    const hasGrown = facts - this.#newestFacts >= this.#newestFacts / 2;
    return segments >= (hasGrown ? LOG_SNAPSHOT_SEGMENTS : LOG_SNAPSHOT_SEGMENTS_MAX);
  }

  async #make(n: number, state: DurableState): Promise<void> {
    const { storage, stateUri, wallMs } = this.#ports;
    try {
      const bytes = await encodeSnapshot(n, state, wallMs(), this.#pause);
      await storage.createIfAbsent(snapshotUri(stateUri, n), bytes);
    } catch (thrown) {
      // The log has all that it would have said: the next one comes after as many segments.
      this.#warn(`no snapshot ${n}: ${toSystemError(thrown).message}`);
    }
  }

  /** Whoever led before could still append until its last proof was that old. */
  #mayRemove(): boolean {
    return this.#ports.clock.now() - this.#sinceMs > LOG_KEPT_PROOFS * LEAD_PROOF_MS;
  }

  /** What the newest good snapshot of long ago makes superfluous. */
  async #removable(): Promise<{ readonly uris: string[] } | undefined> {
    const { stateUri } = this.#ports;
    const { numbers } = await listNumbers(this.#ports, "snapshot");
    const by = await this.#newestOld(numbers.filter((n) => n <= this.#log.tail));
    if (by === undefined) return undefined;
    const segments = (await listSegments(this.#ports)).numbers.filter((n) => n <= by);
    const snapshots = numbers.filter((n) => n < by);
    const uris = [
      ...segments.map((n) => segmentUri(stateUri, n)),
      ...snapshots.map((n) => snapshotUri(stateUri, n)),
    ];
    return uris.length === 0 ? undefined : { uris };
  }

  readonly #pause = (): Promise<void> =>
    new Promise((settle) => this.#ports.clock.soon(() => settle()));

  async #newestOld(numbers: readonly number[]): Promise<number | undefined> {
    for (const n of numbers.toReversed()) {
      const { atMs, isGood } = await this.#look(n, false);
      if (this.#ports.wallMs() - atMs < LOG_KEPT_MS) continue;
      if (isGood || (await this.#look(n, true)).isGood) return n;
    }
    return undefined;
  }

  /** What is known of a snapshot; one that is damaged is of no time. */
  async #look(
    n: number,
    whole: boolean,
  ): Promise<{ readonly atMs: number; readonly isGood: boolean }> {
    const known = this.#known.get(n);
    if (known !== undefined && (known.isGood || !whole)) return known;
    const { storage, stateUri } = this.#ports;
    const uri = snapshotUri(stateUri, n);
    let found = { atMs: Number.POSITIVE_INFINITY, isGood: false };
    try {
      const bytes = whole
        ? await storage.readIfPresent(uri)
        : await storage.readRange(uri, 0, SNAPSHOT_HEADER_BYTES);
      if (bytes === undefined) return found;
      const header = whole ? await checkSnapshot(n, bytes, this.#pause) : headerOf(n, bytes).header;
      found = { atMs: header.atMs, isGood: whole };
    } catch (thrown) {
      this.#warn(toSystemError(thrown).message);
    }
    this.#known.set(n, found);
    return found;
  }
}

/** A header is under 300 bytes. */
const SNAPSHOT_HEADER_BYTES = 4_096;
