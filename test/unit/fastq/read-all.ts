/**
 * A process that reads all of an input, shard by shard as an executor does, and prints what there
 * was of it and the most memory it took. Arguments: the file, records a batch.
 */
import { setImmediate } from "node:timers/promises";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { rangeOf } from "./shards.ts";

const [path = "", batchSize = "1024"] = process.argv.slice(2);
const options = { inputs: [path] };
const inputs = await fastqSource.identify(options);
const [plan] = (await fastqSource.plan(options, inputs)).inputs;
const [input] = inputs;
if (plan === undefined || input === undefined) throw new Error("no plan");
const reader = await fastqSource.open(options);
const sums = { records: 0, shards: 0 };
for (let shard = 0; ; shard++) {
  const range = rangeOf(plan, shard);
  if (range === undefined) break;
  const which = { input, inputIndex: 0, shardIndex: shard, decisions: {} };
  const batches = reader.read({ ...which, range, batchSize: Number(batchSize) });
  let next = await batches.next();
  for (; next.done !== true; next = await batches.next()) {
    sums.records += next.value.records;
    // A stage would wait for something here, and let memory be given back.
    await setImmediate();
  }
  sums.shards += 1;
  if (next.value.endOfInput !== undefined) break;
}
await reader.close();
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
const seconds = (userCPUTime + systemCPUTime) / 1e6;
process.stdout.write(JSON.stringify({ ...sums, maxRssKib: maxRSS, cpuSeconds: seconds }));
