/**
 * An agent's executors in a simulation: processes that plan, make shards by the project's own code
 * and host named actors by its own lease, and that die, stop, run slow, or commit long after
 * their agent has given them up.
 */
import { type ErrorCode } from "../../../runtime/errors.ts";
import { PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import type { ActorAddress, ActorLife, ExecutorOrder } from "../../../runtime/messages.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import type { CrewPorts } from "../../../worker/crew.ts";
import type { CrewPort } from "../../../worker/crew-port.ts";
import type { Numbers } from "../cluster/program.ts";
import { SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import { SimExecutor } from "./executor.ts";

/** What executors are like from now on. */
export interface CrewFaults {
  /** Milliseconds that a batch takes on average. */
  batchMs: number;
  /** Share of batches that end their executor, and of those that take up to STALL_MS. */
  die: number;
  stall: number;
  /** Share of starts that fail. */
  stillborn: number;
}

export function noCrewFaults(): CrewFaults {
  return { batchMs: 30, die: 0, stall: 0, stillborn: 0 };
}

/** Who looks at the lives of named actors. */
export interface LivesWatch {
  readonly begin: (name: string, life: SimLife) => void;
  readonly end: (name: string, life: SimLife) => void;
  /** An executor that hosts named actors goes on, or its lease does. */
  readonly look: () => void;
}

/** A life of a named actor. */
export interface SimLife extends ActorLife {
  /** Whether it would answer a call now. */
  readonly answers: () => boolean;
}

export interface SimCrewPorts {
  readonly agent: SimProcess;
  readonly faults: CrewFaults;
  readonly random: Random;
  readonly storageOf: (process: SimProcess) => Storage;
  readonly lives: LivesWatch;
  /** Why an executor that runs this batch ends, or null. */
  readonly poisonOf: (jobId: string, batch: Numbers) => ErrorCode | null;
}

interface Member {
  readonly process: SimProcess;
  readonly id: ProcessId;
  readonly executor: SimExecutor;
}

interface Cause {
  readonly code: ErrorCode;
  /** Its agent asked for it. */
  readonly isWanted: boolean;
  readonly reason: string;
}

const KILLED: Cause = { code: "ACTOR_DIED", reason: "SIGKILL", isWanted: false };

export class SimCrew implements CrewPort {
  readonly #own: SimCrewPorts;
  readonly #ports: CrewPorts;
  readonly #members = new Map<number, Member>();
  readonly #starting = new Map<number, () => void>();
  readonly #keys = new Map<ProcessId, number>();
  /** Why those end that do so for a reason of their own. */
  readonly #causes = new Map<number, Cause>();

  constructor(own: SimCrewPorts, ports: CrewPorts) {
    this.#own = own;
    this.#ports = ports;
    own.agent.whenKilled(() => this.#killAll());
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  start(key: number, waitMs = 0): void {
    const { agent, random, faults } = this.#own;
    const startMs = waitMs + random.between(20, 200);
    const cancel = agent.after(startMs, () => {
      this.#starting.delete(key);
      if (random.chance(faults.stillborn)) {
        this.#ports.feed({ type: "exited", key, reason: "exit code 1", code: "ACTOR_DIED" });
      } else this.#begin(key);
    });
    this.#starting.set(key, cancel);
  }

  order(key: number, order: ExecutorOrder): void {
    const member = this.#members.get(key);
    const { scheduler } = this.#own.agent;
    if (member === undefined) return;
    scheduler.after(0, () => member.process.enter(() => member.executor.obey(order)));
  }

  kill(key: number): void {
    const cancel = this.#starting.get(key);
    if (cancel !== undefined) {
      cancel();
      this.#starting.delete(key);
      this.#own.agent.soon(() => this.#exited(key, "it was ended before it started"));
    }
    this.#end(key, "SIGKILL", "ACTOR_DIED", true);
  }

  send(): void {}

  processOf(key: number): ProcessId | undefined {
    return this.#members.get(key)?.id;
  }

  /** No tasks run here. */
  startThreads(): void {}

  begunOf(): number {
    return 0;
  }

  isRunning(id: ProcessId): boolean {
    const member = this.#members.get(this.#keys.get(id) ?? -1);
    return member?.process.isAlive === true && !member.process.isStopped;
  }

  placeOf(key: number): Omit<ActorAddress, "actorId" | "incarnation"> {
    const process = this.#members.get(key)?.id ?? PROCESS_NONE;
    return { ...this.#ports.place, process, pid: key, socket: `/run/${process}`, token: "t" };
  }

  measure(): void {}

  watchMemory(): void {}

  stop(): void {
    for (const cancel of this.#starting.values()) cancel();
    this.#killAll();
  }

  /** Living executors, for who kills or stops them. */
  get processes(): readonly SimProcess[] {
    return [...this.#members.values()].map(({ process }) => process);
  }

  /** An executor ends by itself or by the kernel. */
  lose(process: SimProcess, code: ErrorCode): void {
    for (const [key, member] of this.#members) {
      if (member.process === process) this.#end(key, code, code);
    }
  }

  #begin(key: number): void {
    const { agent, random } = this.#own;
    const id = random.hex(16) as ProcessId;
    const process = new SimProcess(agent.scheduler, agent.machine, `${agent.name}/x${key}`);
    const say = (run: () => void): void => {
      agent.scheduler.after(0, () => agent.enter(run));
    };
    const executor = new SimExecutor({
      ...this.#own,
      process,
      storage: this.#own.storageOf(process),
      place: () => this.placeOf(key),
      die: (code) => this.#end(key, code, code),
      say: (says) => say(() => this.#ports.onSaid(key, says)),
    });
    this.#members.set(key, { process, id, executor });
    this.#keys.set(id, key);
    process.whenKilled(() => this.#gone(key));
    this.#ports.onAdmitted(id, { send: () => undefined });
    this.#ports.feed({ type: "ready", key, process: id });
  }

  /** The kernel tells its parent. */
  #gone(key: number): void {
    const { agent, random } = this.#own;
    agent.scheduler.after(random.between(0.2, 3), () =>
      agent.enter(() => {
        const member = this.#members.get(key);
        if (member === undefined) return;
        this.#members.delete(key);
        this.#keys.delete(member.id);
        const { code, reason, isWanted } = this.#causes.get(key) ?? KILLED;
        this.#causes.delete(key);
        this.#ports.onGone(member.id, reason);
        // An end that somebody asked for is no batch's doing.
        const { batch } = member.executor;
        const of = isWanted || batch === undefined ? {} : { batch };
        this.#ports.feed({ type: "exited", key, reason, code, ...of });
      }),
    );
  }

  #end(key: number, reason: string, code: ErrorCode, isWanted = false): void {
    const member = this.#members.get(key);
    if (member === undefined || !member.process.isAlive) return;
    this.#causes.set(key, { code, reason, isWanted });
    member.process.kill();
  }

  #exited(key: number, reason: string, code: ErrorCode = "ACTOR_DIED"): void {
    this.#ports.feed({ type: "exited", key, reason, code });
  }

  #killAll(): void {
    for (const { process } of this.#members.values()) process.kill();
  }
}
