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
import { CONFIG, expectReplayed, reportOf } from "./support.ts";

type Command = Extract<Effect, { type: "command" }>;
type Ended = Report["ended"][number];

const PAGE = 2;
const HEARTBEAT_MS = 1_000;
const DIED: ErrorData = { code: "ACTOR_DIED", what: "ended", where: {} };
const keyOf = ({ actorId, incarnation }: ActorLife): string => `${actorId}#${incarnation}`;

interface ModelLife extends ActorLife {
  readonly record: ActorRecord;
}

/** `in`: nothing of it reaches the head, but beacons and commands reach it. */
export type Cut = "none" | "both" | "in";

export class ModelWorker {
  readonly name: string;
  readonly host: string;
  cut: Cut = "none";
  process = 1;
  /** Constructors under way, and when they end. */
  starting: (ModelLife & { readonly atMs: number })[] = [];
  lives = new Map<string, ModelLife>();
  ended = new Map<string, Ended>();
  done = new Map<string, Done>();
  beaconMs = 0;
  reportMs = 0;
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

  lead(epoch: number, nowMs: number): void {
    this.beaconMs = nowMs;
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    this.#sequence = 0;
    this.#unsaid = [...this.lives.values()];
  }

  obey(epoch: number, command: Command, nowMs: number): void {
    this.lead(epoch, nowMs);
    if (epoch !== this.#epoch) return;
    this.#sequence = Math.max(this.#sequence, command.sequence);
    for (const { task, attempt } of command.ack) this.done.delete(`${task}#${attempt}`);
    for (const life of command.endSeen) this.ended.delete(keyOf(life));
    for (const life of command.end) this.end(life);
    if (command.announce) this.#unsaid = [...this.lives.values()];
    for (const { attempt: incarnation, work } of command.assign) {
      if (work.kind !== "host") continue;
      const { record } = work;
      const { actorId } = record;
      const older = this.running.find((life) => life.actorId === actorId);
      if (older?.incarnation === incarnation) continue;
      if (older !== undefined) this.end(older);
      this.starting.push({ actorId, incarnation, record, atMs: nowMs + 300 });
    }
    this.reportMs = nowMs;
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
    const isOver = nowMs - this.beaconMs >= NAMED_LEASE_MS;
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

  report(nowMs: number): Report | undefined {
    if (nowMs < this.reportMs || this.#epoch === 0) return undefined;
    this.reportMs = nowMs + HEARTBEAT_MS;
    const page = this.#unsaid.splice(0, PAGE).filter((it) => this.lives.get(it.actorId) === it);
    if (this.#unsaid.length > 0) this.reportMs = nowMs;
    return reportOf({
      process: String(this.process).padStart(16, "0"),
      host: this.host,
      hosting: this.lives.size,
      announced: this.#unsaid.length === 0,
      actors: page.map(({ record, ...life }) => {
        const where = { worker: this.name, process: "1".repeat(16), pid: 1, host: this.host };
        return { record, address: { ...where, ...life, socket: "/s", token: "t" } };
      }),
      ended: [...this.ended.values()],
      seen: { epoch: this.#epoch, sequence: this.#sequence },
      held: this.starting.map(({ actorId, incarnation: attempt }) => {
        return { task: `host/${actorId}`, attempt };
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
    if (worker === undefined || worker.cut === "both" || this.#isLost()) return;
    worker.obey(this.epoch, command, this.nowMs);
  }

  /** So many milliseconds, `check` after each 250 of them. */
  pass(forMs: number, check: () => void): void {
    for (let leftMs = forMs; leftMs > 0; leftMs -= 250) {
      this.nowMs += 250;
      for (const worker of this.workers) {
        if (worker.cut !== "both") worker.lead(this.epoch, this.nowMs);
        worker.pass(this.nowMs);
        const report = worker.report(this.nowMs);
        if (report === undefined || worker.cut !== "none" || this.#isLost()) continue;
        this.feed({ type: "report", worker: worker.name, report });
      }
      this.feed({ type: "tick" });
      check();
    }
  }
}
