/**
 * `connect()` with nothing running until the first call of an actor is answered, in a fresh process
 * each run; and the memory (PSS) of all that this started, at rest, when that actor has ended.
 * Ray's figures are taken alike: init and an actor's first call, then all but the driver.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as v from "valibot";
import { type Bench, median } from "./bench.ts";
import { ray, RivalRuns } from "./rivals.ts";

const ONCE = fileURLToPath(new URL("./start-once.ts", import.meta.url));
const START_MS = 90_000;

const figures = v.object({
  seconds: v.number(),
  connectSeconds: v.number(),
  processSeconds: v.number(),
  withActorMb: v.number(),
  clientPssMb: v.number(),
  processes: v.array(v.object({ command: v.string(), pssMb: v.number() })),
});
type Figures = v.InferOutput<typeof figures>;

export const startBench: Bench = {
  name: "start",
  async run(times) {
    const runs: Figures[] = [];
    const rivals = new RivalRuns();
    for (let turn = 0; turn < times; turn += 1) {
      runs.push(await startOnce());
      const figuresOfRay = await ray("start");
      rivals.add("Ray, s", figuresOfRay?.seconds);
      rivals.add("Ray, idle memory, MB", figuresOfRay?.idlePssMb);
    }
    const middle = (of: (run: Figures) => number): number => median(runs.map(of));
    return {
      name: "start",
      unit: "s",
      ours: middle(({ seconds }) => seconds),
      runs: runs.map(({ seconds }) => seconds),
      also: {
        "of it connect(), s": middle(({ connectSeconds }) => connectSeconds),
        "since its process began, s": middle(({ processSeconds }) => processSeconds),
        "idle memory, MB": middle(({ processes }) => sum(processes.map(({ pssMb }) => pssMb))),
        "with one actor, MB": middle(({ withActorMb }) => withActorMb),
        "the client's own memory, MB": middle(({ clientPssMb }) => clientPssMb),
        ...memoryByProcess(runs),
      },
      rivals: rivals.medians(),
    };
  },
};

/** Medians of each kind of process, and how many there are of it. */
function memoryByProcess(runs: readonly Figures[]): Record<string, number> {
  const names = new Set(runs.flatMap(({ processes }) => processes.map(({ command }) => command)));
  const entries = [...names].map((name) => {
    const of = runs.map(({ processes }) => processes.filter(({ command }) => command === name));
    const count = median(of.map((found) => found.length));
    const megabytes = median(of.map((found) => sum(found.map(({ pssMb }) => pssMb))));
    return [`  ${count} x ${name}, MB`, megabytes] as const;
  });
  return Object.fromEntries(entries);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function startOnce(): Promise<Figures> {
  const { stdout } = await promisify(execFile)(process.execPath, [ONCE], { timeout: START_MS });
  return v.parse(figures, JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""));
}
