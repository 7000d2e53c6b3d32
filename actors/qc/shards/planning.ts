/**
 * Decisions of samples, once for all shards: from the first records of each, read as any shard
 * reads them. Records that can't be read end the look; what is wrong with them is the shard's to
 * say.
 */
import type {
  InputSpec,
  JsonObject,
  Plan,
  ShardReader,
  ShardRequest,
} from "../../../runtime/dataset/types.ts";
import { rangeOf } from "../../../runtime/dataset/plan.ts";
import type { ReadBatch, Reads } from "../../fastq/batch.ts";
import type { RecordBatch } from "../../native/records.ts";
import { PROBE_BASES_MAX, PROBE_FEW_READS, PROBE_READS_MAX } from "../limits.ts";
import { probeSample, type ReadStart } from "../probe.ts";
import type { Asked, InputDecisions, SampleDecisions } from "./decisions.ts";

/** Records a batch of the look. */
const BATCH = 4096;

/** Inputs of one sample, by their number. */
type Inputs = readonly (readonly [number, InputSpec])[];

/**
 * Decisions of each input, in the inputs' order: equal for all FASTQ of a sample. Of FASTA, which
 * may be in the same sample, there are none of quality control.
 */
export async function decideInputs(
  asked: Asked,
  inputs: readonly InputSpec[],
  plan: Plan,
  open: () => Promise<ShardReader>,
): Promise<readonly JsonObject[]> {
  const decided: JsonObject[] = inputs.map(() => plan.decisions);
  const samples = Map.groupBy(inputs.entries(), ([, { sample }]) => sample);
  for (const of of samples.values()) {
    const reader = await open();
    try {
      for (const [input, decisions] of await decideSample(asked, of, plan, reader)) {
        decided[input] = decisions;
      }
    } finally {
      await reader.close();
    }
  }
  return decided;
}

async function decideSample(
  asked: Asked,
  inputs: Inputs,
  plan: Plan,
  reader: ShardReader,
): Promise<readonly (readonly [number, JsonObject])[]> {
  const hasQualities = ([number]: Inputs[number]): boolean => !isFasta(plan, number);
  const qc = await decideQc(asked, inputs.filter(hasQualities), plan, reader);
  return inputs.map((one) => {
    const [number, { mate, interleaved }] = one;
    const isPaired = mate !== undefined || interleaved === true;
    const decisions: InputDecisions = {
      ...(qc === undefined || !hasQualities(one) ? {} : { qc }),
      ...(isPaired && asked.mates === "single" ? { mates: "single" } : {}),
    };
    // Plain data by construction; a copy without what is undefined is JSON.
    return [number, JSON.parse(JSON.stringify(decisions)) as JsonObject];
  });
}

async function decideQc(
  { qc }: Asked,
  inputs: Inputs,
  plan: Plan,
  reader: ShardReader,
): Promise<SampleDecisions | undefined> {
  if (qc === null || inputs.length === 0) return undefined;
  const { settings, k, sketchK, scaled } = qc;
  const searches = !settings.disable_adapter_trimming && settings.adapter_sequence === "auto";
  const readsMax = searches ? PROBE_READS_MAX : PROBE_FEW_READS;
  const starts = await firstReads(inputs, plan, reader, readsMax);
  if (starts === undefined) return undefined;
  const mates = starts.length === 2 ? 2 : 1;
  const decisions = probeSample(settings, starts);
  return { settings, decisions, shape: { mates, k, sketchK, scaled } };
}

