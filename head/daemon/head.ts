/**
 * A head: it leads, or stands by until the leader falls silent. Everything outside comes through
 * its ports, so that the simulator runs it as it is.
 *
 * Who stands by keeps the state warm: it takes the segments that beacons tell of. After a second
 * without a beacon, counted only while its own ticks come in time and its bus is there, it races
 * for the next segment; who loses applies that one and waits for a new second. A leader that nobody
 * hears but that goes on appending isn't replaced: its segments are seen before the race.
 */
import { type Clock, every } from "../../runtime/clock.ts";
import type { Bus, BusState } from "../../runtime/bus/bus.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { TICK_MS } from "../../runtime/limits.ts";
import {
  BEACON_SILENCE_MS,
  FENCED_LINGER_MS,
  GATHER_HEARD_MS,
  LEAD_PROOF_MS,
  STANDBY_LATE_MS,
} from "../limits.ts";
import type { Beacon, Epoch, Report } from "../../runtime/messages.ts";
import { RefusalLog } from "../../runtime/refusals.ts";
import type { Storage } from "../../runtime/storage/storage.ts";
import type { HeadConfig as CoreConfig, HeadState } from "../core/events.ts";
import { Replica } from "./durable/replica.ts";
import type { SlurmPort } from "./effects.ts";
import { type LeadPorts, momentOf, takeLead } from "./lead.ts";
import { Leading, LOST, replaced } from "./leading.ts";
import { listenAsHead } from "./mouth.ts";

export interface HeadPorts {
  readonly clock: Clock;
  /** Milliseconds since 1970 by a clock that no correction sets back: waits depend on it. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970 as people see it: it goes on while the machine sleeps. */
  readonly wallMs: () => number;
  readonly bus: Bus;
  readonly storage: Storage;
  /** A uuid. */
  readonly newId: () => string;
  readonly slurm: SlurmPort;
  /** Takes a line for a person. */
  readonly warn: (line: string) => void;
  /** Called once: this head is over, and says and hears nothing more. */
  readonly fatal: (error: SystemError) => void;
  /** It leads from now on. */
  readonly onLeading?: (epoch: Epoch) => void;
  /** The log's end, with each beacon. */
  readonly onTail?: (tail: number) => void;
}

export interface HeadOptions {
  readonly cluster: string;
  /** Where log, snapshots and jobs lie. */
  readonly stateUri: string;
  readonly solverSha256: string | null;
  readonly slurmMode: CoreConfig["slurm"];
  /** Whether it waits until nobody leads. */
  readonly standby: boolean;
  /** An end that the log is known to have had: a shorter one has lost some. */
  readonly tail?: number | undefined;
  /** Segments between two snapshots; by the limits unless given. */
  readonly snapshotSegments?: number | undefined;
}

function lost(segment: number, what: string): SystemError {
  return new SystemError("LOG_TAIL_LOST", `${what}; ${LOST}`, { segment });
}

/** Where a head is in its life. */
type Phase = "new" | "standby" | "racing" | "leading" | "over";

export class Head {
  readonly #options: HeadOptions;
  readonly #ports: HeadPorts;
  readonly #log: LeadPorts;
  readonly #refusals: RefusalLog;
  #phase: Phase = "new";
  #replica: Replica | undefined;
  #leading: Leading | undefined;
  #cancelTicks: () => void = () => undefined;
  #busState: BusState = "connected";
  /** Milliseconds without a beacon that count. */
  #silentMs = 0;
  #tickMs = 0;
  /** The highest end of the log that was heard of. */
  #heardTail: number;
  #heardEpoch = 0;
  /** When each worker was last heard. */
  readonly #heardMs = new Map<string, number>();
  #catching: Promise<void> | undefined;
  /** Whether the segments that the silent leader may still have made were taken. */
  #isSettled = false;
  /** When the replica last looked behind its tail. */
  #seenMs = Number.NEGATIVE_INFINITY;

  constructor(options: HeadOptions, ports: HeadPorts) {
    this.#options = options;
    this.#ports = ports;
    const { clock, storage, wallMs, warn } = ports;
    this.#log = { clock, storage, wallMs, stateUri: options.stateUri };
    this.#heardTail = options.tail ?? 0;
    const write = (line: string): void => warn(line.trimEnd());
    this.#refusals = new RefusalLog({ write, now: () => clock.now() });
  }

