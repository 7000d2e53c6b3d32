/**
 * Reads to vectors: tokens, the model's session, one row a read. One thread within an operator,
 * whatever the machine, because the number of threads could change a sum's order.
 */
import { readFileSync } from "node:fs";
import "./telemetry.ts";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { DescribedStage, StageDescription, Table } from "../runtime/dataset/types.ts";
import { SystemError } from "../runtime/errors.ts";
import { SESSION_ROWS_MAX, SESSION_TOKENS_MAX } from "../runtime/limits.ts";
import type { ReadBatch } from "./fastq/batch.ts";
import { composeRuns, type Run } from "./kmer/batches.ts";
import { PADDING, type Tokens, tokenize } from "./kmer/tokens.ts";
import { type Encoder, loadGraph, loadModel, type Model } from "./model.ts";

/** Why a read gives no row: fewer valid 4-mers than the model's tokensMin. */
export const TOO_SHORT = "too_short_for_encoder";

/** The encoder `kmer` as an actor. The session loads with the first batch, or by `ready()`. */
export class KmerEmbedder implements DescribedStage {
  readonly deterministic = true;
  readonly #model: Model;
  readonly #pinned: string;
  #session: Promise<InferenceSession> | undefined;
  #input = new Int32Array(SESSION_TOKENS_MAX);
  readonly #output: Float32Array;
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param options - the encoder as the job's spec pins it, see `encoderOf`.
   * @throws {SystemError} USAGE, MODEL_INVALID.
   */
  constructor(options: { readonly model: Pick<Encoder, "name" | "sha256"> }) {
    this.#model = loadModel(options.model.name);
    this.#pinned = options.model.sha256;
    this.#output = new Float32Array(SESSION_ROWS_MAX * this.#model.dimensions);
  }

  /** Loads the session. @throws {SystemError} MODEL_INVALID. */
  async ready(): Promise<void> {
    await this.#load();
  }

  /**
   * A row for each read or pair that is long enough, in their order: `embedding` float32 [n, 136],
   * `read_id`, `n_tokens` (valid 4-mers; a pair's counts are both mates' together). A batch of no
   * reads gives a table of no rows.
   * @throws {SystemError} MODEL_INVALID.
   */
  embed(batch: ReadBatch): Promise<Table> {
    // One after the other, even when called at once: the session's buffers are used again.
    const table = this.#turn.then(() => this.#embed(batch));
    this.#turn = table.catch(() => undefined);
    return table;
  }

  describe(): StageDescription {
    const { name, dimensions, metric } = this.#model;
    return {
      name,
      sha256: this.#pinned,
      provider: "cpu",
      variant: `cpu-${instructionSet()}-1t`,
      dimensions,
      metric,
    };
  }

  async #embed(batch: ReadBatch): Promise<Table> {
    const session = await this.#load();
    const { dimensions, tokensMin } = this.#model;
    const tokens = tokenize(batch);
    const rowOf = new Int32Array(batch.records);
    const readIds: string[] = [];
    for (let read = 0; read < batch.records; read++) {
      if ((tokens.counts[read] as number) < tokensMin) continue;
      rowOf[read] = readIds.length;
      readIds.push(batch.ids[read] as string);
    }
    const rows = readIds.length;
    const embedding = new Float32Array(rows * dimensions);
    for (const run of composeRuns(tokens.counts, tokensMin)) {
      await this.#run(session, run, tokens, (index, row) => {
        embedding.set(row, (rowOf[run.reads[index] as number] as number) * dimensions);
      });
    }
    const filtered = batch.records - rows;
    return {
      rows,
      columns: {
        embedding: { kind: "vector", values: embedding, dimensions },
        read_id: { kind: "utf8", values: readIds },
        n_tokens: { kind: "int32", values: tokens.counts.filter((count) => count >= tokensMin) },
      },
      filtered: filtered === 0 ? {} : { [TOO_SHORT]: filtered },
    };
  }

  async #run(
    session: InferenceSession,
    run: Run,
    tokens: Tokens,
    store: (index: number, row: Float32Array) => void,
  ): Promise<void> {
    const { dimensions } = this.#model;
    const rows = run.reads.length;
    const output = this.#output.subarray(0, rows * dimensions);
    await session.run(
      { tokens: new Tensor("int32", this.#fill(run, tokens), [rows, run.length]) },
      { embedding: new Tensor("float32", output, [rows, dimensions]) },
    );
    for (let index = 0; index < rows; index++) {
      store(index, output.subarray(index * dimensions, (index + 1) * dimensions));
    }
  }

  /** The run's tokens as int32 [b, l], row-major, padded; valid until the next call. */
  #fill(run: Run, tokens: Tokens): Int32Array {
    const size = run.reads.length * run.length;
    if (size > this.#input.length) this.#input = new Int32Array(size);
    const input = this.#input.subarray(0, size);
    for (const [index, read] of run.reads.entries()) {
      const begin = tokens.begins[read] as number;
      const count = tokens.counts[read] as number;
      input.set(tokens.values.subarray(begin, begin + count), index * run.length);
      input.fill(PADDING, index * run.length + count, (index + 1) * run.length);
    }
    return input;
  }

  #load(): Promise<InferenceSession> {
    this.#session ??= createSession(this.#model, this.#pinned);
    return this.#session;
  }
}

async function createSession(model: Model, sha256: string): Promise<InferenceSession> {
  const graph = await loadGraph(model, sha256);
  try {
    return await InferenceSession.create(graph, {
      executionProviders: ["cpu"],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
    });
  } catch (thrown) {
    const where = { uri: model.file };
    throw new SystemError("MODEL_INVALID", "the graph doesn't load", where, thrown);
  }
}

/** The widest instruction set that the session's kernels tell apart. */
function instructionSet(): string {
  if (process.arch === "arm64") return "neon";
  let flags = "";
  try {
    flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  } catch {
    // No /proc: the architecture alone names the variant.
  }
  const words = new Set(flags.split(" "));
  const known = [
    ["avx512f", "avx512"],
    ["avx2", "avx2"],
    ["avx", "avx"],
  ] as const;
  return known.find(([flag]) => words.has(flag))?.[1] ?? process.arch;
}
