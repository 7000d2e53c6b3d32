/** The program of the tests of tasks. Each run of a marked task leaves a line in a journal. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isMainThread, threadId } from "node:worker_threads";
import { actor, callContext, currentCluster, task } from "ligase";

export const Add = task("add", (a: number, b: number) => a + b);

/** Says where it ran; the process is another's for each process, the thread for each thread. */
export const Where = task("where", () => ({ pid: process.pid, threadId, isMainThread }));
export const WhereThread = task(
  "where-thread",
  () => ({ pid: process.pid, threadId, isMainThread }),
  { threads: true },
);

export const Throws = task("throws", (text: string) => {
  throw new Error(text);
});

/** One line of the journal a run, then the number. */
export const Mark = task("mark", (journal: string, n: number) => {
  appendFileSync(journal, `${process.pid} ${n}\n`);
  return n;
});

/** Runs until its gate is there; its end by a signal is written too. */
export const Gate = task("gate", async (journal: string, gate: string, n: number) => {
  appendFileSync(journal, `${process.pid} ${n}\n`);
  const { signal } = callContext();
  while (!existsSync(gate)) {
    if (signal.aborted) {
      appendFileSync(journal, `aborted ${n}\n`);
      throw signal.reason;
    }
    await delay(10);
  }
  return n;
});

/** Never looks at its signal. */
export const Deaf = task("deaf", (journal: string) => {
  appendFileSync(journal, `${process.pid} deaf\n`);
  for (;;);
});

/** Ends its process, until the journal has so many lines. */
export const Crash = task("crash", (journal: string, times: number) => {
  appendFileSync(journal, `${process.pid} crash\n`);
  const lines = existsSync(`${journal}.stop`) ? Infinity : countLines(journal);
  if (lines <= times) end("SIGKILL");
  return lines;
});

export const CrashThread = task("crash-thread", () => end("SIGSEGV"), { threads: true });

/** Ends this process; a signal of its own may reach another thread first. */
function end(signal: NodeJS.Signals): never {
  process.kill(process.pid, signal);
  for (;;);
}

/** Its result is the sum of what others return. */
export const Nested = task("nested", async (n: number) => {
  const cluster = currentCluster();
  let sum = 0;
  for await (const one of cluster.map(
    Double,
    Array.from({ length: n }, (_, i) => i),
  ))
    sum += one;
  return sum;
});
export const Double = task("double", (n: number) => 2 * n);

export const Large = task("large", (bytes: number) => new Uint8Array(bytes));
/** The same, with a line of the journal a run. */
export const LargeMarked = task("large-marked", (journal: string, bytes: number) => {
  appendFileSync(journal, `${process.pid} large\n`);
  return new Uint8Array(bytes);
});
export const Odd = task("odd", () => new Map() as never);
export const BytesOf = task("bytes-of", (bytes: Uint8Array) => bytes.length);
export const Remaining = task("remaining", async () => callContext().remainingMs);

function countLines(journal: string): number {
  return readLines(journal).length;
}

function readLines(journal: string): string[] {
  return readFileSync(journal, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}
export const Same = task("same", (n: number) => n);

/** Takes its time, then leaves its line. */
export const Slowly = task("slowly", async (journal: string, n: number) => {
  await delay(15);
  appendFileSync(journal, `${process.pid} ${n}\n`);
  return n;
});

class Threaded {
  #calls = 0;

  where(): { pid: number; threadId: number; isMainThread: boolean; calls: number } {
    this.#calls += 1;
    return { pid: process.pid, threadId, isMainThread, calls: this.#calls };
  }

  crash(): never {
    return end("SIGSEGV");
  }
}

export const ThreadedActor = actor("threaded", Threaded, { threads: true });
export const PlainActor = actor("plain", class extends Threaded {});
