/**
 * A node's object store without links: a get in another store's reader, to a mapped view and its
 * first byte; a put, as a share of memcpy between warm memory. A put that finds memory of released
 * objects, and one that needs fresh pages, are told apart: the kernel clears those.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ProcessId } from "../../runtime/ids.ts";
import { regionStatus } from "../../runtime/native/regions.ts";
import { ObjectReader, ObjectStore } from "../../runtime/objects/index.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";

const MB = 1_000_000;
const SIZES = [1, 16, 256];
const PUT_BYTES = 64 * MB;
const SMALL_BYTES = 100;
const SMALL_COUNT = 2_000;
const GETS = 50;
const LIMIT_BYTES = 1_024 * MB;

export const objectsBench: Bench = {
  name: "objects",
  run: async (times) => {
    const { text } = regionStatus();
    process.stderr.write(`${text}\n`);
    const root = mkdtempSync(join("/dev/shm", "ligase-bench-"));
    const owner = "00000000000000aa" as ProcessId;
    const store = new ObjectStore({ owner, limitBytes: LIMIT_BYTES, root });
    try {
      return await figures(store, times);
    } finally {
      await store.close();
      rmSync(root, { recursive: true, force: true });
    }
  },
};

async function figures(store: ObjectStore, times: number): Promise<BenchResult> {
  const also: Record<string, number> = {};
  const gets: number[] = [];
  for (const size of SIZES) {
    const { tookUs, slowestUs } = await getUs(store, size * MB, times);
    also[`get of ${size} MB to its first byte, us`] = median(tookUs);
    also[`get of ${size} MB, slowest of ${GETS} (median of runs), us`] = median(slowestUs);
    if (size === SIZES.at(-1)) gets.push(...tookUs);
  }
  Object.assign(also, await putRates(store, times));
  also["put and get of 100 B, pairs/s"] = await smallRate(store);
  return {
    name: "objects",
    unit: "us (get, 256 MB)",
    ours: median(gets),
    rivals: {},
    runs: gets,
    also,
  };
}

/** @returns of each run, median and slowest of its gets. */
async function getUs(
  store: ObjectStore,
  bytes: number,
  times: number,
): Promise<{ tookUs: number[]; slowestUs: number[] }> {
  const { id } = await store.put("bench", new Uint8Array(bytes).fill(7));
  const reader = new ObjectReader(store.folder);
  const tookUs: number[] = [];
  const slowestUs: number[] = [];
  for (let run = 0; run < times; run += 1) {
    const took: number[] = [];
    for (let get = 0; get < GETS; get += 1) {
      const begin = performance.now();
      const view = reader.open({ job: "bench", id });
      if (view?.array[0] !== 7) throw new Error("another byte");
      took.push(1000 * (performance.now() - begin));
      view.release();
      await new Promise((resolve) => void setImmediate(resolve));
    }
    tookUs.push(median(took));
    slowestUs.push(Math.max(...took));
  }
  store.release(id);
  return { tookUs, slowestUs };
}

/** GB/s of memcpy and puts, in turns, so that all see the same machine. */
async function putRates(store: ObjectStore, times: number): Promise<Record<string, number>> {
  const from = new Uint8Array(PUT_BYTES).fill(3);
  const to = new Uint8Array(PUT_BYTES).fill(1);
  const rates = { memcpy: [] as number[], reused: [] as number[], fresh: [] as number[] };
  const timed = async (work: () => unknown): Promise<number> => {
    const begin = performance.now();
    await work();
    return PUT_BYTES / (performance.now() - begin) / MB;
  };
  const put = async (): Promise<string> => (await store.put("bench", from)).id;
  for (let warm = 0; warm < 2; warm += 1) store.release(await put());
  for (let run = 0; run < times; run += 1) {
    rates.memcpy.push(await timed(() => to.set(from)));
    let id = "";
    rates.reused.push(
      await timed(async () => {
        id = await put();
      }),
    );
    // The kept memory is in use: the next one needs fresh pages.
    let second = "";
    rates.fresh.push(
      await timed(async () => {
        second = await put();
      }),
    );
    store.release(second);
    store.release(id);
    // The end of any job gives kept memory back; then one is kept and mapped again.
    store.endJob("none");
    store.release(await put());
    store.release(await put());
  }
  return {
    "memcpy, GB/s": median(rates.memcpy),
    "put into kept memory, GB/s": median(rates.reused),
    "put into fresh pages, GB/s": median(rates.fresh),
    "put into kept memory, share of memcpy": median(rates.reused) / median(rates.memcpy),
  };
}

/** Small objects, each put, read in another reader and released. */
async function smallRate(store: ObjectStore): Promise<number> {
  const reader = new ObjectReader(store.folder);
  const bytes = new Uint8Array(SMALL_BYTES);
  const begin = performance.now();
  for (let one = 0; one < SMALL_COUNT; one += 1) {
    const { id } = await store.put("small", bytes);
    const view = reader.open({ job: "small", id });
    if (view === undefined) throw new Error("no object");
    view.release();
    store.release(id);
  }
  return (1000 * SMALL_COUNT) / (performance.now() - begin);
}
