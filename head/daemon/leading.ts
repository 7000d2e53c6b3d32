/**
 * A head while it leads: the daemon with its log, what it says and hears, its ticks and beacons.
 *
 * Invariants: effects leave behind the facts before them, and, when this process was late by more
 * than LEAD_LATE_MS, behind a look that shows that it still leads; a report is confirmed only
 * behind such a proof that began after it came. From the first sign that another head leads it
 * says nothing more.
 */
import { every } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { BEACON_INTERVAL_MS, TICK_MS } from "../../runtime/limits.ts";
import {
  GATHER_MS,
  GATHER_UNKNOWN_MS,
  LEAD_LATE_MS,
  LEAD_LOOK_MS,
  LEASE_LOOK_MS,
  LOG_LINGER_S3_MS,
  LOG_ROUND_MS,
} from "../limits.ts";
import type { ApiRequest, Epoch, Report } from "../../runtime/messages.ts";
import { isS3 } from "../../runtime/storage/uri.ts";
import type { TaskReport } from "../../runtime/tasks/wire.ts";
import { newHeadState } from "../core/core.ts";
import type { Caller, Effect, HeadEvent, HeadState } from "../core/events.ts";
import type { DurableState, Fact } from "../core/facts.ts";
import { HeadDaemon } from "./daemon.ts";
import { LeaseFence } from "./durable/fence.ts";
import { LogKeeper } from "./durable/keeper.ts";
import { carryOutWith } from "./effects.ts";
import type { HeadOptions, HeadPorts } from "./head.ts";
import { WorkerKnocks } from "./knocks.ts";
import type { LogWriter } from "./lead.ts";
import { fenced } from "./log.ts";
import { HeadMouth } from "./mouth.ts";

/** What a head has when it begins to lead. */
export interface Lead {
  readonly state: DurableState;
  readonly log: LogWriter;
  /** Of the snapshot that its state began with. */
  readonly base: number;
  /** Workers that were heard lately: what they hold is asked before anything is placed. */
  readonly workers: ReadonlySet<string>;
}

export class Leading {
  readonly #ports: HeadPorts;
  readonly #cluster: string;
  readonly #log: LogWriter;
  readonly #mouth: HeadMouth;
  readonly #daemon: HeadDaemon;
  readonly #keeper: LogKeeper;
  readonly #fence = new LeaseFence();
  readonly #carryOut: (effects: readonly Effect[]) => void;
  readonly #onEnd: (error: SystemError) => void;
  readonly #cancels: (() => void)[] = [];
  /** What came while workers are asked what they hold; undefined once they were. */
  #gathered: HeadEvent[] | undefined;
  readonly #awaited: Set<string>;
  /** Effects that wait for a look; undefined while none is needed. */
  #held: (readonly Effect[])[] | undefined;
  #isLooking = false;
  /** How often this process was late: a look counts for those before it alone. */
  #lates = 0;
  #turnMs: number;
  #isOver = false;

