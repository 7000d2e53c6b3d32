/** Four callers and four actors, each in a process of its own, every caller calling every actor. */
import { connect } from "../../runtime/index.ts";
import { type Bench, median } from "./bench.ts";
import { COUNTER_PROGRAM } from "./calls.ts";
import { CallerActor, CounterActor } from "./counter.ts";
import { ray, RivalRuns } from "./rivals.ts";

const SIDES = 4;
/** Calls of one caller in one run. */
const CALLS = 100_000;

export const manyToManyBench: Bench = {
  name: "n-n",
  async run(times) {
    await using cluster = await connect({ program: COUNTER_PROGRAM });
    const counters = await Promise.all(
      Array.from({ length: SIDES }, () => cluster.spawn(CounterActor, [])),
    );
    const refs = await Promise.all(counters.map((counter) => cluster.refOf(counter)));
    const callers = await Promise.all(
      Array.from({ length: SIDES }, () => cluster.spawn(CallerActor, [refs])),
    );
    await Promise.all(callers.map((caller) => caller.open()));
    const round = async (): Promise<number> => {
      const begunMs = performance.now();
      await Promise.all(callers.map((caller) => caller.run(CALLS)));
      return ((SIDES * CALLS) / (performance.now() - begunMs)) * 1_000;
    };
    await round();
    const runs: number[] = [];
    const rivals = new RivalRuns();
    for (let turn = 0; turn < times; turn += 1) {
      runs.push(await round());
      rivals.add("Ray, /s", (await ray("n-n"))?.callsPerSecond);
    }
    return { name: "n-n", unit: "calls/s", ours: median(runs), runs, rivals: rivals.medians() };
  },
};
