/**
 * A head and its workers over a bus that loses, cuts and delays, for properties of actors' lives.
 * A worker here does what the protocol asks of one and nothing else.
 */
import { apply } from "../../../head/core/apply.ts";
import { decideAll, newHeadState } from "../../../head/core/core.ts";
import type { Effect, HeadEvent, HeadState } from "../../../head/core/events.ts";
import { emptyState, type Fact } from "../../../head/core/facts.ts";
import type { ErrorData } from "../../../runtime/errors.ts";
import { NAMED_LEASE_MS } from "../../../runtime/limits.ts";
import type { ActorLife, ActorRecord, Done, Report } from "../../../runtime/messages.ts";
import {
  fits,
  minus,
  NO_RESOURCES,
  plus,
  type Resources,
  UNITS,
} from "../../../runtime/resources/resources.ts";
import { CONFIG, expectReplayed, reportOf } from "./support.ts";

type Command = Extract<Effect, { type: "command" }>;
type Ended = Report["ended"][number];

const PAGE = 2;
const HEARTBEAT_MS = 1_000;
const FULL: ErrorData = { code: "NO_CAPACITY", what: "full", where: {} };
const DIED: ErrorData = { code: "ACTOR_DIED", what: "ended", where: {} };
const keyOf = ({ actorId, incarnation }: ActorLife): string => `${actorId}#${incarnation}`;

interface ModelLife extends ActorLife {
  readonly record: ActorRecord;
  readonly gpus: readonly number[];
}

/** What each worker has. */
export const OFFER: Resources = { ...NO_RESOURCES, cpu: 2 * UNITS, gpu: 2 * UNITS };

/** `in`: nothing of it reaches the head, but beacons and commands reach it; `out`: the reverse. */
export type Cut = "none" | "both" | "in" | "out";

/** What is under way, in the order in which it was sent. */
class Way<Message> {
  readonly #waiting: { readonly message: Message; readonly dueMs: number }[] = [];
  /** Milliseconds that what is sent from now on takes; nothing overtakes what was sent before. */
  delayMs = 0;

  send(message: Message, nowMs: number): void {
    const last = this.#waiting.at(-1)?.dueMs ?? 0;
    this.#waiting.push({ message, dueMs: Math.max(last, nowMs + this.delayMs) });
  }

  /** The next one that has arrived. */
  arrived(nowMs: number): Message | undefined {
    const [first] = this.#waiting;
    return first === undefined || first.dueMs > nowMs ? undefined : this.#waiting.shift()?.message;
  }
}

export class ModelWorker {
  readonly name: string;
  readonly host: string;
  /** What the head has sent, with the epoch in which it did. */
  readonly commands = new Way<{ readonly epoch: number; readonly command: Command }>();
  readonly reports = new Way<Report>();
  cut: Cut = "none";
  process = 1;
  /** Constructors under way, and when they end. */
  starting: (ModelLife & { readonly atMs: number })[] = [];
  lives = new Map<string, ModelLife>();
  ended = new Map<string, Ended>();
  done = new Map<string, Done>();
  /** When the last confirmed report was sent: named lives go on for a lease after it. */
  leaseMs = Number.NEGATIVE_INFINITY;
  reportMs = 0;
  /** When each report was sent, by its number. */
  readonly #sentMs = new Map<number, number>();
  #number = 1_000_000;
  #epoch = 0;
  #sequence = 0;
  #unsaid: ModelLife[] = [];

  constructor(name: string) {
    this.name = name;
    this.host = `host of ${name}`;
  }

  /** Everything that runs user code now, or is about to. */
  get running(): ModelLife[] {
    return [...this.lives.values(), ...this.starting];
  }

  lead(epoch: number): void {
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    this.#sequence = 0;
    this.#unsaid = [...this.lives.values()];
  }

