/**
 * SIGKILL of a part that hands work out, amid a job: milliseconds until an actor lives that was
 * asked for at that moment. Shards go on meanwhile: they are handed out ahead. Each kill strikes a
 * cluster of its own, because a part that dies again and again is held back.
 */
import { kill, type Part, partsOf } from "../../e2e/processes.ts";
import { ProbeActor } from "./program.ts";
import { PacedCluster } from "./stage.ts";

const EXECUTORS = 2;
const SHARDS = 60;
const SHARD_MS = 25;
const KILLED_AFTER = 15;

/**
 * Milliseconds of each of so many kills.
 * @param standbyHeads - heads that wait for their turn; the one that leads is killed.
 */
export async function loseParts(
  name: string,
  part: Part,
  times: number,
  standbyHeads = 0,
): Promise<number[]> {
  const tookMs: number[] = [];
  for (let i = 0; i < times; i += 1) {
    tookMs.push(await loseOnce(part, standbyHeads));
    process.stderr.write(`  ${name} ${i + 1}/${times}: ${tookMs.at(-1)} ms\n`);
  }
  return tookMs;
}

async function loseOnce(part: Part, standbyHeads: number): Promise<number> {
  const cluster = await PacedCluster.start({ executors: EXECUTORS, standbyHeads });
  try {
    const job = await cluster.submit(SHARDS, SHARD_MS);
    await job.when("a part of the shards began", (all) => all[KILLED_AFTER]);
    // Of several heads the first one leads.
    const [victim] = partsOf(cluster.place, part).sort((a, b) => a.startTicks - b.startTicks);
    if (victim === undefined) throw new Error(`no ${part} runs`);
    const killedMs = Date.now();
    await kill(victim);
    await cluster.client.spawn(ProbeActor, [], { hosting: "shared" });
    const tookMs = Date.now() - killedMs;
    await job.ended();
    return tookMs;
  } finally {
    await cluster.stop();
  }
}