  /**
   * Settles when it leads or stands by.
   * @throws {SystemError} LOG_CORRUPT, LOG_TAIL_LOST; LOG_FENCED when it isn't to stand by and
   * another one takes the lead at the same time.
   */
  async start(): Promise<void> {
    const { bus } = this.#ports;
    bus.onState((state) => this.#onBus(state));
    listenAsHead(bus, this.#options.cluster, {
      report: (worker, report) => this.#hearReport(worker, report),
      taskReport: (worker, report) => this.#leading?.taskReport(worker, report),
      request: (caller, request, fault) => {
        if (fault === null) this.#leading?.request(caller, request);
        else this.#leading?.refuse(caller, fault);
      },
      beacon: (said) => this.#hearBeacon(said),
      refused: (what) => this.#refusals.note(what),
    });
    const seen = momentOf(this.#log);
    this.#replica = await this.#load();
    if (this.#isOver()) return;
    this.#seenMs = seen.ms;
    if (this.#options.standby) {
      this.#standBy();
    } else await this.#lead(this.#replica, seen);
    // A bus that is lost meanwhile comes back with all subscriptions.
    await bus.flush().catch(() => undefined);
  }

  /** Ends it; the bus is closed. */
  async stop(): Promise<void> {
    this.#finish();
    await this.#ports.bus.close();
  }

  /** The log's end as it knows it. */
  get tail(): number {
    return this.#leading?.tail ?? this.#replica?.tail ?? 0;
  }

  /** Its own, while it leads. */
  get epoch(): Epoch | undefined {
    return this.#leading?.epoch;
  }

  /** What it decides on, while it leads. */
  get state(): HeadState | undefined {
    return this.#leading?.state;
  }

  async #load(): Promise<Replica> {
    const replica = await Replica.load(this.#log);
    for (const remark of replica.remarks) this.#ports.warn(remark);
    return replica;
  }

  #isOver(): boolean {
    return this.#phase === "over";
  }

  #standBy(): void {
    this.#phase = "standby";
    this.#silentMs = 0;
    this.#tickMs = this.#ports.clock.now();
    this.#cancelTicks();
    this.#cancelTicks = every(this.#ports.clock, TICK_MS, () => this.#tick());
  }

