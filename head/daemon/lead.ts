/**
 * Taking the lead: replay the log through `apply`, then make the next segment, whose first fact is
 * the new epoch. Who makes that segment leads; who finds it made doesn't.
 */
import { randomUUID } from "node:crypto";
import type { Epoch } from "../../runtime/messages.ts";
import { apply } from "../core/apply.ts";
import { type DurableState, emptyState, type Fact } from "../core/facts.ts";
import { appendSegment, readLog } from "./log.ts";

/** Appends to the log as one leader. */
export class LogWriter {
  readonly #stateFolder: string;
  readonly epoch: Epoch;
  #next: number;

  constructor(stateFolder: string, epoch: Epoch, next: number) {
    this.#stateFolder = stateFolder;
    this.epoch = epoch;
    this.#next = next;
  }

  /** Number of the last segment made. */
  get tail(): number {
    return this.#next - 1;
  }

  /** @throws {SystemError} LOG_FENCED when another head leads. One call at a time. */
  async append(facts: readonly Fact[]): Promise<void> {
    await appendSegment(this.#stateFolder, this.#next, this.epoch, facts);
    this.#next += 1;
  }
}

/** Durable state as the log tells it. @throws {SystemError} LOG_CORRUPT. */
export async function replay(
  stateFolder: string,
): Promise<{ readonly state: DurableState; readonly next: number }> {
  const { facts, next } = await readLog(stateFolder);
  const state = emptyState();
  for (const fact of facts) apply(state, fact);
  return { state, next };
}

/**
 * Takes the lead.
 * @throws {SystemError} LOG_FENCED when another head took it at the same time, LOG_CORRUPT.
 */
export async function takeLead(
  stateFolder: string,
): Promise<{ readonly state: DurableState; readonly log: LogWriter }> {
  const { state, next } = await replay(stateFolder);
  const epoch = { number: state.epoch.number + 1, leader: randomUUID() };
  const log = new LogWriter(stateFolder, epoch, next);
  const fact: Fact = { type: "epoch", ...epoch };
  await log.append([fact]);
  apply(state, fact);
  return { state, log };
}
