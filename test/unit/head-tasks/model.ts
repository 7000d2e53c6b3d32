/**
 * Owners, workers and a lossy bus around a head's core, moved by a random source: what they do is
 * what the protocol of tasks asks of them, and faults are lost, doubled and late messages, deaths
 * of executors and workers, cancellations, and new leaders. Every task's runs and ends are counted.
 * Long because owner, worker and bus are one world that only makes sense together.
 */
import type { Caller, Effect, HeadEvent } from "../../../head/core/events.ts";
import { FREE } from "../../../head/core/task-store/columns.ts";
import type { TaskEnds, TaskGroup, TaskOrder } from "../../../runtime/tasks/wire.ts";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_RETURNED,
  TASK_STARTED,
} from "../../../runtime/tasks/wire.ts";
import {
  cpus,
  endsOf,
  eventsOf,
  groupOf,
  heldOf,
  ownerOf,
  processOf,
  TaskHead,
  workerName,
} from "./support.ts";

const GROUPS: readonly TaskGroup[] = [
  groupOf({ task: "plain" }),
  groupOf({ task: "once", maxRetries: 0 }),
  groupOf({ task: "wide", resources: cpus(2) }),
  groupOf({ task: "urgent", priority: 3 }),
];

/** What became of one task. */
export interface Outcome {
  readonly group: TaskGroup;
  runs: number;
  /** Attempts that the owner has a result of, and ends that the head told. */
  results: number;
  ends: string[];
  cancelled: boolean;
}

interface Sent {
  readonly number: number;
  readonly group: TaskGroup;
  /** The leader that it was last said to; 0 = none. */
  epoch: number;
  /** Whether it was said to an earlier one before. */
  again: boolean;
  answered: boolean;
}

class OwnerModel {
  readonly caller: Caller;
  readonly tasks = new Map<number, Outcome>();
  readonly open = new Map<number, Sent>();
  readonly cancels = new Set<number>();
  next = 1;
  epoch = 0;
  endsUpTo = 0;
  life = 0;

  constructor(n: number) {
    this.caller = ownerOf(n);
  }

  get key(): string {
    return `${this.caller.identity}/${this.caller.process}`;
  }

  end(number: number, how: string | null): void {
    const task = this.tasks.get(number);
    if (task === undefined) throw new Error(`an end of a task that never was: ${number}`);
    if (how === null) task.results += 1;
    else if (this.open.has(number)) task.ends.push(how);
    this.open.delete(number);
    this.cancels.delete(number);
  }

  follow(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.endsUpTo = 0;
    this.life = 0;
  }
}

interface Held {
  readonly owner: OwnerModel;
  readonly number: number;
  readonly attempt: number;
  readonly group: TaskGroup;
  started: boolean;
}

interface Event {
  readonly owner: OwnerModel;
  readonly number: number;
  readonly attempt: number;
  readonly state: number;
}

class WorkerModel {
  readonly name: string;
  life = 0;
  epoch = 0;
  seen = 0;
  announced = false;
  /** What it announces, and how much of that has been told. */
  toTell: Held[] = [];
  told = 0;
  held = new Map<string, Held>();
  events: Event[] = [];
  heard = 0;
  /** Orders on their way, in the order in which they were sent. */
  wire: TaskOrder[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get process(): string {
    return processOf(`w-${this.life.toString(16)}${this.name.slice(-4)}`);
  }

  running(): Held[] {
    return [...this.held.values()].filter(({ started }) => started);
  }

  follow(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.seen = 0;
    this.announceAll();
  }

  announceAll(): void {
    this.announced = false;
    this.toTell = [...this.held.values()];
    this.told = 0;
  }

  has({ owner, number, attempt }: Held): boolean {
    return this.held.has(keyOf(owner, number, attempt));
  }
}

export class TaskWorld {
  head = new TaskHead();
  readonly owners = [new OwnerModel(1), new OwnerModel(2)];
  readonly workers = [workerName(1), workerName(2)].map((name) => new WorkerModel(name));
  readonly #random: () => number;
  #faults = true;

  constructor(random: () => number) {
    this.#random = random;
    for (const worker of this.workers) this.report(worker);
  }

