/**
 * What an executor does with an assignment: plan, shard, drive or host. Loaded programs, stages and
 * readers are kept between assignments; results never are.
 */
import { ActorHost } from "../runtime/actor/host.ts";
import { actorOf, sourceNamed } from "../runtime/actor/registry.ts";
import { Cluster, setCurrentCluster } from "../runtime/client/cluster.ts";
import type { HeadClient } from "../runtime/client/head-client.ts";
import type { Links } from "../runtime/client/links.ts";
import { type PlanFile, readPlan, runPlan } from "../runtime/dataset/plan.ts";
import { runShard, type Stage } from "../runtime/dataset/shard.ts";
import type { ShardReader, StageDescription, Table } from "../runtime/dataset/types.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { ERROR_TEXT_MAX } from "../runtime/limits.ts";
import type { ActorAddress, Assignment, Outcome, Program, Work } from "../runtime/messages.ts";
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
  /** Where calls to an actor hosted here are sent. */
  readonly addressOf: (actorId: string) => ActorAddress;
}

export class Worksite {
  readonly host = new ActorHost();
  readonly #ports: WorkPorts;
  readonly #jobs = new Map<string, Promise<OpenJob>>();

  constructor(ports: WorkPorts) {
    this.#ports = ports;
  }

  /** What came of an assignment; never throws. */
  async run({ program, work }: Assignment, signal: AbortSignal): Promise<Outcome> {
    try {
      switch (work.kind) {
        case "plan":
          await loadProgram(program.url);
          return await runPlan(work.jobFolder, work.spec);
        case "shard":
          return await this.#runShard(program, work, signal);
        case "drive":
          return await this.#drive(program, work.argv);
        case "host":
          return await this.#host(program, work);
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

  async #runShard(
    program: Program,
    { jobId, jobFolder, planSha256, input, shard }: WorkOf<"shard">,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const key = `${jobId}/${planSha256}`;
    const opening = this.#jobs.get(key) ?? openJob(program, jobFolder, planSha256);
    this.#jobs.set(key, opening);
    try {
      const { file, reader, stage } = await opening;
      return await runShard(file, jobId, { input, shard }, { reader, stage }, signal);
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
    const { head, links } = this.#ports;
    const cluster = new Cluster({ program, loaded, head, links, close: async () => {} });
    setCurrentCluster(cluster);
    const value = await loaded.main(cluster as never, [...argv]);
    return { kind: "returned", value: JSON.parse(JSON.stringify(value ?? null)) as unknown };
  }

  async #host(program: Program, { actorId, actor, args }: WorkOf<"host">): Promise<Outcome> {
    const type = actorOf(await loadProgram(program.url), actor);
    this.host.create(actorId, type, args);
    return { kind: "hosted", address: this.#ports.addressOf(actorId) };
  }
}

async function openJob(program: Program, jobFolder: string, planSha256: string): Promise<OpenJob> {
  const [loaded, file] = await Promise.all([loadProgram(program.url), readPlan(jobFolder)]);
  if (file.sha256 !== planSha256) {
    throw new SystemError("STORAGE_FAILED", "the plan isn't the one that was logged", {
      uri: jobFolder,
    });
  }
  const { source, stage } = file.spec;
  const type = actorOf(loaded, stage.actor);
  const instance = new type.class(...(stage.constructorArgs as never[]));
  const reader = await sourceNamed(source.name).open(source.options);
  return { file, reader, stage: stageOf(instance, stage.method, file) };
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
    describe: () => Reflect.apply(describe, instance, []) as StageDescription,
    map: async (batch) => (await Reflect.apply(map, instance, [batch])) as Table,
  };
}
