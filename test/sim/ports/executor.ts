/**
 * An executor in a simulation: what `worker/executor.ts` and `worker/work.ts` do, without user code
 * and without sockets. It takes orders, plans, makes, looks at and probes shards by the project's
 * own code, and hosts named actors by its own lease.
 */
import type { PlanFile } from "../../../runtime/dataset/plan.ts";
import { readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { runProbe } from "../../../runtime/dataset/probe.ts";
import { runShard } from "../../../runtime/dataset/shard.ts";
import { runVerify } from "../../../runtime/dataset/verify.ts";
import { type ErrorCode, SystemError, toSystemError } from "../../../runtime/errors.ts";
import { NAMED_LEASE_MS } from "../../../runtime/limits.ts";
import type {
  ActorAddress,
  ActorLife,
  Assignment,
  BatchPlace,
  ExecutorOrder,
  Outcome,
  Work,
} from "../../../runtime/messages.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import type { TaskBatch } from "../../../worker/core/state.ts";
import type { CrewPorts } from "../../../worker/crew.ts";
import { Lease } from "../../../worker/lease.ts";
import { Orders } from "../../../worker/orders.ts";
import { halves, NumberReader, type Numbers } from "../cluster/program.ts";
import type { SimProcess } from "../core/process.ts";
import type { SimCrewPorts, SimLife } from "./crew.ts";

const STALL_MS = 25_000;

export interface ExecutorPorts extends SimCrewPorts {
  readonly process: SimProcess;
  readonly storage: Storage;
  readonly place: () => Omit<ActorAddress, "actorId" | "incarnation">;
  readonly die: (code: ErrorCode) => void;
  readonly say: (says: Parameters<CrewPorts["onSaid"]>[1]) => void;
}

type WorkOf<Kind extends Work["kind"]> = Extract<Work, { kind: Kind }>;

/** One process of it. */
export class SimExecutor {
  readonly #ports: ExecutorPorts;
  readonly #orders: Orders;
  readonly #plans = new Map<string, PlanFile>();
  readonly #lives = new Map<string, SimLife & { readonly name: string }>();
  readonly #lease: Lease;
  /** Where its stage is. */
  batch: TaskBatch | undefined;

  constructor(ports: ExecutorPorts) {
    this.#ports = ports;
    const { process } = ports;
    const now = (): number => process.machine.bootMs();
    this.#lease = new Lease(() => this.#leaseOver(), now, process);
    this.#orders = new Orders({
      run: (assignment, signal) => this.#run(assignment, signal),
      end: (life) => this.#endLife(life, "it was ended on request"),
      renew: (fromMs) => {
        this.#lease.renew(fromMs);
        ports.lives.look();
      },
      onDone: (done) => {
        ports.say({ op: "done", done });
        return undefined;
      },
    });
    process.whenKilled(() => {
      for (const life of this.#lives.values()) ports.lives.end(life.name, life);
    });
  }

  obey(order: ExecutorOrder): void {
    this.#orders.obey(order);
  }

  #endLife({ actorId, incarnation }: ActorLife, what: string): void {
    const life = this.#lives.get(actorId);
    if (life?.incarnation !== incarnation) return;
    this.#lives.delete(actorId);
    this.#ports.lives.end(life.name, life);
    const error = new SystemError("ACTOR_DIED", what).toData();
    this.#ports.say({ op: "ended", actorId, incarnation, error });
  }

  #leaseOver(): void {
    for (const life of [...this.#lives.values()]) this.#endLife(life, "its lease is over");
  }

  async #run(assignment: Assignment, signal: AbortSignal): Promise<Outcome> {
    const { work, attempt } = assignment;
    try {
      switch (work.kind) {
        case "plan":
          return await runPlan(work.jobFolder, work.spec, this.#ports.storage);
        case "shard":
        case "probe":
          return await this.#runStage(assignment, work, signal);
        case "verify":
          return await this.#runVerify(work, signal);
        case "host":
          return this.#host(work, attempt);
        default:
          throw new SystemError("INTERNAL", `the simulator runs no ${work.kind}`);
      }
    } catch (thrown) {
      return { kind: "failed", error: toSystemError(thrown, "APPLICATION").toData() };
    }
  }

  async #planOf(jobFolder: string, planSha256: string): Promise<PlanFile> {
    const known = this.#plans.get(jobFolder);
    const file = known ?? (await readPlan(jobFolder, this.#ports.storage));
    this.#plans.set(jobFolder, file);
    if (file.sha256 !== planSha256) {
      throw new SystemError("STORAGE_FAILED", "the plan isn't the one that was logged");
    }
    return file;
  }

  async #runStage(
    { task, attempt }: Assignment,
    work: WorkOf<"shard" | "probe">,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { jobId, jobFolder, planSha256 } = work;
    const { storage } = this.#ports;
    const file = await this.#planOf(jobFolder, planSha256);
    const stage = halves((batch) => this.#compute(jobId, batch));
    const onBatch = (place: BatchPlace | null): void => {
      this.batch = place === null ? undefined : { task, attempt, ...place };
    };
    const parts = { reader: new NumberReader(), stage, onBatch };
    if (work.kind === "probe") return await runProbe(file, work, parts, signal);
    return await runShard(file, jobId, work, parts, signal, storage);
  }

  async #runVerify(work: WorkOf<"verify">, signal: AbortSignal): Promise<Outcome> {
    const { jobId, jobFolder, planSha256, ranges } = work;
    const file = await this.#planOf(jobFolder, planSha256);
    return runVerify(file, jobId, ranges, this.#ports.storage, signal);
  }

  /** A batch's time: over in the end, or with the executor, or never. */
  #compute(jobId: string, batch: Numbers): Promise<void> {
    const { process, random, faults, die, poisonOf } = this.#ports;
    const poison = poisonOf(jobId, batch);
    const { promise, resolve } = Promise.withResolvers<void>();
    const roll = random.unit();
    const dies = poison ?? (roll < faults.die ? "ACTOR_DIED" : null);
    const isLong = dies === null && roll < faults.die + faults.stall;
    const ms = isLong ? random.between(0, STALL_MS) : random.exponential(faults.batchMs);
    process.after(ms, () => {
      if (dies === null) resolve();
      else die(dies);
    });
    return promise;
  }

  /** As `Worksite` does: a named life begins within a lease alone, and answers within it alone. */
  #host({ record }: WorkOf<"host">, incarnation: number): Outcome {
    const { actorId, options } = record;
    const { process, lives, place } = this.#ports;
    const name = options.name ?? actorId;
    if (options.name !== null && this.#lease.isOver()) {
      throw new SystemError("ACTOR_DIED", `no head has heard its worker for ${NAMED_LEASE_MS} ms`);
    }
    const life = {
      ...{ name, actorId, incarnation },
      answers: () =>
        process.isAlive && !process.isStopped && (options.name === null || !this.#lease.isOver()),
    };
    this.#lives.set(actorId, life);
    if (options.name !== null) lives.begin(name, life);
    return { kind: "hosted", address: { ...place(), actorId, incarnation } };
  }
}
