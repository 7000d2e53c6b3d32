/**
 * What an executor does with an assignment: plan, shard, drive or host. Loaded programs, stages and
 * readers are kept between assignments; results never are. What only shards need is loaded with the
 * first of them: an executor that waits, or hosts an actor, stays small.
 */
import { ActorHost } from "../runtime/actor/host.ts";
import { actorOf, type LoadedProgram, sourceNamed } from "../runtime/actor/registry.ts";
import type { LogStreams } from "../runtime/client/actors/logs.ts";
import { Cluster } from "../runtime/client/cluster.ts";
import { setCurrentCluster } from "../runtime/client/current.ts";
import type { HeadClient } from "../runtime/client/head-client.ts";
import type { Links } from "../runtime/client/links.ts";
import type { Objects } from "../runtime/client/objects/objects.ts";
import type { PlanFile } from "../runtime/dataset/plan.ts";
import type { Stage } from "../runtime/dataset/shard.ts";
import type { ShardReader, StageDescription, Table } from "../runtime/dataset/types.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import type { TaskClient } from "../runtime/tasks/client.ts";
import type { ProcessId } from "../runtime/ids.ts";
import { ERROR_TEXT_MAX, LEASE_LEAVE_MS, NAMED_LEASE_MS } from "../runtime/limits.ts";
import type {
  ActorAddress,
  ActorLife,
  Assignment,
  BatchPlace,
  Outcome,
  Program,
  Work,
} from "../runtime/messages.ts";
import { Lease } from "./lease.ts";
import { useGpus } from "./machine/gpus.ts";
import { loadProgram } from "./programs.ts";

type WorkOf<Kind extends Work["kind"]> = Extract<Work, { kind: Kind }>;

/** What a job's shards share in one executor. */
interface OpenJob {
  readonly file: PlanFile;
  readonly reader: ShardReader;
  readonly stage: Stage;
}

export interface WorkPorts {
  readonly head: HeadClient;
  readonly links: Links;
  readonly tasks: TaskClient;
  readonly logs: LogStreams;
  readonly objects: Objects;
  /** Where calls to an actor hosted here are sent. */
  readonly addressOf: (life: ActorLife) => ActorAddress;
  /** The stage is about to be given a batch of an assignment, or (null) has ended with it. */
  readonly onBatch: (assignment: Assignment, place: BatchPlace | null) => void;
  /** An actor ended, and nothing of it runs any more. */
  readonly onEnded: (life: ActorLife, error: SystemError) => void;
  /** This process is to end: it was an actor's own, whose lease is over. */
  readonly onOver: () => void;
}

export class Worksite {
  readonly host: ActorHost;
  /** Of the named actors here. */
  readonly lease: Lease;
  readonly #ports: WorkPorts;
  readonly #jobs = new Map<string, Promise<OpenJob>>();
  /** Lives of named actors. */
  readonly #named = new Map<string, ActorLife>();
  /** Lives to end that haven't begun yet. */
  readonly #unwanted = new Set<string>();
  /** The actor whose program is being loaded. */
  #beginning: ActorLife | undefined;
  #hasCluster = false;
  /** Whether a named actor has this process to itself. */
  #isOwn = false;