  /** @param onEnd - told once why it doesn't lead any more. */
  constructor(
    options: HeadOptions,
    ports: HeadPorts,
    lead: Lead,
    onEnd: (error: SystemError) => void,
  ) {
    const { state: durable, log, base, workers } = lead;
    const { clock, bus, storage, slurm } = ports;
    const { stateUri: stateFolder, solverSha256, slurmMode, snapshotSegments } = options;
    this.#ports = ports;
    this.#cluster = options.cluster;
    this.#log = log;
    this.#onEnd = onEnd;
    this.#turnMs = clock.now();
    this.#mouth = new HeadMouth(bus, options.cluster, log.epoch);
    const config = { stateFolder, solverSha256, slurm: slurmMode };
    const state = newHeadState(durable, config, ports.nowMs());
    this.#keeper = new LogKeeper({ ...ports, stateUri: options.stateUri }, log, {
      ...{ base, facts: durable.facts, segments: snapshotSegments, warn: ports.warn },
    });
    const lingers = isS3(options.stateUri);
    this.#daemon = new HeadDaemon(state, {
      now: ports.nowMs,
      append: (facts) => this.#append(facts),
      carryOut: (effects) => this.#release(effects),
      fatal: (error) => this.end(toSystemError(error)),
      defer: (run) => clock.soon(run),
      beforeAppend: (now) => this.#keeper.beforeAppend(now),
      linger: lingers ? (run) => void clock.after(LOG_LINGER_S3_MS, run) : undefined,
    });
    this.#carryOut = carryOutWith({
      ...{ mouth: this.#mouth, storage, slurm },
      covered: (worker) => this.#fence.covered(worker),
      feed: (event) => this.#feed(event),
    });
    this.#awaited = new Set(workers);
    // The first leader of a log succeeds nobody: no worker holds anything.
    this.#gathered = log.epoch.number > 1 ? [] : undefined;
  }

  get epoch(): Epoch {
    return this.#log.epoch;
  }

  get tail(): number {
    return this.#log.tail;
  }

  get state(): HeadState {
    return this.#daemon.state;
  }

  /** Says that it leads, and goes on saying it. */
  begin(): void {
    const { clock, bus } = this.#ports;
    const knocks = new WorkerKnocks({
      ...{ bus, cluster: this.#cluster, clock, workers: () => this.state.workers.keys() },
      absent: (worker) => this.#feed({ type: "absent", worker }),
    });
    this.#cancels.push(
      () => knocks.stop(),
      every(clock, BEACON_INTERVAL_MS, () => this.#beacon()),
      every(clock, TICK_MS, () => this.#tick()),
      every(clock, LOG_ROUND_MS, () => this.#keep()),
    );
    if (this.#gathered !== undefined) {
      const ms = this.#awaited.size > 0 ? GATHER_MS : GATHER_UNKNOWN_MS;
      this.#cancels.push(clock.after(ms, () => this.#gatheredAll()));
    }
    this.#beacon();
  }

  /** A worker's report; one that knows a higher epoch or a longer log has to be explained. */
  report(worker: string, report: Report): void {
    if (this.#isOver) return;
    if ((report.tail ?? 0) > this.tail || report.seen.epoch > this.epoch.number) {
      this.#explain(worker, report);
      return;
    }
    // Only what the core takes too: a lease that it doesn't know of must not be renewed.
    this.#fence.hear(worker, report);
    this.#feed({ type: "report", worker, report });
    if (report.seen.epoch < this.epoch.number || !this.#awaited.delete(worker)) return;
    if (this.#awaited.size === 0 && this.#gathered !== undefined) this.#gatheredAll();
  }

  /** What a worker says of tasks. */
  taskReport(worker: string, report: TaskReport): void {
    if (report.epoch === this.epoch.number) this.#feed({ type: "task-report", worker, report });
  }

  request(caller: Caller, request: ApiRequest): void {
    this.#feed({ type: "api", caller, request });
  }

  refuse(caller: Caller, error: Parameters<HeadMouth["refuse"]>[1]): void {
    this.#release([{ type: "refuse", caller, error }]);
  }

  /** Takes, says and appends nothing any more. */
  stop(): void {
    this.#isOver = true;
    this.#daemon.stop();
    for (const cancel of this.#cancels) cancel();
  }

  /** It doesn't lead any more, or can't. */
  end(error: SystemError): void {
    if (this.#isOver) return;
    this.stop();
    this.#onEnd(error);
  }

  #feed(event: HeadEvent): void {
    if (this.#isOver) return;
    if (this.#gathered === undefined) this.#daemon.feed(event);
    else this.#gathered.push(event);
  }

  /** All that was gathered is decided on at once: what is held is known before work is placed. */
  #gatheredAll(): void {
    if (this.#isOver) return;
    const events = this.#gathered ?? [];
    this.#gathered = undefined;
    const rank = ({ type }: HeadEvent): number =>
      type === "report" ? 0 : type === "task-report" ? 1 : 2;
    for (const event of events.sort((a, b) => rank(a) - rank(b))) this.#daemon.feed(event);
  }

  #tick(): void {
    this.#turn();
    const now = this.#ports.clock.now();
    const isDue = now - this.#log.provenMs >= (this.#hasBehind() ? LEASE_LOOK_MS : LEAD_LOOK_MS);
    if (isDue || this.#held !== undefined) this.#look();
    if (this.#gathered === undefined) this.#feed({ type: "tick" });
  }

  #beacon(): void {
    this.#turn();
    if (this.#isOver || this.#held !== undefined) return;
    this.#mouth.beacon(this.#log.tail);
    this.#ports.onTail?.(this.#log.tail);
  }

  #keep(): void {
    this.#fence.keep(this.state.workers);
    this.#keeper.round().catch((thrown: unknown) => this.end(toSystemError(thrown)));
  }

  /** Whether this process was late: then another head may lead, and what it would say waits. */
  #turn(): void {
    const now = this.#ports.clock.now();
    if (now - this.#turnMs > LEAD_LATE_MS) {
      this.#held ??= [];
      this.#lates += 1;
    }
    this.#turnMs = now;
  }

  #release(effects: readonly Effect[]): void {
    if (this.#isOver) return;
    this.#turn();
    if (this.#held === undefined) this.#carryOut(effects);
    else {
      this.#held.push(effects);
      this.#look();
    }
  }

  async #append(facts: readonly Fact[]): Promise<void> {
    const covered = this.#fence.begin();
    await this.#log.append(facts);
    covered();
  }

  /** Proves that it leads; what waits for that leaves then. */
  #look(): void {
    if (this.#isLooking || this.#isOver) return;
    this.#isLooking = true;
    this.#turn();
    const lates = this.#lates;
    const covered = this.#fence.begin();
    this.#log.look().then(
      () => {
        this.#isLooking = false;
        if (this.#isOver) return;
        covered();
        this.#turn();
        if (lates === this.#lates) this.#unhold();
        this.#confirm();
      },
      (thrown: unknown) => this.#looked(toSystemError(thrown)),
    );
  }

  /** What was held leaves, behind a look that began after this process was last late. */
  #unhold(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const effects of held) this.#carryOut(effects);
  }

  #looked(error: SystemError): void {
    this.#isLooking = false;
    if (error.code === "LOG_FENCED" || error.code === "LOG_UNPROVEN") this.end(error);
    else if (!this.#isOver) this.#ports.warn(`the log's end can't be seen: ${error.message}`);
  }

  /** Workers whose named actors wait for a proof. */
  *#behind(): Generator<string> {
    for (const [name, { named }] of this.state.workers) {
      if (named > 0 && this.#fence.isBehind(name)) yield name;
    }
  }

  #hasBehind(): boolean {
    return this.#behind().next().done === false;
  }

  /** Renews leases at once: they don't wait for an append that may be under way. */
  #confirm(): void {
    for (const [name, { named }] of this.state.workers) {
      const heard = this.#fence.covered(name);
      if (named > 0 && heard > 0) this.#mouth.confirm(name, heard);
    }
  }

  /** A worker has heard of more than this head knows: another one leads, or segments are lost. */
  #explain(worker: string, { tail = 0, seen }: Report): void {
    const mine = this.tail;
    const what = `${worker} has heard of segment ${tail} and epoch ${seen.epoch}`;
    this.#log.look().then(
      () => {
        // It may have been a report on what this head has appended meanwhile.
        if (tail <= this.tail && seen.epoch <= this.epoch.number) return;
        const lost = `the log ends at ${mine}, but ${what}; ${LOST}`;
        this.end(new SystemError("LOG_TAIL_LOST", lost, { segment: mine + 1 }));
      },
      (thrown: unknown) => this.#looked(toSystemError(thrown)),
    );
  }
}

/** What a person can do about a lost end of the log. */
export const LOST =
  "bring back the state as it was, without what a head has written since; or, to give up what is " +
  "missing, end this cluster and run again: shards that stand are checked and adopted";

/** The error of a leader that hears another one's beacon. */
export function replaced({ number }: Epoch): SystemError {
  return fenced(`another head leads epoch ${number}`);
}