  #tick(): void {
    const now = this.#ports.clock.now();
    const sinceMs = now - this.#tickMs;
    this.#tickMs = now;
    if (sinceMs > TICK_MS + STANDBY_LATE_MS || this.#busState !== "connected") this.#silentMs = 0;
    else this.#silentMs += sinceMs;
    if (this.#phase !== "standby") return;
    if (this.#silentMs >= BEACON_SILENCE_MS) void this.#race();
    else if (this.#silentMs < BEACON_SILENCE_MS / 2) this.#isSettled = false;
    else if (!this.#isSettled) {
      this.#isSettled = true;
      this.#catchUp();
    }
  }

  /** Takes new segments, one look at a time. */
  #catchUp(): void {
    const replica = this.#replica;
    if (replica === undefined || this.#catching !== undefined) return;
    const asked = this.#ports.clock.now();
    this.#catching = replica
      .catchUp()
      .then(() => void (this.#seenMs = asked))
      .catch((thrown: unknown) => this.#failed(toSystemError(thrown)))
      .finally(() => (this.#catching = undefined));
  }

  /** Storage that fails now may answer later; a damaged log doesn't mend. */
  #failed(error: SystemError): void {
    if (error.code.startsWith("LOG_")) this.#over(error);
    else this.#ports.warn(`the log can't be read: ${error.message}`);
  }

  async #race(): Promise<void> {
    this.#phase = "racing";
    try {
      await this.#catching;
      if (this.#isOver()) return;
      const seen = momentOf(this.#log);
      const replica = await this.#upToDate(seen.ms);
      if (this.#isOver()) return;
      // Somebody appends that isn't heard: it leads.
      if (replica === undefined || this.#silentMs < BEACON_SILENCE_MS) this.#standBy();
      else await this.#lead(replica, seen);
    } catch (thrown) {
      const error = toSystemError(thrown);
      if (error.code !== "LOG_FENCED") this.#failed(error);
      if (!this.#isOver()) this.#standBy();
      // The segment that was made instead of ours says who leads.
      this.#catchUp();
    }
  }

  /** The replica with all that stands; undefined when that grew since silence began. */
  async #upToDate(nowMs: number): Promise<Replica | undefined> {
    const replica = this.#replica;
    if (
      replica === undefined ||
      nowMs - this.#seenMs > LEAD_PROOF_MS ||
      (await replica.isLeftBehind())
    ) {
      this.#replica = await this.#load();
    } else if ((await replica.catchUp()) > 0) {
      this.#seenMs = nowMs;
      return undefined;
    }
    this.#seenMs = nowMs;
    return this.#replica;
  }

  async #lead(replica: Replica, seen: ReturnType<typeof momentOf>): Promise<void> {
    const { tail } = replica;
    if (tail < this.#heardTail) {
      throw lost(tail + 1, `the log ends at ${tail}, but segment ${this.#heardTail} was heard of`);
    }
    if (!(await replica.isStanding())) {
      throw lost(tail, `segment ${tail} was read before and isn't there any more`);
    }
    if (this.#isOver()) return;
    this.#phase = "racing";
    const { state, log } = await takeLead(this.#log, replica, this.#ports.newId(), seen);
    if (this.#isOver()) return;
    const { clock } = this.#ports;
    const since = clock.now() - GATHER_HEARD_MS;
    const workers = [...this.#heardMs].filter(([, ms]) => ms >= since).map(([worker]) => worker);
    const lead = { state, log, base: replica.base, workers: new Set(workers) };
    this.#replica = undefined;
    this.#heardMs.clear();
    this.#cancelTicks();
    this.#phase = "leading";
    const leading = new Leading(this.#options, this.#ports, lead, (error) => this.#over(error));
    this.#leading = leading;
    this.#ports.onLeading?.(log.epoch);
    if (this.#heardEpoch > log.epoch.number)
      leading.end(replaced({ ...log.epoch, number: this.#heardEpoch }));
    else leading.begin();
  }

  #hearReport(worker: string, report: Report): void {
    if (this.#leading !== undefined) {
      this.#leading.report(worker, report);
      return;
    }
    this.#heardMs.set(worker, this.#ports.clock.now());
    this.#heardTail = Math.max(this.#heardTail, report.tail ?? 0);
  }

  #hearBeacon({ epoch, tail }: Beacon): void {
    this.#heardEpoch = Math.max(this.#heardEpoch, epoch.number);
    const own = this.#leading?.epoch.number ?? this.#replica?.state.epoch.number ?? 0;
    // A head that was paused may still say that it leads.
    if (epoch.number < own) return;
    if (this.#leading !== undefined) {
      if (epoch.number > own) this.#leading.end(replaced(epoch));
      return;
    }
    this.#silentMs = 0;
    this.#heardTail = Math.max(this.#heardTail, tail);
    if (this.#phase === "standby" && tail > this.tail) this.#catchUp();
  }

  #onBus(state: BusState): void {
    this.#busState = state;
    if (state !== "closed" || this.#isOver()) return;
    this.#over(new SystemError("NATS_UNREACHABLE", "the bus is closed to this head"));
  }

  #finish(): void {
    this.#phase = "over";
    this.#cancelTicks();
    this.#leading?.stop();
  }

  /**
   * Over, with its reason. Who lost the lead to a head of this cluster learns so from its beacon:
   * that isn't the error that a head of another cluster is.
   */
  #over(error: SystemError): void {
    if (this.#isOver()) return;
    const led = this.#leading?.epoch.number;
    this.#finish();
    if (error.code !== "LOG_FENCED" || led === undefined) {
      this.#ports.fatal(error);
      return;
    }
    const told = (): void => {
      const where =
        this.#heardEpoch > led ? { ...error.where, heard: this.#heardEpoch } : error.where;
      this.#ports.fatal(new SystemError(error.code, error.what, where, error));
    };
    if (this.#heardEpoch > led) told();
    else this.#ports.clock.after(FENCED_LINGER_MS, told);
  }
}
