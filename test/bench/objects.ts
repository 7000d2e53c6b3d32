/**
 * Objects between processes of one machine: a get in another executor's process, to a mapped view
 * and its first byte; a put there, as a share of memcpy between warm memory; small objects, put by
 * one process and got by another. A put that finds memory which its process has used before, and
 * one that needs fresh pages, are told apart: the kernel makes and clears those.
 */
import { type Cluster, connect, type ObjectRef } from "../../runtime/index.ts";
import { regionStatus } from "../../runtime/native/regions.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { HolderActor } from "./holder.ts";
import { ray, RivalRuns } from "./rivals.ts";

const PROGRAM = new URL("./holder.ts", import.meta.url);
const MB = 1_000_000;
const SIZES = [1, 16, 256];
const PUT_BYTES = 64 * MB;
const GETS = 50;
const SMALL_BYTES = 100;
const SMALL_COUNT = 40_000;
/** Refs in one call: they fit its frame. */
const SMALL_REFS = 200;
/** Calls under way: what one process sends while the other gets. */
const SMALL_CALLS = 8;

type Holder = Awaited<ReturnType<typeof spawnHolder>>;

export const objectsBench: Bench = {
  name: "objects",
  run: async (times) => {
    process.stderr.write(`${regionStatus().text}\n`);
    await using cluster = await connect({ program: PROGRAM, executors: 2 });
    return await figures(cluster, await spawnHolder(cluster), times);
  },
};

function spawnHolder(cluster: Cluster) {
  return cluster.spawn(HolderActor, []);
}

async function figures(cluster: Cluster, holder: Holder, times: number): Promise<BenchResult> {
  const also: Record<string, number> = {};
  const gets: number[] = [];
  for (const size of SIZES) {
    const { tookUs, slowestUs } = await getUs(cluster, holder, size * MB, times);
    also[`get of ${size} MB to its first byte, us`] = median(tookUs);
    also[`get of ${size} MB, slowest of ${GETS} (median of runs), us`] = median(slowestUs);
    if (size === SIZES.at(-1)) gets.push(...tookUs);
  }
  const { memcpy, again, fresh } = await holder.putRates(PUT_BYTES, times);
  also["memcpy, GB/s"] = median(memcpy);
  also["put into memory used before, GB/s"] = median(again);
  also["put into memory used before, share of memcpy"] = median(again) / median(memcpy);
  also["put into fresh pages, GB/s"] = median(fresh);
  also["put into fresh pages, share of memcpy"] = median(fresh) / median(memcpy);
  const [pairs, rivals]: [number[], RivalRuns] = [[], new RivalRuns()];
  for (let run = 0; run < times; run += 1) {
    pairs.push(await smallRate(cluster, holder));
    const theirs = await ray("objects");
    rivals.add("Ray, get of 256 MB, us", theirs?.getUs);
    rivals.add("Ray, put of 64 MB, GB/s", theirs?.putGbPerSecond);
    rivals.add("Ray, small puts/s", theirs?.putsPerSecond);
    rivals.add("Ray, small gets/s", theirs?.getsPerSecond);
  }
  also[`put and get of ${SMALL_BYTES} B by another process, pairs/s`] = median(pairs);
  const ours = median(gets);
  const [name, unit] = ["objects", "us (get, 256 MB)"];
  return { name, unit, ours, rivals: rivals.medians(), runs: gets, also };
}

/** @returns of each run, median and slowest of its gets. */
async function getUs(
  cluster: Cluster,
  holder: Holder,
  bytes: number,
  times: number,
): Promise<{ tookUs: number[]; slowestUs: number[] }> {
  const ref = await cluster.put(new Uint8Array(bytes).fill(7));
  const [tookUs, slowestUs]: [number[], number[]] = [[], []];
  for (let run = 0; run < times; run += 1) {
    const took = await holder.getUs({ refs: [ref] }, GETS);
    tookUs.push(median(took));
    slowestUs.push(Math.max(...took));
  }
  await cluster.release(ref);
  return { tookUs, slowestUs };
}

/** Small objects that this process puts and the other gets, in calls of some hundred each. */
async function smallRate(cluster: Cluster, holder: Holder): Promise<number> {
  const bytes = new Uint8Array(SMALL_BYTES).fill(1);
  const begin = performance.now();
  let left = SMALL_COUNT;
  let sum = 0;
  const send = async (): Promise<void> => {
    while (left > 0) {
      left -= SMALL_REFS;
      const puts = Array.from({ length: SMALL_REFS }, () => cluster.put(bytes));
      const refs: ObjectRef[] = await Promise.all(puts);
      const got = await holder.getAll({ refs });
      sum += got;
    }
  };
  await Promise.all(Array.from({ length: SMALL_CALLS }, send));
  if (sum !== SMALL_COUNT) throw new Error(`${sum} objects came`);
  return (1000 * SMALL_COUNT) / (performance.now() - begin);
}
