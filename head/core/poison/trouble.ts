/** Pure core. What goes wrong with a job just now, in words: nothing of it has ended the job. */
import type { HeadState } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { loopsIn } from "../step.ts";

/** Lines of one job's troubles; what it says is for people. All its shards may have some. */
const LINES_MAX = 20;
const SHARD_LINES_MAX = 14;

/** A line for each shard that is searched, halved or made without records, and for each worker. */
export function troubleOf(state: HeadState, job: DatasetJob): string[] {
  const lines: string[] = [];
  for (const [shard, trial] of job.trials ?? []) {
    if (lines.length >= SHARD_LINES_MAX) break;
    const { suspect, probes, halvings, exclusion } = trial;
    const [input = 0, number = 0] = shard.split("/").map(Number);
    const isMade = job.inputs[input]?.receipts.has(number) === true;
    if (suspect !== null && !isMade) {
      const { first, end, reason } = suspect;
      const batch = `records ${first} to ${end - 1}`;
      lines.push(`shard ${shard}: ${batch} end executors (${reason}); ${probes} probes so far`);
    }
    if (halvings > 0) lines.push(`shard ${shard}: batches halved ${halvings} times for memory`);
    if (exclusion !== null) {
      const count = exclusion.records.length;
      lines.push(`shard ${shard}: made without ${count} ${count === 1 ? "record" : "records"}`);
    }
  }
  const outdone = state.outdone.get(job.id) ?? 0;
  if (outdone > 0)
    lines.push(`${outdone} shards were made twice, in two variants: the first stands`);
  const crashes = state.crashes.get(job.id)?.count ?? 0;
  if (crashes > 1) lines.push(`${crashes} executors in a row died of it outside of any batch`);
  if (job.state.kind === "planning" || job.state.kind === "running") {
    for (const [name, worker] of state.workers) {
      if (worker.trouble === null) continue;
      const { crashes, reason } = worker.trouble;
      const end = loopsIn(worker) ? "it gets no work while others do" : "it tries again";
      lines.push(`worker ${name}: ${crashes} executors died at their start (${reason}); ${end}`);
    }
  }
  return lines.slice(0, LINES_MAX);
}
