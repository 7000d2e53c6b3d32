/** Actors and tasks that pass objects to each other. */
import { actor, currentCluster, type ObjectRef, task } from "ligase";

type Floats = Float64Array<ArrayBuffer>;

/** Refs in an argument's fields stay refs. */
export interface Boxed {
  readonly ref: ObjectRef<Floats>;
}

function sumOf(values: Floats): number {
  return values.reduce((sum, value) => sum + value, 0);
}

export const Holder = actor(
  "holder",
  class {
    #kept: Floats | undefined;

    pid(): number {
      return process.pid;
    }

    put(length: number, value: number): Promise<ObjectRef> {
      return currentCluster().put(new Float64Array(length).fill(value));
    }

    async sum({ ref }: Boxed): Promise<number> {
      return sumOf(await currentCluster().get(ref));
    }

    /** Keeps a view. */
    async keep({ ref }: Boxed): Promise<number> {
      this.#kept = await currentCluster().get(ref);
      return this.#kept.length;
    }

    kept(): number {
      return sumOf(this.#kept ?? new Float64Array());
    }
  },
);

/** A top-level ref arrives as its value. */
export const total = task("total", (values: Floats, boxed: Boxed | null) => {
  return { sum: sumOf(values), boxed: boxed?.ref.id ?? null, pid: process.pid };
});

export const squares = task("squares", (values: Floats) => values.map((value) => value * value));
