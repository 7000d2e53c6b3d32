/**
 * Shard receipts made durable: reports of workers go through the head's own daemon, which decides
 * on them and applies them, and its own log on a local folder, group after group. Receipts a second
 * from the first report until the last receipt is in the log.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newHeadState } from "../../head/core/core.ts";
import { planTask } from "../../head/core/datasets.ts";
import type { Effect, HeadEvent } from "../../head/core/events.ts";
import type { Fact } from "../../head/core/facts.ts";
import { shardTask } from "../../head/core/step.ts";
import { HeadDaemon } from "../../head/daemon/daemon.ts";
import { canonicalJson, sha256Hex } from "../../runtime/ids.ts";
import { REPORT_DONE_MAX } from "../../runtime/limits.ts";
import type { DatasetSpec, Done, Outcome, Receipt, Report } from "../../runtime/messages.ts";
import { leadOf } from "../unit/head/leads.ts";
import { type Bench, median } from "./bench.ts";

const RECEIPTS = 100_000;
/** Reports that come in one turn of the event loop: as many as workers that speak at once. */
const REPORTS_A_TURN = 8;
const WORKER = "w-000000000001";
const SHA = "0123456789abcdef".repeat(4);

const SPEC: DatasetSpec = {
  schema: 1,
  runtimeVersion: "0.1.0",
  program: { url: "file:///program.ts", sha256: SHA },
  source: {
    name: "fastq",
    options: {},
    inputs: [{ uri: "/in/reads.fastq", sample: "reads", etag: "9-9", bytes: 9 }],
  },
  stage: { actor: "kmer-embedder", method: "embed", constructorArgs: [], batchSize: 1024 },
  sink: { kind: "parquet", uri: "/out" },
  idempotency: "bench",
};
const JOB = sha256Hex(canonicalJson(SPEC));

export const durableBench: Bench = {
  name: "durable",
  async run(runs) {
    const rates: number[] = [];
    const groups: number[] = [];
    for (let i = 0; i < runs; i += 1) {
      const { seconds, segments } = await runOnce();
      rates.push(RECEIPTS / seconds);
      groups.push(RECEIPTS / segments);
    }
    const also = { "receipts a segment": median(groups) };
    return {
      name: "durable",
      unit: "receipts/s",
      ours: median(rates),
      runs: rates,
      rivals: {},
      also,
    };
  },
};

async function runOnce(): Promise<{ readonly seconds: number; readonly segments: number }> {
  const stateDir = await mkdtemp(join(tmpdir(), "ligase-bench-"));
  try {
    const { state: durable, log } = await leadOf(stateDir);
    const config = { stateFolder: stateDir, solverSha256: null, slurm: "none" } as const;
    const waiting = new Waiting();
    const daemon: HeadDaemon = new HeadDaemon(newHeadState(durable, config, 0), {
      now: () => 0,
      append: async (facts) => {
        await log.append(facts);
        waiting.durable(facts);
      },
      carryOut: (effects) => answerClaims(daemon, effects),
      fatal: (error) => waiting.fail(error),
      defer: (run) => void setImmediate(run),
    });
    await plan(daemon, waiting);
    const segmentsBefore = log.tail;
    const begunMs = performance.now();
    await feedAll(daemon);
    await waiting.until("shard.committed", RECEIPTS);
    const seconds = (performance.now() - begunMs) / 1_000;
    daemon.stop();
    return { seconds, segments: log.tail - segmentsBefore };
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** The output is free. */
function answerClaims(daemon: HeadDaemon, effects: readonly Effect[]): void {
  for (const { type } of effects) {
    if (type === "claim") daemon.feed({ type: "claimed", jobId: JOB, error: null });
  }
}

/** The job with all its shards planned. */
async function plan(daemon: HeadDaemon, waiting: Waiting): Promise<void> {
  const caller = { identity: "c-000000000001", process: "c".repeat(16), id: 1 };
  const request = { op: "submit-dataset", spec: SPEC, continuation: null } as const;
  daemon.feed({ type: "api", caller, request });
  daemon.feed(reported([]));
  await waiting.until("dataset.submitted", 1);
  const outcome: Outcome = { kind: "planned", planSha256: SHA, shards: [RECEIPTS + 1] };
  daemon.feed(reported([{ task: planTask(JOB), attempt: 0, outcome }]));
  await waiting.until("dataset.planned", 1);
}

async function feedAll(daemon: HeadDaemon): Promise<void> {
  for (let next = 0; next < RECEIPTS; ) {
    for (let i = 0; i < REPORTS_A_TURN && next < RECEIPTS; i += 1) {
      const count = Math.min(REPORT_DONE_MAX, RECEIPTS - next);
      const first = next;
      daemon.feed(reported(Array.from({ length: count }, (_, at) => doneOf(first + at))));
      next += count;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let reports = 0;

function reported(done: Done[]): HeadEvent {
  reports += 1;
  const report: Report = {
    ...{ process: "1".repeat(16), number: reports, host: "m1", slots: 2, hosting: 0, sharing: 0 },
    ...{ actors: [], announced: true, ended: [], processes: [], held: [], done },
    seen: { epoch: 1, sequence: 0 },
  };
  return { type: "report", worker: WORKER, report };
}

function doneOf(shard: number): Done {
  const receipt: Receipt = {
    file: `part-00000-${String(shard).padStart(6, "0")}-0123456789ab.parquet`,
    ...{ contentKey: SHA, rows: 25_000, bytes: 6_000_000, crc32c: "0123abcd", sha256: SHA },
    rowGroups: [4_096, 4_096, 4_096, 4_096, 4_096, 4_096, 424],
    ...{ records: 25_000, filtered: {}, quarantined: 0, skipped: 0 },
    stage: {
      ...{ name: "kmer", sha256: SHA, provider: "cpu", variant: "cpu-avx512-1t" },
      ...{ dimensions: 136, metric: "l2" },
    },
  };
  const outcome = { kind: "committed", receipt, end: null } as const;
  return { task: shardTask(JOB, 0, shard), attempt: 0, outcome };
}

/** Facts by type, as they become durable. */
class Waiting {
  readonly #counts = new Map<Fact["type"], number>();
  #check: () => void = () => undefined;
  #error: Error | undefined;

  durable(facts: readonly Fact[]): void {
    for (const { type } of facts) this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1);
    this.#check();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#check();
  }

  until(type: Fact["type"], count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#check = () => {
        if (this.#error !== undefined) reject(this.#error);
        if ((this.#counts.get(type) ?? 0) >= count) resolve();
      };
      this.#check();
    });
  }
}