  nat(max: number): number {
    return Math.floor(this.#random() * max);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.nat(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  isLost(): boolean {
    return this.#faults && this.#random() < 0.15;
  }

  /** One thing happens. */
  step(): void {
    const dice = this.nat(100);
    const owner = this.pick(this.owners);
    const worker = this.pick(this.workers);
    if (dice < 12) this.submit(owner);
    else if (dice < 16) this.say(owner);
    else if (dice < 18) this.wantCancel(owner);
    else if (dice < 40) this.deliver(worker);
    else if (dice < 55) this.begin(worker);
    else if (dice < 70) this.finish(worker);
    else if (dice < 82) this.tell(worker);
    else if (dice < 90) this.tick();
    else if (dice < 93) this.report(worker);
    else if (dice < 95) this.executorDies(worker);
    else if (dice < 96) this.workerDies(worker);
    else if (dice < 97) this.newLeader();
    else this.poll(owner);
    this.check();
  }

  /** No more faults: all that is open ends. */
  settle(): void {
    this.#faults = false;
    for (let round = 0; round < 400; round += 1) {
      for (const owner of this.owners) {
        this.say(owner);
        this.poll(owner);
      }
      for (const worker of this.workers) {
        this.report(worker);
        while (worker.wire.length > 0) this.deliver(worker);
        for (let n = 0; n < 8; n += 1) this.begin(worker);
        for (let n = 0; n < 8; n += 1) this.finish(worker);
        this.tell(worker);
      }
      this.tick();
      this.check();
      const isOver = this.owners.every(({ open, cancels }) => open.size + cancels.size === 0);
      const isIdle = this.workers.every(
        ({ held, events, heard }) => held.size + events.length - heard === 0,
      );
      if (isOver && isIdle && this.head.state.tasks.columns.used === 0) return;
    }
  }

  feed(...events: HeadEvent[]): readonly Effect[] {
    const effects = this.head.feed(...events);
    this.head.effects = [];
    for (const effect of effects) this.#carry(effect);
    if (effects.some(({ type }) => type === "more")) this.feed({ type: "more" });
    return effects;
  }

  #carry(effect: Effect): void {
    if (effect.type === "task-order") {
      const worker = this.workers.find(({ name }) => name === effect.worker);
      if (worker === undefined || this.isLost()) return;
      worker.wire.push(effect.order);
      if (this.#faults && this.nat(10) === 0) worker.wire.push(effect.order);
    } else if (effect.type === "task-ends" && !this.isLost()) {
      const key = `${effect.to.identity}/${effect.to.process}`;
      const owner = this.owners.find((one) => one.key === key);
      if (owner !== undefined) this.#hearEnds(owner, effect.ends);
    }
  }

  #hearEnds(owner: OwnerModel, ends: TaskEnds): void {
    owner.follow(ends.epoch);
    if (ends.epoch !== owner.epoch || ends.life < owner.life) return;
    if (ends.life > owner.life) [owner.life, owner.endsUpTo] = [ends.life, 0];
    if (ends.from > owner.endsUpTo + 1) return;
    for (const [i, { number, code }] of endsOf(ends).entries()) {
      if (ends.from + i > owner.endsUpTo) owner.end(number, code);
    }
    owner.endsUpTo = Math.max(owner.endsUpTo, ends.from + ends.numbers.length - 1);
  }

  submit(owner: OwnerModel): void {
    const group = this.pick(GROUPS);
    const n = 1 + this.nat(4);
    for (let i = 0; i < n; i += 1) {
      const number = owner.next;
      owner.next += 1;
      owner.tasks.set(number, { group, runs: 0, results: 0, ends: [], cancelled: false });
      owner.open.set(number, { number, group, epoch: 0, again: false, answered: false });
    }
    this.say(owner);
  }