  obey(epoch: number, command: Command, nowMs: number): void {
    this.lead(epoch);
    if (epoch !== this.#epoch) return;
    this.#sequence = Math.max(this.#sequence, command.sequence);
    this.leaseMs = Math.max(this.leaseMs, this.#sentMs.get(command.heard) ?? this.leaseMs);
    for (const { task, attempt } of command.ack) this.done.delete(`${task}#${attempt}`);
    for (const life of command.endSeen) this.ended.delete(keyOf(life));
    for (const life of command.end) this.end(life);
    if (command.announce) this.#unsaid = [...this.lives.values()];
    for (const { task, attempt: incarnation, work, gpus = [] } of command.assign) {
      if (work.kind !== "host") continue;
      const { record } = work;
      const { actorId } = record;
      const older = this.running.find((life) => life.actorId === actorId);
      if (older?.incarnation === incarnation) continue;
      if (older !== undefined) this.end(older);
      if (record.options.name !== null && this.#isOver(nowMs)) {
        const outcome = { kind: "failed", error: DIED } as const;
        this.done.set(`${task}#${incarnation}`, { task, attempt: incarnation, outcome });
        continue;
      }
      if (!this.#hasRoomFor(record)) {
        const outcome = { kind: "failed", error: FULL } as const;
        this.done.set(`${task}#${incarnation}`, { task, attempt: incarnation, outcome });
        continue;
      }
      this.starting.push({ actorId, incarnation, record, gpus, atMs: nowMs + 300 });
    }
    this.reportMs = nowMs;
  }

  /** A command of long ago may come beside what is here now: its worker counts too. */
  #hasRoomFor({ options }: ActorRecord): boolean {
    const held = this.running.map(({ record }) => record.options.resources ?? NO_RESOURCES);
    return fits(options.resources ?? NO_RESOURCES, minus(OFFER, held.reduce(plus, NO_RESOURCES)));
  }

  /** Ends a life, and says so; of one that isn't there too. */
  end({ actorId, incarnation }: ActorLife): void {
    if (this.lives.get(actorId)?.incarnation === incarnation) this.lives.delete(actorId);
    const isIt = (life: ModelLife) => keyOf(life) === keyOf({ actorId, incarnation });
    this.starting = this.starting.filter((life) => !isIt(life));
    this.ended.set(keyOf({ actorId, incarnation }), { actorId, incarnation, error: DIED });
  }

  /** Its agent and all executors died; another agent starts. */
  restart(): void {
    this.process += 1;
    this.leaseMs = Number.NEGATIVE_INFINITY;
    // Numbers of different processes have nothing to do with each other.
    this.#sentMs.clear();
    this.#number += this.process % 2 === 0 ? 500_000 : -800_000;
    this.starting = [];
    this.lives = new Map();
    this.ended = new Map();
    this.done = new Map();
    this.#epoch = 0;
    this.#sequence = 0;
    this.#unsaid = [];
  }

  /** What time brings about in executors. */
  pass(nowMs: number): void {
    const isOver = this.#isOver(nowMs);
    const named = this.running.filter(({ record }) => record.options.name !== null);
    for (const life of isOver ? named : []) this.end(life);
    for (const life of this.starting.filter(({ atMs }) => nowMs >= atMs)) {
      const { actorId, incarnation } = life;
      const where = { worker: this.name, process: "1".repeat(16), pid: 1, host: this.host };
      const address = { ...where, actorId, incarnation, socket: "/s", token: "t" };
      const task = `host/${actorId}`;
      const outcome = { kind: "hosted", address } as const;
      this.lives.set(actorId, life);
      this.done.set(`${task}#${incarnation}`, { task, attempt: incarnation, outcome });
      this.reportMs = nowMs;
    }
    this.starting = this.starting.filter(({ atMs }) => nowMs < atMs);
  }

  #isOver(nowMs: number): boolean {
    return nowMs - this.leaseMs >= NAMED_LEASE_MS;
  }

