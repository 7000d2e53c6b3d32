/**
 * Leading: making the next segment, whose first fact is the new epoch. Who makes that segment
 * leads; who finds it made doesn't. A leader appends, and looks whether the next segment is absent:
 * either proves that it leads. Segments are removed a day after a snapshot of them, so that a
 * leader without a proof for an hour doesn't append any more: it could make a removed one again.
 */
import type { Clock } from "../../runtime/clock.ts";
import { SystemError } from "../../runtime/errors.ts";
import { LEAD_PROOF_MS } from "../limits.ts";
import type { Epoch } from "../../runtime/messages.ts";
import { apply } from "../core/apply.ts";
import type { DurableState, Fact } from "../core/facts.ts";
import type { Replica } from "./durable/replica.ts";
import { appendSegment, fenced, type LogPlace, segmentUri } from "./log.ts";

export interface LeadPorts extends LogPlace {
  readonly clock: Clock;
  /** Milliseconds since 1970, as people see it: it goes on while the machine sleeps. */
  readonly wallMs: () => number;
}

/** A moment by both clocks. */
export interface Moment {
  readonly ms: number;
  readonly wallMs: number;
}

/** Appends to the log as one leader. */
export class LogWriter {
  readonly #ports: LeadPorts;
  readonly epoch: Epoch;
  #next: number;
  #proof: Moment;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param proof - before which the tail was seen. */
  constructor(ports: LeadPorts, epoch: Epoch, next: number, proof: Moment) {
    this.#ports = ports;
    this.epoch = epoch;
    this.#next = next;
    this.#proof = proof;
  }

  /** Number of the last segment made. */
  get tail(): number {
    return this.#next - 1;
  }

  /** When the last append or look began that showed that this head leads, by the ports' clock. */
  get provenMs(): number {
    return this.#proof.ms;
  }

  /**
   * One at a time, in the order of the calls.
   * @throws {SystemError} LOG_FENCED when another head leads, LOG_UNPROVEN.
   */
  append(facts: readonly Fact[]): Promise<void> {
    return this.#inTurn(async () => {
      const begun = momentOf(this.#ports);
      this.#requireProof(begun);
      await appendSegment(this.#ports, this.#next, this.epoch, facts);
      // For as long as this took the segment may have stood, and have been removed.
      this.#requireProof(momentOf(this.#ports));
      this.#next += 1;
      this.#proof = begun;
    });
  }

  /** Looks whether it still leads. @throws {SystemError} LOG_FENCED, LOG_UNPROVEN. */
  look(): Promise<void> {
    const asked = this.#ports.clock.now();
    return this.#inTurn(async () => {
      if (this.#proof.ms > asked) return;
      const begun = momentOf(this.#ports);
      this.#requireProof(begun);
      const { storage, stateUri } = this.#ports;
      if ((await storage.look(segmentUri(stateUri, this.#next))) !== undefined) {
        throw fenced(`segment ${this.#next} was made by another head`);
      }
      this.#requireProof(momentOf(this.#ports));
      this.#proof = begun;
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #requireProof(now: Moment): void {
    const ageMs = Math.max(now.ms - this.#proof.ms, now.wallMs - this.#proof.wallMs);
    if (ageMs <= LEAD_PROOF_MS) return;
    const hours = (ageMs / 3_600_000).toFixed(1);
    throw new SystemError("LOG_UNPROVEN", `this head last saw the log's end ${hours} h ago`);
  }
}

/** Now, by both clocks. */
export function momentOf({ clock, wallMs }: Pick<LeadPorts, "clock" | "wallMs">): Moment {
  return { ms: clock.now(), wallMs: wallMs() };
}

/**
 * Takes the lead behind all that a replica knows, which is this leader's state from now on.
 * @param seen - before the replica looked behind its tail for the last time.
 * @throws {SystemError} LOG_FENCED when another head took it at the same time, LOG_UNPROVEN.
 */
export async function takeLead(
  ports: LeadPorts,
  replica: Replica,
  leader: string,
  seen: Moment,
): Promise<{ readonly state: DurableState; readonly log: LogWriter }> {
  const { state, next } = replica;
  const epoch = { number: state.epoch.number + 1, leader };
  const log = new LogWriter(ports, epoch, next, seen);
  const fact: Fact = { type: "epoch", ...epoch };
  await log.append([fact]);
  apply(state, fact);
  return { state, log };
}
