/** Carries faults out, and takes them back when their time is over. */
import { shardFile } from "../../../runtime/dataset/names.ts";
import { noBusFaults } from "../ports/bus.ts";
import { noStorageFaults } from "../ports/storage.ts";
import type { SimProcess } from "../core/process.ts";
import type { SimBus } from "../ports/bus.ts";
import type { Fault, Target } from "./faults.ts";
import type { Ground } from "./ground.ts";
import type { Nodes } from "./run.ts";

interface Place {
  readonly process: SimProcess;
  readonly bus: SimBus | undefined;
  readonly kill: () => void;
}

export function inflict(ground: Ground, nodes: Nodes, fault: Fault): void {
  ground.note("fault", JSON.stringify(fault));
  switch (fault.kind) {
    case "kill":
      placeOf(nodes, fault.node)?.kill();
      return;
    case "away":
      away(ground, nodes, fault.index, fault.forMs);
      return;
    case "stop":
      stop(ground, placeOf(nodes, fault.node)?.process, fault.forMs);
      return;
    case "cut": {
      const bus = placeOf(nodes, fault.node)?.bus;
      bus?.cut({ out: fault.ways !== "in", in: fault.ways !== "out" });
      ground.scheduler.after(fault.forMs, () => bus?.cut({}));
      return;
    }
    case "server-down":
      ground.server.setUp(false);
      ground.scheduler.after(fault.forMs, () => ground.server.setUp(true));
      return;
    case "storage":
      during(ground, ground.faults.storage, fault, noStorageFaults());
      return;
    case "bus":
      during(ground, ground.faults.bus, fault, noBusFaults());
      return;
    case "crew":
      during(ground, ground.faults.crew, fault, ground.calmCrew());
      return;
    case "slurm":
      during(ground, ground.faults.slurm, fault, ground.calmSlurm());
      return;
    case "slurm-job": {
      const id = ground.controller.runningJob(fault.index);
      if (fault.what === "forget") ground.controller.forget();
      else if (id !== undefined && fault.what === "requeue") ground.controller.requeue(id);
      else if (id !== undefined) ground.controller.timeOut(id);
      return;
    }
    case "double": {
      const { heads } = nodes;
      heads[fault.node.index % heads.length]?.start();
      return;
    }
    case "rot":
      rot(ground);
      return;
    case "plant":
      plant(ground, fault.index);
      return;
    default:
      fault satisfies never;
  }
}

function placeOf({ heads, agents, clients }: Nodes, { role, index }: Target): Place | undefined {
  switch (role) {
    case "head": {
      const { running = [] } = heads[index % heads.length] ?? {};
      const it = running[index % Math.max(1, running.length)];
      return it && { process: it.process, bus: it.bus, kill: () => it.process.kill() };
    }
    case "agent": {
      const { process, bus } = agents[index % agents.length] ?? {};
      return process && { process, bus, kill: () => process.kill() };
    }
    case "executor": {
      const node = agents[index % agents.length];
      const executors = node?.executors ?? [];
      const process = executors[index % Math.max(1, executors.length)];
      return process && { process, bus: undefined, kill: () => node?.lose(process) };
    }
    case "client": {
      const { process, bus } = clients[index % clients.length] ?? {};
      return process && { process, bus, kill: () => process.kill() };
    }
    default:
      return role satisfies never;
  }
}

function stop({ scheduler, oracle }: Ground, process: SimProcess | undefined, ms: number): void {
  if (process === undefined || process.isStopped) return;
  process.stop();
  scheduler.after(ms, () => {
    process.resume();
    oracle.look();
  });
}

/** Of several that overlap the last one counts, and the first to end ends all. */
function during<T extends object>(
  { scheduler }: Ground,
  faults: T,
  fault: T & { readonly forMs: number },
  none: T,
): void {
  for (const key of Object.keys(none) as (keyof T)[]) faults[key] = fault[key];
  scheduler.after(fault.forMs, () => void Object.assign(faults, none));
}

/** A bit of the newest snapshot flips. */
function rot({ vault, state, random }: Ground): void {
  const newest = vault.list(`${state}/snapshot`).at(-1);
  if (newest === undefined) return;
  vault.damage(`${state}/snapshot/${newest}`, (bytes) => {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  });
}

/** A machine with an agent is gone for a while, or for good where there is another one. */
function away(ground: Ground, { agents }: Nodes, index: number, forMs: number | null): void {
  const node = agents[index % agents.length];
  const others = agents.filter((it) => it !== node && !it.isGone);
  if (node === undefined || (forMs === null && others.length === 0)) return;
  node.leave(forMs);
}

/** A file that isn't ours appears under the name of a shard that isn't made yet. */
function plant({ vault, oracle }: Ground, index: number): void {
  for (const { id, spec, inputs, state } of oracle.durable.datasets.values()) {
    const shards = inputs[0]?.shards ?? 0;
    if (state.kind !== "running" || shards < 2) continue;
    const name = shardFile(id, 0, index % shards);
    const uri = `${spec.sink.uri}/${name}`;
    const other = vault.list(spec.sink.uri).find((it) => it.startsWith("part-"));
    const bytes = vault.read(`${spec.sink.uri}/${other ?? ""}`);
    if (bytes === undefined || vault.read(uri) !== undefined) continue;
    oracle.planted(uri);
    vault.create(uri, bytes);
    return;
  }
}