/** A sample's first reads by mate; undefined where they have no qualities: it is FASTA. */
async function firstReads(
  inputs: Inputs,
  plan: Plan,
  reader: ShardReader,
  readsMax: number,
): Promise<readonly ReadStart[] | undefined> {
  const batches: ReadBatch[] = [];
  let [reads, bases] = [0, 0];
  for await (const batch of firstBatches(inputs, plan, reader)) {
    if (batch.format !== "fastq") return undefined;
    batches.push(batch);
    reads += batch.records;
    bases += batch.bases.length;
    if (reads >= readsMax || bases >= PROBE_BASES_MAX) break;
  }
  const isPaired = inputs.some(([, it]) => it.mate !== undefined || it.interleaved === true);
  const wrapped = inputs.some(([input]) => isWrapped(plan, input));
  const first = { batch: joined(batches, readsMax), wrapped };
  if (!isPaired) return [first];
  const mates = batches.flatMap(({ mate }) => (mate === undefined ? [] : [mate]));
  return [first, { batch: joined(mates, readsMax), wrapped }];
}

/** Batches from a sample's begin on, as far as they can be read. */
async function* firstBatches(
  inputs: Inputs,
  plan: Plan,
  reader: ShardReader,
): AsyncGenerator<ReadBatch, void> {
  for (const [input, spec] of inputs) {
    let isEnded = false;
    for (let shard = 0; !isEnded; shard++) {
      const request = requestOf(plan, spec, input, shard);
      if (request === undefined) break;
      const reading = reader.read(request);
      try {
        for (;;) {
          const next = await reading.next();
          if (next.done === true) {
            isEnded = next.value.endOfInput !== undefined;
            break;
          }
          yield next.value as ReadBatch;
        }
      } catch {
        return;
      } finally {
        await reading.return({ records: 0, quarantined: 0, skipped: 0 });
      }
    }
  }
}

function requestOf(
  plan: Plan,
  spec: InputSpec,
  input: number,
  shard: number,
): ShardRequest | undefined {
  const planned = plan.inputs[input];
  const range = planned === undefined ? undefined : rangeOf(planned, shard);
  if (range === undefined) return undefined;
  return {
    input: spec,
    inputIndex: input,
    shardIndex: shard,
    range,
    decisions: plan.decisions,
    batchSize: BATCH,
    onBadRecord: "skip",
  };
}

function isWrapped(plan: Plan, input: number): boolean {
  return formatOf(plan, input) === "wrapped-fastq";
}

function isFasta(plan: Plan, input: number): boolean {
  return ["fasta", "protein"].includes(String(formatOf(plan, input)));
}

/** How an input's ranges say that it is written; undefined: FASTQ of four lines. */
function formatOf(plan: Plan, input: number): unknown {
  const planned = plan.inputs[input];
  const range = planned === undefined ? undefined : rangeOf(planned, 0);
  return range?.["format"];
}

/** Reads of several batches as one; what RecordBatch has of a file's places is empty. */
function joined(batches: readonly Reads[], readsMax: number): RecordBatch {
  const records = Math.min(
    readsMax,
    batches.reduce((sum, batch) => sum + batch.records, 0),
  );
  const nameEnds = joinedEnds(batches.map((batch) => batch.nameEnds)).slice(0, records + 1);
  const ends = joinedEnds(batches.map(({ offsets }) => offsets)).slice(0, records + 1);
  const joinedOf = (of: (reads: Reads) => Uint8Array, length = 0): Uint8Array =>
    Buffer.concat(batches.map(of)).subarray(0, length);
  return {
    records,
    names: joinedOf(({ names }) => names, nameEnds.at(-1)),
    nameEnds,
    bases: joinedOf(({ bases }) => bases, ends.at(-1)),
    qualities: joinedOf(({ qualities }) => qualities, ends.at(-1)),
    ends,
    begins: new Float64Array(0),
    flags: new Uint8Array(0),
  };
}

function joinedEnds(all: readonly Int32Array[]): Int32Array {
  const joinedAll = new Int32Array(all.reduce((sum, ends) => sum + ends.length - 1, 1));
  let [at, end] = [0, 0];
  for (const ends of all) {
    for (let i = 1; i < ends.length; i++) joinedAll[at + i] = end + (ends[i] ?? 0);
    at += ends.length - 1;
    end += ends.at(-1) ?? 0;
  }
  return joinedAll;
}
