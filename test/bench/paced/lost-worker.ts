/**
 * A second worker is lost while a shard runs in it and the first one is idle: milliseconds until
 * that shard begins on the first one. The shard waits in the lost worker, so that it can't be done
 * there.
 */
import { type ProcessIdentity, signalExactly } from "../../../runtime/processes.ts";
import { parentOf, partsOf } from "../../e2e/processes.ts";
import { statusWhen } from "../../e2e/cluster.ts";
import { SecondWorker } from "../../fault/second-worker.ts";
import { type Bench, spreadOf } from "../bench.ts";
import { PacedCluster } from "./stage.ts";

const SHARDS = 12;
const SHARD_MS = 20;
/** Milliseconds without a beginning after which the first worker has done all that it was given. */
const IDLE_MS = 500;

/** A bench that loses a worker by a signal to each of its processes, as its machine would go. */
export function lostWorkerBench(name: string, signal: "SIGKILL" | "SIGSTOP", each: number): Bench {
  return {
    name,
    run: async (runs) => {
      const cluster = await PacedCluster.start({ executors: 1, join: true });
      const { place, own, client } = cluster;
      const worker = await SecondWorker.of({ place, own, client, stop: async () => {} });
      try {
        const tookMs: number[] = [];
        for (let i = 0; i < runs * each; i += 1) {
          tookMs.push(await loseOnce(cluster, worker, signal));
          process.stderr.write(`  ${name} ${i + 1}/${runs * each}: ${tookMs.at(-1)} ms\n`);
        }
        return spreadOf(name, tookMs);
      } finally {
        await worker.close();
        await cluster.stop();
      }
    },
  };
}

async function loseOnce(
  cluster: PacedCluster,
  worker: SecondWorker,
  signal: "SIGKILL" | "SIGSTOP",
): Promise<number> {
  const agent = await worker.start();
  cluster.hold(agent.pid);
  await statusWhen(cluster.client, "both workers are ready", ({ slots }) => slots === 2);
  const job = await cluster.submit(SHARDS, SHARD_MS);
  const held = await job.when("the first worker is idle", (all) => {
    const isIdle = Date.now() - (all.at(-1)?.atMs ?? Date.now()) > IDLE_MS;
    return isIdle ? all.find(({ pid }) => parentOf(pid) === agent.pid) : undefined;
  });
  const processes = [agent, ...executorsOf(cluster, agent)];
  const lostMs = Date.now();
  for (const one of processes) signalExactly(one, signal);
  const again = await job.when("the held shard begins elsewhere", (all) =>
    all.find(({ shard, pid }) => shard === held.shard && pid !== held.pid),
  );
  for (const one of processes) signalExactly(one, "SIGKILL");
  await worker.stop();
  await job.ended();
  return again.atMs - lostMs;
}

function executorsOf({ place }: PacedCluster, agent: ProcessIdentity): ProcessIdentity[] {
  return partsOf(place, "executor").filter(({ pid }) => parentOf(pid) === agent.pid);
}
