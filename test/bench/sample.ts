/** The sample run: seconds from typed command to result, cluster start and end included. */
import { type Bench, median } from "./bench.ts";
import { ligaseRun, type RunFigures } from "./ligase-run.ts";

export const sampleBench: Bench = {
  name: "sample",
  async run(times) {
    const figures: RunFigures[] = [];
    for (let i = 0; i < times; i += 1) figures.push(await ligaseRun([]));
    const seconds = (part: keyof RunFigures["seconds"]): number =>
      median(figures.map((figure) => figure.seconds[part]));
    return {
      name: "sample",
      unit: "s",
      ours: seconds("total"),
      rivals: {},
      runs: figures.map((figure) => figure.seconds.total),
      also: { start: seconds("start"), phase1: seconds("phase1"), solve: seconds("solve") },
    };
  },
};
