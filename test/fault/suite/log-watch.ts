/**
 * What a job's heads make durable, and when: segments are read as they come, and their files say
 * when each was made. Read here anew, not by the head's own reader: what a test damages may not end
 * the test.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Fact } from "../../../head/core/facts.ts";
import { until } from "../../e2e/support.ts";

const LOOK_MS = 5;

export interface SeenFact {
  readonly fact: Fact;
  /** When its segment got its name; milliseconds since 1970. */
  readonly atMs: number;
}

export class LogWatch {
  readonly seen: SeenFact[] = [];
  readonly #folder: string;
  #next = 1;
  readonly #timer: NodeJS.Timeout;

  /** @param stateDir - may not be there yet. */
  constructor(stateDir: string) {
    this.#folder = join(stateDir, "log");
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Looks once more, and then no more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#look();
  }

  /** `<input>/<shard>` with the moment its receipt was durable. */
  receipts(): ReadonlyMap<string, number> {
    const receipts = new Map<string, number>();
    for (const { fact, atMs } of this.seen) {
      if (fact.type !== "shard.committed") continue;
      const name = `${fact.input}/${fact.shard}`;
      if (!receipts.has(name)) receipts.set(name, atMs);
    }
    return receipts;
  }

  /** Waits until facts of a type are there; undefined when `over` settles before. */
  async count(type: Fact["type"], least: number, over: Promise<unknown>): Promise<boolean> {
    let isOver = false;
    const end = (): void => void (isOver = true);
    over.then(end, end);
    const found = () => this.seen.filter(({ fact }) => fact.type === type).length >= least;
    await until(`${least} x ${type}`, () => found() || isOver, 120);
    return found();
  }

  #look(): void {
    for (;;) {
      const segment = read(join(this.#folder, String(this.#next).padStart(12, "0")));
      if (segment === undefined) return;
      const { text, atMs } = segment;
      this.#next += 1;
      for (const line of text.split("\n").slice(1)) {
        const fact = parsed(line);
        if (fact !== undefined) this.seen.push({ fact, atMs });
      }
    }
  }
}

function read(path: string): { readonly text: string; readonly atMs: number } | undefined {
  try {
    return { text: readFileSync(path, "utf8"), atMs: statSync(path).ctimeMs };
  } catch {
    return undefined;
  }
}

function parsed(line: string): Fact | undefined {
  try {
    return JSON.parse(line) as Fact;
  } catch {
    return undefined;
  }
}
