/** An actor that puts and gets objects in an executor of its own and takes the time of it. */
import { actor, currentCluster, type ObjectRef } from "ligase";

/** Refs in an argument's fields stay refs. */
export interface Refs {
  readonly refs: readonly ObjectRef[];
}

/** GB/s of each, of one after the other. */
export interface PutRates {
  readonly memcpy: readonly number[];
  readonly again: readonly number[];
  readonly fresh: readonly number[];
}

/** Memory is used again for an object that fills most of it. */
const GROWTH = 1.2;

export const HolderActor = actor(
  "holder",
  class {
    /** Microseconds of each of `times` gets, to a mapped view and its first byte read. */
    async getUs({ refs }: Refs, times: number): Promise<number[]> {
      const [ref] = refs;
      if (ref === undefined) throw new Error("no ref");
      const cluster = currentCluster();
      const took: number[] = [];
      for (let get = 0; get < times; get += 1) {
        const begin = performance.now();
        const view = await cluster.view(ref);
        if (view.array[0] !== 7) throw new Error("another byte");
        took.push(1000 * (performance.now() - begin));
        view.release();
        await turn();
      }
      return took;
    }

    /**
     * Puts of arrays of `bytes` in turns with memcpy between warm memory: into memory that this
     * process has used before, and into pages that nobody has.
     */
    async putRates(bytes: number, times: number): Promise<PutRates> {
      const cluster = currentCluster();
      const from = new Uint8Array(bytes).fill(3);
      const to = new Uint8Array(bytes).fill(1);
      const rates = { memcpy: [] as number[], again: [] as number[], fresh: [] as number[] };
      const timed = async <T>(into: number[], size: number, work: () => T | Promise<T>) => {
        const begin = performance.now();
        const result = await work();
        into.push(size / (performance.now() - begin) / 1e6);
        return result;
      };
      // The second use of memory is the first one that finds it mapped.
      for (let i = 0; i < 3; i += 1) await cluster.release(await cluster.put(from));
      let large = bytes;
      for (let run = 0; run < times; run += 1) {
        await timed(rates.memcpy, bytes, () => to.set(from));
        await cluster.release(await timed(rates.again, bytes, () => cluster.put(from)));
        // Of a size that no memory here had yet.
        large = Math.ceil(GROWTH * large);
        const other = new Uint8Array(large).fill(5);
        await cluster.release(await timed(rates.fresh, large, () => cluster.put(other)));
      }
      return rates;
    }

    /** Gets small objects; the sum of their first bytes. */
    async getAll({ refs }: Refs): Promise<number> {
      const cluster = currentCluster();
      let sum = 0;
      for (const got of await cluster.get(refs)) sum += (got as Uint8Array)[0] ?? 0;
      return sum;
    }
  },
);

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