  /** Says all that this leader hasn't answered to be there. */
  say(owner: OwnerModel): void {
    for (const group of GROUPS) {
      for (const again of [false, true]) {
        const wanted = [...owner.open.values()].filter(
          (task) =>
            task.group === group &&
            !(task.answered && task.epoch === owner.epoch) &&
            (task.again || (task.epoch > 0 && task.epoch !== owner.epoch)) === again,
        );
        if (wanted.length > 0) this.#submit(owner, wanted, again);
      }
    }
    if (owner.cancels.size > 0 && !this.isLost()) {
      const numbers = Uint32Array.from(owner.cancels);
      const request = { op: "task-cancel", epoch: owner.epoch, numbers, force: false } as const;
      if (this.#ask(owner, request) !== undefined) owner.cancels.clear();
    }
  }

  #submit(owner: OwnerModel, wanted: readonly Sent[], again: boolean): void {
    const numbers = Uint32Array.from(wanted, ({ number }) => number);
    for (const task of wanted) {
      task.again = again;
      task.answered = false;
      if (owner.epoch > 0) task.epoch = owner.epoch;
    }
    if (this.isLost()) return;
    const value = this.#ask(owner, {
      op: "task-submit",
      epoch: owner.epoch,
      job: owner.caller.process,
      group: wanted[0]?.group ?? groupOf(),
      deadlineMs: null,
      numbers,
      ends: numbers.map((_, i) => 4 * (i + 1)),
      args: new Uint8Array(numbers.buffer),
      again,
      near: [],
    });
    if (value === undefined) return;
    for (const task of wanted) task.answered = task.epoch === owner.epoch;
  }

  /** The answer's value, in a box; undefined when it was a refusal, or lost. */
  #ask(
    owner: OwnerModel,
    request: Extract<HeadEvent, { type: "api" }>["request"],
  ): { readonly value: unknown } | undefined {
    const caller = { ...owner.caller, id: this.nat(1e9) };
    const effects = this.feed({ type: "api", caller, request });
    if (this.isLost()) return undefined;
    for (const effect of effects) {
      if (effect.type === "refuse") {
        owner.follow(Number(effect.error.where["epoch"] ?? 0));
        return undefined;
      }
      if (effect.type === "reply") return { value: effect.value };
    }
    return undefined;
  }

  poll(owner: OwnerModel): void {
    if (this.isLost()) return;
    const { epoch, life, endsUpTo: upTo } = owner;
    const below = Math.min(owner.next, ...owner.open.keys());
    const request = { op: "task-ends", epoch, life, upTo, below } as const;
    const answered = this.#ask(owner, request);
    const { open } = (answered?.value ?? { open: -1 }) as { open: number };
    owner.follow(this.head.epoch);
    if (open !== 0) return;
    for (const task of owner.open.values()) {
      if (!task.answered || task.epoch !== owner.epoch) continue;
      throw new Error(`the head has lost task ${task.number}`);
    }
  }

  wantCancel(owner: OwnerModel): void {
    const open = [...owner.open.values()];
    if (open.length === 0) return;
    const { number, epoch } = this.pick(open);
    if (epoch === 0) return;
    owner.cancels.add(number);
    const task = owner.tasks.get(number);
    if (task !== undefined) task.cancelled = true;
  }

  deliver(worker: WorkerModel): void {
    const order = worker.wire.shift();
    if (order === undefined || order.process !== worker.process) return;
    worker.follow(order.epoch.number);
    if (order.epoch.number !== worker.epoch) return;
    worker.heard = Math.max(worker.heard, Math.min(order.heard, worker.events.length));
    if (order.number === 0 || order.number !== worker.seen + 1) return;
    worker.seen += 1;
    if (order.announce === true) worker.announceAll();
    for (const block of order.tasks) {
      const owner = this.#ownerOf(block.owner.process);
      for (const [i, number] of block.numbers.entries()) {
        const start = block.ends[i - 1] ?? 0;
        const said = new Uint32Array(block.args.slice(start, block.ends[i]).buffer)[0];
        if (said !== number) throw new Error(`task ${number} has the arguments of ${said}`);
        const attempt = block.attempts[i] ?? 0;
        const key = keyOf(owner, number, attempt);
        if (worker.held.has(key)) continue;
        worker.held.set(key, { owner, number, attempt, group: block.group, started: false });
      }
    }
    for (const names of order.revoke) {
      for (const held of this.#named(worker, names)) {
        if (held.started) this.#event(worker, held, TASK_STARTED);
        else this.#drop(worker, held, TASK_RETURNED);
      }
    }
    for (const names of order.abort) {
      for (const held of this.#named(worker, names)) this.#drop(worker, held, TASK_ABORTED);
    }
  }

  #ownerOf(process: string): OwnerModel {
    const owner = this.owners.find(({ caller }) => caller.process === process);
    if (owner === undefined) throw new Error(`no owner ${process}`);
    return owner;
  }

  #named(worker: WorkerModel, names: TaskOrder["revoke"][number]): Held[] {
    const owner = this.#ownerOf(names.owner.process);
    return Array.from(names.numbers, (number, i) =>
      worker.held.get(keyOf(owner, number, names.attempts[i] ?? 0)),
    ).filter((held) => held !== undefined);
  }

  #event(worker: WorkerModel, { owner, number, attempt }: Held, state: number): void {
    worker.events.push({ owner, number, attempt, state });
  }

  #drop(worker: WorkerModel, held: Held, state: number): void {
    worker.held.delete(keyOf(held.owner, held.number, held.attempt));
    this.#event(worker, held, state);
  }

  begin(worker: WorkerModel): void {
    const waiting = [...worker.held.values()].filter(({ started }) => !started);
    if (waiting.length === 0 || worker.running().length >= 2) return;
    const held = this.pick(waiting);
    held.started = true;
    const task = held.owner.tasks.get(held.number);
    if (task !== undefined) task.runs += 1;
    if (this.nat(3) === 0) this.#event(worker, held, TASK_STARTED);
  }

  finish(worker: WorkerModel): void {
    const running = worker.running();
    if (running.length === 0) return;
    const held = this.pick(running);
    held.owner.end(held.number, null);
    this.#drop(worker, held, TASK_DONE);
  }

  executorDies(worker: WorkerModel): void {
    for (const held of [...worker.held.values()]) {
      this.#drop(worker, held, held.started ? TASK_DIED : TASK_RETURNED);
    }
  }

  workerDies(worker: WorkerModel): void {
    worker.life += 1;
    worker.epoch = 0;
    worker.seen = 0;
    worker.heard = 0;
    worker.events = [];
    worker.held.clear();
    worker.announceAll();
    this.report(worker);
  }

  /** A worker's report of all but tasks. */
  report(worker: WorkerModel): void {
    if (this.isLost()) return;
    const { process } = worker;
    worker.follow(this.head.epoch);
    const resources = { cpu: 20_000, gpu: 0, memory: 0, custom: {} };
    this.head.report(worker.name, 2, { process, resources, host: worker.name });
    const effects = this.head.effects;
    this.head.effects = [];
    for (const effect of effects) this.#carry(effect);
  }

  /** A worker's report of tasks: all that isn't heard, and what it holds to who leads anew. */
  tell(worker: WorkerModel): void {
    // Two tasks a page.
    const heldFrom = worker.told;
    const page = worker.toTell.slice(heldFrom, heldFrom + 2);
    const pages = page
      .filter((held) => worker.has(held))
      .map((held) => heldOf([held], held.started, held.group, held.owner.caller));
    worker.told = heldFrom + page.length;
    const events = worker.events
      .slice(worker.heard)
      .map(({ owner, state, ...given }) =>
        eventsOf([given], state, { owner: owner.caller, serviceUs: 5_000, code: "ACTOR_DIED" }),
      );
    worker.announced = worker.told >= worker.toTell.length;
    if (this.isLost()) return;
    this.feed({
      type: "task-report",
      worker: worker.name,
      report: {
        kind: "tasks",
        process: worker.process,
        epoch: worker.epoch,
        seen: worker.seen,
        from: worker.heard + 1,
        events,
        held: pages,
        heldFrom,
        heldTo: worker.told,
        announced: worker.announced,
      },
    });
  }

  tick(): void {
    this.head.nowMs += 100;
    this.feed({ type: "tick" });
  }

  newLeader(): void {
    const { epoch, nowMs } = this.head;
    this.head = new TaskHead(epoch + 1);
    this.head.nowMs = nowMs;
    this.head.state.sinceMs = nowMs;
    for (const worker of this.workers) if (this.nat(4) > 0) this.report(worker);
  }

  /** What holds after every step. */
  check(): void {
    const { tasks, workers } = this.head.state;
    let rows = 0;
    for (let row = 0; row < tasks.columns.high; row += 1) {
      if (tasks.columns.stateOf(row) !== FREE) rows += 1;
    }
    let open = 0;
    let queued = tasks.asked.length;
    for (const owner of tasks.owners.values()) open += owner.open;
    for (const shape of tasks.shapes.values()) queued += shape.waiting;
    let given = 0;
    for (const worker of tasks.workers.values()) {
      let cpu = 0;
      for (const lane of worker.lanes) {
        given += lane.given.length;
        for (const grant of lane.grants) cpu += grant.resources.cpu;
        if (lane.grants.length > Math.max(lane.given.length, 1)) throw new Error("idle grants");
      }
      const room = workers.get(worker.name)?.room;
      const free = room?.free.cpu ?? 0;
      if (room !== undefined && free + cpu !== room.total.cpu) throw new Error("room is lost");
    }
    const sums = [tasks.columns.used, rows, open, queued + given];
    if (new Set(sums).size > 1) throw new Error(`rows don't add up: ${sums.join(" ")}`);
  }
}

function keyOf(owner: OwnerModel, number: number, attempt: number): string {
  return `${owner.key}/${number}#${attempt}`;
}
