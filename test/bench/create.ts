/**
 * An actor created and its first call answered, one at a time: in a process of its own, taken from
 * a warm spare, and in a shared executor; and 10,000 shared ones in all.
 */
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { EchoActor } from "./echo.ts";
import { atRest } from "./machine.ts";
import { ray, RivalRuns } from "./rivals.ts";

const PROGRAM = new URL("./echo.ts", import.meta.url);
/** Creates of either kind in one run. */
const CREATES = 5;
const CREATES_MIN = 20;
const MANY = 10_000;
/** Spawns of the 10,000 that wait at once: a client may have 1,000 requests at the head. */
const MANY_IN_FLIGHT = 500;

export const createBench: Bench = {
  name: "create",
  async run(times) {
    await using cluster = await connect({ program: PROGRAM });
    return await measure(cluster, times);
  },
};

async function measure(cluster: Cluster, times: number): Promise<BenchResult> {
  const turns = Math.max(times, Math.ceil(CREATES_MIN / CREATES));
  const [own, shared, rivals]: [number[], number[], RivalRuns] = [[], [], new RivalRuns()];
  await create(cluster, "shared");
  for (let turn = 0; turn < turns; turn += 1) {
    for (let i = 0; i < CREATES; i += 1) {
      // The spare that the last one took is replaced, and warm.
      await atRest();
      own.push(await create(cluster, "process"));
    }
    await atRest();
    for (let i = 0; i < CREATES; i += 1) shared.push(await create(cluster, "shared"));
    if (turn < times) rivals.add("Ray, ms", (await ray("create"))?.medianMs);
  }
  const many = await createMany(cluster);
  return {
    name: "create",
    unit: "ms",
    ours: median(own),
    runs: own,
    also: {
      "shared, ms": median(shared),
      "shared, slowest of all, ms": Math.max(...shared),
      [`${MANY} shared, s`]: many,
    },
    rivals: rivals.medians(),
  };
}

/** Milliseconds until the first call of a new actor is answered. */
async function create(cluster: Cluster, hosting: "process" | "shared"): Promise<number> {
  const begunMs = performance.now();
  const echo = await cluster.spawn(EchoActor, [], { hosting });
  await echo.nop();
  const tookMs = performance.now() - begunMs;
  await cluster.kill(echo, { restart: false });
  return tookMs;
}

/** Seconds until the first call of each of MANY actors is answered. */
async function createMany(cluster: Cluster): Promise<number> {
  await atRest();
  const begunMs = performance.now();
  let left = MANY;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const echo = await cluster.spawn(EchoActor, [], { hosting: "shared" });
      await echo.nop();
    }
  };
  await Promise.all(Array.from({ length: MANY_IN_FLIGHT }, worker));
  return (performance.now() - begunMs) / 1_000;
}