  constructor(ports: WorkPorts) {
    this.#ports = ports;
    this.host = new ActorHost({
      onLeaseOver: (actorId, incarnation) => this.#lost({ actorId, incarnation }),
    });
    this.lease = new Lease(() => this.#endNamed());
  }

  /** What came of an assignment; never throws. */
  async run(assignment: Assignment, signal: AbortSignal): Promise<Outcome> {
    const { program, work, attempt } = assignment;
    try {
      useGpus(assignment.gpus ?? []);
      switch (work.kind) {
        case "plan": {
          const [{ runPlan }] = await Promise.all([loadPlans(), loadProgram(program.url)]);
          return await runPlan(work.jobFolder, work.spec);
        }
        case "shard":
        case "probe":
          return await this.#runStage(assignment, work, signal);
        case "verify":
          return await verify(work, signal);
        case "merge":
          return await merge(program, work, signal);
        case "drive":
          return await this.#drive(program, work.argv);
        case "host":
          return await this.#host(program, work, attempt);
        default:
          return work satisfies never;
      }
    } catch (thrown) {
      const error = toSystemError(thrown, "APPLICATION");
      const text = (error.stack ?? error.message).slice(0, ERROR_TEXT_MAX);
      process.stderr.write(`${work.kind}: ${text}\n`);
      return { kind: "failed", error: error.toData() };
    }
  }

  /** A program whose tasks run here, with what their code reaches others by. */
  async load(program: Program, gpus: readonly number[]): Promise<LoadedProgram> {
    useGpus(gpus);
    const loaded = await loadProgram(program.url);
    if (!this.#hasCluster) this.#clusterOf(program, loaded);
    return loaded;
  }

  /** Ends a life; it is told of when nothing of it runs any more. */
  end(life: ActorLife): void {
    if (this.#beginning?.actorId === life.actorId) this.#unwanted.add(life.actorId);
    else this.#end(life, new SystemError("ACTOR_DIED", "it was ended on request"));
  }

  #end(life: ActorLife, error: SystemError): void {
    const { actorId, incarnation } = life;
    this.#named.delete(actorId);
    void this.host.end(actorId, incarnation, error).then((wasAlive) => {
      if (wasAlive) this.#ports.onEnded(life, error);
    });
  }

  /** The lease is over: another life of each may begin elsewhere. */
  #endNamed(): void {
    for (const life of [...this.#named.values()]) this.#end(life, leaseOver());
    this.#leave();
  }

  /** The host found the lease over before a turn, and has ended the actor. */
  #lost(life: ActorLife): void {
    this.#named.delete(life.actorId);
    this.#ports.onEnded(life, leaseOver());
    this.#leave();
  }

  /**
   * What an actor has started goes on after its end as long as its process does. Its agent would
   * see to that, but may stand still as well.
   */
  #leave(): void {
    if (!this.#isOwn) return;
    this.#isOwn = false;
    setTimeout(() => this.#ports.onOver(), LEASE_LEAVE_MS);
  }

  async #runStage(
    assignment: Assignment,
    work: WorkOf<"shard" | "probe">,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { jobId, jobFolder, planSha256 } = work;
    const key = `${jobId}/${planSha256}`;
    const opening = this.#jobs.get(key) ?? openJob(assignment.program, jobFolder, planSha256);
    this.#jobs.set(key, opening);
    const onBatch = (place: BatchPlace | null) => this.#ports.onBatch(assignment, place);
    try {
      const { file, reader, stage } = await opening;
      const parts = { reader, stage, onBatch };
      const { runShard, runProbe } = await loadShards();
      const outcome =
        work.kind === "shard"
          ? await runShard(file, jobId, work, parts, signal)
          : await runProbe(file, work, parts, signal);
      // A stage that had no memory holds who knows what: the next shard has a new one.
      if (outcome.kind === "failed") this.#jobs.delete(key);
      return outcome;
    } catch (thrown) {
      // A reader that failed may be anywhere in its input: the next shard opens a new one.
      this.#jobs.delete(key);
      throw thrown;
    }
  }

  async #drive(program: Program, argv: readonly string[]): Promise<Outcome> {
    const loaded = await loadProgram(program.url);
    if (loaded.main === undefined) {
      throw new SystemError("PROGRAM_INVALID", "the program has no main", { uri: program.url });
    }
    const value = await loaded.main(this.#clusterOf(program, loaded) as never, [...argv]);
    return { kind: "returned", value: JSON.parse(JSON.stringify(value ?? null)) as unknown };
  }

  /** What user code here reaches others by; an executor serves one program for life. */
  #clusterOf(program: Program, loaded: LoadedProgram): Cluster {
    const { head, links, tasks, logs, objects } = this.#ports;
    const close = async (): Promise<void> => {};
    const cluster = new Cluster({ program, loaded, head, links, tasks, logs, objects, close });
    setCurrentCluster(cluster);
    this.#hasCluster = true;
    return cluster;
  }

  async #host(program: Program, { record }: WorkOf<"host">, incarnation: number): Promise<Outcome> {
    const { actorId, actor, args, options } = record;
    const life = { actorId, incarnation };
    this.#beginning = life;
    try {
      const loaded = await loadProgram(program.url);
      const type = actorOf(loaded, actor);
      if (!this.#hasCluster) this.#clusterOf(program, loaded);
      if (this.#unwanted.has(actorId)) throw new SystemError("CANCELLED", "it is to end");
      const { maxConcurrency } = options;
      const isNamed = options.name !== null;
      // The order to begin may have waited longer than the lease lasts.
      if (isNamed && this.lease.isOver()) throw leaseOver();
      const mayRun = isNamed ? { mayRun: () => !this.lease.isOver() } : {};
      this.host.create({ ...life, type, args, maxConcurrency, ...mayRun });
      if (isNamed) this.#named.set(actorId, life);
      this.#isOwn = isNamed && options.hosting !== "shared";
      // What it puts is its owner's, as it is itself; actors that share a process have several.
      const isOwned = options.lifetime === "owned" && options.hosting !== "shared";
      if (isOwned) this.#ports.objects.job = record.owner.process as ProcessId;
      return { kind: "hosted", address: this.#ports.addressOf(life) };
    } finally {
      this.#beginning = undefined;
      this.#unwanted.delete(actorId);
    }
  }
}

function leaseOver(): SystemError {
  return new SystemError("ACTOR_DIED", `no head has heard its worker for ${NAMED_LEASE_MS} ms`);
}

const loadPlans = () => import("../runtime/dataset/plan.ts");
const loadShards = async () => {
  const [shard, probe] = await Promise.all([
    import("../runtime/dataset/shard.ts"),
    import("../runtime/dataset/probe.ts"),
  ]);
  return { ...shard, ...probe };
};

async function verify(work: WorkOf<"verify">, signal: AbortSignal): Promise<Outcome> {
  const [{ runVerify }, { storageOf }, file] = await Promise.all([
    import("../runtime/dataset/verify.ts"),
    import("../runtime/storage/open.ts"),
    planOf(work.jobFolder, work.planSha256),
  ]);
  return await runVerify(file, work.jobId, work.ranges, storageOf(file.spec.sink.uri), signal);
}

async function merge(
  program: Program,
  work: WorkOf<"merge">,
  signal: AbortSignal,
): Promise<Outcome> {
  const [{ runMerge }, { storageOf }, file] = await Promise.all([
    import("../runtime/dataset/seal/merge.ts"),
    import("../runtime/storage/open.ts"),
    planOf(work.jobFolder, work.planSha256),
    loadProgram(program.url),
  ]);
  return await runMerge(file, work, storageOf(file.spec.sink.uri), signal);
}

/** The plan of a job. @throws {SystemError} PLAN_DAMAGED when it isn't the one of the log. */
async function planOf(jobFolder: string, planSha256: string): Promise<PlanFile> {
  const { planDamaged, planPath, readPlan } = await loadPlans();
  const file = await readPlan(jobFolder);
  if (file.sha256 === planSha256) return file;
  throw planDamaged(planPath(jobFolder));
}

async function openJob(program: Program, jobFolder: string, planSha256: string): Promise<OpenJob> {
  const [loaded, file] = await Promise.all([
    loadProgram(program.url),
    planOf(jobFolder, planSha256),
  ]);
  const { source, stage } = file.spec;
  const type = actorOf(loaded, stage.actor);
  const instance = new type.class(...(stage.constructorArgs as never[]));
  // What it loads, and what goes wrong then, is no batch's.
  await makeReady(instance);
  const reader = await sourceNamed(source.name).open(source.options, jobFolder);
  return { file, reader, stage: stageOf(instance, stage.method, file) };
}

async function makeReady(instance: object): Promise<void> {
  const ready: unknown = Reflect.get(instance, "ready");
  if (typeof ready === "function") await Reflect.apply(ready, instance, []);
}

function stageOf(instance: object, method: string, file: PlanFile): Stage {
  const map: unknown = Reflect.get(instance, method);
  if (typeof map !== "function") {
    throw new SystemError("ACTOR_NOT_FOUND", `the stage has no method ${method}`);
  }
  const describe: unknown = Reflect.get(instance, "describe");
  if (typeof describe !== "function") {
    const what = `the stage ${file.spec.stage.actor} has no method describe`;
    throw new SystemError("ACTOR_NOT_FOUND", what);
  }
  return {
    deterministic: Reflect.get(instance, "deterministic") === true,
    describe: () => Reflect.apply(describe, instance, []) as StageDescription,
    map: async (batch) => (await Reflect.apply(map, instance, [batch])) as Table,
  };
}