  report(nowMs: number): Report | undefined {
    if (nowMs < this.reportMs || this.#epoch === 0) return undefined;
    this.reportMs = nowMs + HEARTBEAT_MS;
    const page = this.#unsaid.splice(0, PAGE).filter((it) => this.lives.get(it.actorId) === it);
    if (this.#unsaid.length > 0) this.reportMs = nowMs;
    this.#number += 1;
    this.#sentMs.set(this.#number, nowMs);
    return reportOf({
      number: this.#number,
      process: String(this.process).padStart(16, "0"),
      host: this.host,
      slots: 2,
      resources: OFFER,
      hosting: this.lives.size,
      announced: this.#unsaid.length === 0,
      actors: page.map(({ record, gpus, ...life }) => {
        const where = { worker: this.name, process: "1".repeat(16), pid: 1, host: this.host };
        const address = { ...where, ...life, socket: "/s", token: "t" };
        return { record, address, gpus: [...gpus] };
      }),
      ended: [...this.ended.values()],
      seen: { epoch: this.#epoch, sequence: this.#sequence },
      held: this.starting.map(({ actorId, incarnation: attempt, record, gpus }) => {
        const { resources = NO_RESOURCES } = record.options;
        return { task: `host/${actorId}`, attempt, gpus: [...gpus], resources };
      }),
      done: [...this.done.values()],
    });
  }
}

/** The cluster: what it is fed, and what must hold of it after each step. */
export class Model {
  readonly workers = ["w-000000000001", "w-000000000002"].map((name) => new ModelWorker(name));
  readonly facts: Fact[] = [];
  state: HeadState;
  nowMs = 1_000;
  /** One in so many commands and reports is lost; 0 for none. */
  lossOneIn = 0;
  #sent = 0;
  readonly answers = new Map<number, "ok" | "refused">();

  constructor() {
    this.state = this.#lead();
  }

  get epoch(): number {
    return this.state.durable.epoch.number;
  }

  #lead(): HeadState {
    const number = 1 + this.facts.filter(({ type }) => type === "epoch").length;
    this.facts.push({ type: "epoch", number, leader: `leader-${number}` });
    const durable = emptyState();
    for (const fact of this.facts) apply(durable, fact);
    return newHeadState(durable, CONFIG, this.nowMs);
  }

  /** The head dies; the next one has the facts alone. */
  failOver(): void {
    expectReplayed(this.facts, this.state);
    this.state = this.#lead();
  }

  feed(...events: HeadEvent[]): void {
    const { facts, effects } = decideAll(this.state, events, this.nowMs);
    this.facts.push(...facts);
    for (const effect of effects) {
      if (effect.type === "reply") this.answers.set(effect.caller.id, "ok");
      else if (effect.type === "refuse") this.answers.set(effect.caller.id, "refused");
      else if (effect.type === "command") this.#deliver(effect);
    }
  }

  #isLost(): boolean {
    this.#sent += 1;
    return this.lossOneIn > 0 && this.#sent % this.lossOneIn === 0;
  }

  #deliver(command: Command): void {
    const worker = this.workers.find(({ name }) => name === command.worker);
    if (worker === undefined || isDeaf(worker) || this.#isLost()) return;
    worker.commands.send({ epoch: this.epoch, command }, this.nowMs);
    this.#arrive(worker);
  }

  /** What has arrived at a worker by now. */
  #arrive(worker: ModelWorker): void {
    for (;;) {
      const said = worker.commands.arrived(this.nowMs);
      if (said === undefined) return;
      worker.obey(said.epoch, said.command, this.nowMs);
    }
  }

  /** What a worker has to say, and what of it has arrived by now. */
  #listen(worker: ModelWorker): void {
    const report = worker.report(this.nowMs);
    const isMute = worker.cut === "both" || worker.cut === "in";
    if (report !== undefined && !isMute && !this.#isLost()) {
      worker.reports.send(report, this.nowMs);
    }
    for (;;) {
      const said = worker.reports.arrived(this.nowMs);
      if (said === undefined) return;
      this.feed({ type: "report", worker: worker.name, report: said });
    }
  }

  /** So many milliseconds, `check` after each 250 of them. */
  pass(forMs: number, check: () => void): void {
    for (let leftMs = forMs; leftMs > 0; leftMs -= 250) {
      this.nowMs += 250;
      for (const worker of this.workers) {
        // Beacons take as long as commands: those of an earlier leader may come between.
        if (!isDeaf(worker) && worker.commands.delayMs === 0) worker.lead(this.epoch);
        this.#arrive(worker);
        worker.pass(this.nowMs);
        this.#listen(worker);
      }
      this.feed({ type: "tick" });
      check();
    }
  }
}

/** Whether nothing that is sent to it from now on arrives. */
function isDeaf({ cut }: ModelWorker): boolean {
  return cut === "both" || cut === "out";
}
