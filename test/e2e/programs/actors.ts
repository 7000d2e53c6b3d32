/** Actors for the tests of calls: what crosses, what doesn't, and what an executor may know. */
import { actor, connect, SystemError } from "ligase";

class Calls {
  readonly #factor: number;
  #calls = 0;

  constructor(options: { readonly factor: number }) {
    if (options.factor === 0) throw new Error("a factor of 0");
    this.#factor = options.factor;
  }

  scale(values: Float32Array): Float32Array {
    this.#calls += 1;
    return values.map((value) => value * this.#factor);
  }

  describe(name: string, when: Date, count: bigint) {
    return { name, when, count, calls: this.#calls, nothing: undefined, list: [1, "two", null] };
  }

  fail(what: string): never {
    throw new Error(what);
  }

  failByCode(): never {
    throw new SystemError("INPUT_EMPTY", "by code", { record: 7 });
  }

  async late(ms: number): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return ms;
  }

  set(): Set<number> {
    return new Set([1]);
  }

  large(bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }

  take(bytes: Uint8Array): number {
    return bytes.length;
  }

  pid(): number {
    return process.pid;
  }

  environment(): Record<string, string | undefined> {
    return { ...process.env };
  }

  async connectAgain(): Promise<string> {
    const cluster = await connect({ program: new URL(import.meta.url) });
    await cluster.close();
    return "connected";
  }
}

export const CallsActor = actor("calls", Calls);

class Unlisted {
  pid(): number {
    return process.pid;
  }
}

/** Inside another value it is nobody's export, and so can't be spawned. */
export const inside = { unlisted: actor("unlisted", Unlisted) };
