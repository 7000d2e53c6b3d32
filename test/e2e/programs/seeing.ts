/** An actor that says which GPUs it sees, and a stage that does for each of its shards. */
import { appendFileSync } from "node:fs";
import { actor, type Cluster } from "ligase";
import { Embedder, type Encoder, encoderOf, type ReadBatch, readFastq } from "ligase/actors";

/** What a process sees, and whose child it is. */
export interface Sight {
  readonly gpus: string | null;
  readonly agent: number;
  readonly pid: number;
}

function look(): Sight {
  const gpus = process.env["CUDA_VISIBLE_DEVICES"] ?? null;
  return { gpus, agent: process.ppid, pid: process.pid };
}

class Seeing {
  look(): Sight {
    return look();
  }
}
export const SeeingActor = actor("seeing", Seeing);

class Watching extends Embedder.class {
  readonly #journal: string;

  constructor(options: { readonly model: Encoder; readonly journal: string }) {
    super({ model: options.model });
    this.#journal = options.journal;
  }

  override async embed(batch: ReadBatch) {
    const line = (what: string) => `${JSON.stringify({ ...look(), what, atMs: Date.now() })}\n`;
    appendFileSync(this.#journal, line("begin"));
    const table = await super.embed(batch);
    appendFileSync(this.#journal, line("end"));
    return table;
  }
}
export const WatchingStage = actor("watching", Watching);

/** Makes shards of the inputs, with these options of `mapBatches`. */
export default async function main(
  _cluster: Cluster,
  [journal = "", output = "", options = "{}", ...inputs]: string[],
) {
  const how = {
    ...(JSON.parse(options) as object),
    ...{ method: "embed", constructorArgs: [{ model: encoderOf("kmer"), journal }] },
  };
  const reads = readFastq(...inputs).mapBatches(WatchingStage, how);
  return (await reads.writeParquet(output)).manifest;
}
