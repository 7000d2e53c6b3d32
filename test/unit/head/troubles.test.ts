/**
 * Jobs amid all that may cross: workers that lose commands, die in batches, go absent and come back
 * with what they held; claims, seals and exclusions answered late; jobs cancelled and submitted
 * again, files taken away, other leaders. Whatever came, each job is sealed in the end, with each
 * shard made once and without its poison.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Effect } from "../../../head/core/events.ts";
import { openJobs } from "../../../head/core/step.ts";
import { shardFile } from "../../../runtime/dataset/names.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type {
  Assignment,
  DatasetSpec,
  Done,
  Exclusion,
  Outcome,
  Receipt,
  Work,
} from "../../../runtime/messages.ts";
import { CALLER, type Decision, effectsOf, jobIdOf, MANIFEST, receiptOf } from "./support.ts";
import { reportOf, specOf, TestHead } from "./support.ts";

const RUNS = process.env["LIGASE_TEST_LONG"] === "1" ? 3_000 : 60;
const SHARDS = [3, 2];
const RECORDS = 8;
/** Shard 1 of input 0 of the first job: this record ends every executor. */
const POISON = 5;
const SPECS: readonly DatasetSpec[] = [
  { ...specOf("a", 2), onBadRecord: "quarantine" },
  specOf("b", 2),
];
const JOBS = SPECS.map(jobIdOf);
const MANIFESTS = ["manifest.json", "_SUCCESS"];
/** Rounds in which nothing goes wrong any more: searches take a dozen. */
const CALM_ROUNDS = 400;

type Late = Extract<Effect, { type: "claim" | "seal" | "exclude" }>;

/** One worker as it is: what it was told, holds and has done. */
interface Worker {
  readonly name: string;
  incarnation: number;
  inbox: { readonly epoch: number; readonly command: Extract<Effect, { type: "command" }> }[];
  seen: { epoch: number; sequence: number };
  readonly held: Map<string, Assignment>;
  readonly done: Map<string, Done>;
}

class Ground {
  head = new TestHead();
  /** Receipts of the shards that stand, and other names, by output. */
  readonly files = new Map(JOBS.map((job) => [job, new Map<string, Receipt | null>()]));
  readonly exclusions = new Map<string, Exclusion>();
  /** What this leader does, not answered yet; with what stood when it began. */
  late: { readonly effect: Late; readonly names: readonly string[] }[] = [];
  readonly workers: readonly Worker[] = ["w1", "w2"].map((name) => ({
    ...{ name, incarnation: 1, inbox: [], seen: { epoch: 0, sequence: 0 } },
    ...{ held: new Map(), done: new Map() },
  }));

  constructor() {
    for (const worker of this.workers) this.report(worker);
    for (const job of [0, 1]) this.submit(job);
  }

  take({ effects }: Decision): void {
    for (const effect of effects) {
      if (effect.type === "command") {
        const worker = this.workers.find(({ name }) => name === effect.worker);
        worker?.inbox.push({ epoch: this.head.epoch, command: effect });
      } else if (effect.type === "claim" || effect.type === "seal" || effect.type === "exclude") {
        this.late.push({ effect, names: [...this.standing(effect.jobId).keys()] });
      }
    }
  }

  standing(jobId: string): Map<string, Receipt | null> {
    return this.files.get(jobId) ?? new Map();
  }

  submit(job: number): void {
    const spec = SPECS[job];
    if (spec !== undefined) this.take(this.head.submit(spec));
  }

  cancel(job: number): void {
    const request = { op: "cancel" as const, jobId: JOBS[job] ?? "" };
    this.take(this.head.feed({ type: "api", caller: CALLER, request }));
  }

  tick(ms: number): void {
    this.take(this.head.tick(ms));
  }

  lead(): void {
    this.head = this.head.successor();
    this.late = [];
  }

  hear(worker: Worker): void {
    const said = worker.inbox.shift();
    if (said === undefined || said.epoch < worker.seen.epoch) return;
    const { sequence, assign, cancel, ack } = said.command;
    const last = said.epoch === worker.seen.epoch ? worker.seen.sequence : 0;
    worker.seen = { epoch: said.epoch, sequence: Math.max(last, sequence) };
    for (const { task, attempt } of ack) worker.done.delete(`${task}#${attempt}`);
    for (const task of cancel) worker.held.delete(task);
    for (const it of assign) if (!worker.held.has(it.task)) worker.held.set(it.task, it);
  }

  /** As it goes where nothing is late. */
  go(worker: Worker, index: number, how: number): void {
    while (worker.inbox.length > 0) this.hear(worker);
    this.work(worker, index, how);
    this.work(worker, index, how >> 8);
    this.report(worker);
  }

  /** Ends an attempt, by chance (`how`) or as it must. */
  work(worker: Worker, index: number, how: number): void {
    const held = [...worker.held.values()][index % Math.max(1, worker.held.size)];
    if (held === undefined) return;
    worker.held.delete(held.task);
    const { task, attempt } = held;
    worker.done.set(`${task}#${attempt}`, {
      task,
      attempt,
      outcome: this.#outcome(held.work, how),
    });
  }

  #outcome(work: Work, how: number): Outcome {
    if (work.kind === "plan") {
      return { kind: "planned", planSha256: "e".repeat(64), shards: [...SHARDS] };
    }
    if (how % 11 === 1) return failed("STORAGE_FAILED");
    if (work.kind === "verify") return this.#verified(work);
    if (work.kind === "probe") return this.#probed(work, how);
    if (work.kind !== "shard") throw new Error(work.kind);
    const file = shardFile(work.jobId, work.input, work.shard);
    const known = this.standing(work.jobId).get(file);
    if (known != null) return { kind: "committed", receipt: known, end: null };
    const whole = { first: 0, records: RECORDS };
    if (isPoisoned(work, whole) || how % 13 === 2) return failed("ACTOR_DIED", whole);
    if (how % 17 === 3) return failed("OUT_OF_MEMORY", whole);
    const { exclusion } = work;
    const change = exclusion === undefined ? {} : { exclusion, quarantined: 1 };
    const receipt = receiptOf(work.input, work.shard, { ...change, file });
    this.standing(work.jobId).set(file, receipt);
    return { kind: "committed", receipt, end: null };
  }

  #verified({ jobId, ranges }: Extract<Work, { kind: "verify" }>): Outcome {
    const found = ranges.flatMap(({ input, from, to }) =>
      Array.from({ length: to - from }, (_, i) => from + i).flatMap((shard) => {
        const receipt = this.standing(jobId).get(shardFile(jobId, input, shard));
        return receipt == null ? [] : [{ input, shard, receipt, end: null }];
      }),
    );
    return { kind: "verified", found, damaged: [] };
  }

  #probed(work: Extract<Work, { kind: "probe" }>, how: number): Outcome {
    const { first, records, run } = work;
    if (run && isPoisoned(work, { first, records }))
      return failed("ACTOR_DIED", { first, records });
    // A death by chance of one record alone, twice, would be taken for its own.
    if (run && records > 1 && how % 19 === 4) return failed("ACTOR_DIED", { first, records });
    return { kind: "probed", places: [] };
  }

  report(worker: Worker): void {
    const held = [...worker.held.values()].map(({ task, attempt }) => ({ task, attempt }));
    const { seen, incarnation } = worker;
    const said = { slots: 2, seen, held, done: [...worker.done.values()], incarnation };
    this.take(this.head.feed({ type: "report", worker: worker.name, report: reportOf(said) }));
  }

  restart(worker: Worker): void {
    worker.incarnation += 1;
    worker.held.clear();
    worker.done.clear();
    worker.inbox = [];
    worker.seen = { epoch: 0, sequence: 0 };
  }

  /** One of the late ones is answered; a claim by what stood when it began, or now. */
  answer(index: number, isOld: boolean): void {
    const [one] = this.late.splice(index % Math.max(1, this.late.length), 1);
    if (one === undefined) return;
    const { effect, names } = one;
    const { jobId } = effect;
    if (effect.type === "claim") {
      const there = isOld ? names : [...this.standing(jobId).keys()];
      const standing = there.map((name) => ({ name, bytes: 100 }));
      this.take(this.head.feed({ type: "claimed", jobId, error: null, standing }));
    } else if (effect.type === "seal") {
      for (const name of MANIFESTS) this.standing(jobId).set(name, null);
      this.take(this.head.feed({ type: "sealed", jobId, manifestSha256: MANIFEST }));
    } else {
      const exclusion = this.exclusions.get(effect.uri) ?? effect.exclusion;
      this.exclusions.set(effect.uri, exclusion);
      const { input, shard } = effect;
      const event = { type: "excluded", jobId, input, shard, exclusion, error: null } as const;
      this.take(this.head.feed(event));
    }
  }

  /** A person takes a file away. */
  remove(job: number, index: number): void {
    const standing = this.standing(JOBS[job] ?? "");
    const names = [...standing.keys()].filter((name) => !MANIFESTS.includes(name));
    const name = names[index % Math.max(1, names.length)];
    if (name !== undefined) standing.delete(name);
  }

  /** Nothing goes wrong any more: every job is sealed, submitted once more where it had ended. */
  calm(): void {
    for (let round = 0; round < CALM_ROUNDS && !this.#isOver(); round += 1) {
      for (const job of [0, 1]) {
        const kind = this.#jobOf(job)?.state.kind;
        if (kind === "failed" || kind === undefined) this.submit(job);
      }
      for (const worker of this.workers) {
        while (worker.inbox.length > 0) this.hear(worker);
        while (worker.held.size > 0) this.work(worker, 0, 0);
        this.report(worker);
      }
      while (this.late.length > 0) this.answer(0, false);
      this.tick(1_000);
    }
  }

  #isOver(): boolean {
    return (
      this.late.length === 0 && JOBS.every((_, job) => this.#jobOf(job)?.state.kind === "sealed")
    );
  }

  #jobOf(job: number) {
    return this.head.state.durable.datasets.get(JOBS[job] ?? "");
  }
}

function isPoisoned(
  { jobId, input, shard, exclusion }: Extract<Work, { kind: "shard" | "probe" }>,
  { first, records }: { readonly first: number; readonly records: number },
): boolean {
  const isThere = jobId === JOBS[0] && input === 0 && shard === 1;
  if (!isThere || POISON < first || POISON >= first + records) return false;
  return exclusion?.records.some(({ position }) => position === POISON) !== true;
}

function failed(
  code: "STORAGE_FAILED" | "ACTOR_DIED" | "OUT_OF_MEMORY",
  batch?: { readonly first: number; readonly records: number },
): Outcome {
  const error = new SystemError(code, "the executor ended: SIGSEGV").toData();
  return { kind: "failed", error, ...(batch === undefined ? {} : { batch }) };
}

/** By how often they come: without `go` no job would get far. */
const KINDS = [
  ...["go", "go", "go", "go", "go", "go", "go", "go", "answer", "answer", "answer", "answer"],
  ...["hear", "work", "report", "tick", "lose", "absent", "restart", "lead", "again", "again"],
  ...["cancel", "submit", "submit", "remove", "remove", "silence"],
] as const;
const happening = fc.record({ kind: fc.constantFrom(...KINDS), one: fc.nat(1_000), how: fc.nat() });
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

function happen(ground: Ground, { kind, one, how }: Happening): void {
  const worker = ground.workers[how % 2];
  if (worker === undefined) return;
  if (kind === "go") ground.go(worker, one, how);
  else if (kind === "hear") ground.hear(worker);
  else if (kind === "work") ground.work(worker, one, how);
  else if (kind === "report") ground.report(worker);
  else if (kind === "answer") ground.answer(one, how % 2 === 0);
  else if (kind === "tick") ground.tick(one);
  else if (kind === "lose") worker.inbox.shift();
  else if (kind === "absent") {
    ground.take(ground.head.feed({ type: "absent", worker: worker.name }));
  } else if (kind === "restart") ground.restart(worker);
  else if (kind === "lead") ground.lead();
  else if (kind === "cancel") ground.cancel(how % 2);
  else if (kind === "submit") ground.submit(how % 2);
  else if (kind === "again") {
    ground.cancel(how % 2);
    ground.submit(how % 2);
  } else if (kind === "remove") ground.remove(how % 2, one);
  else ground.tick(4_000);
}

test("whatever crosses, every job is sealed with each shard, and nothing poisonous", () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 20, maxLength: 150 }), (happenings) => {
      const ground = new Ground();
      for (const it of happenings) {
        happen(ground, it);
        expect(ground.head.state.open).toEqual(openJobs(ground.head.state.durable));
        for (const { state, inputs } of ground.head.state.durable.datasets.values()) {
          if (state.kind !== "sealed") continue;
          expect(inputs.map(({ receipts }) => receipts.size)).toEqual(SHARDS);
        }
      }
      ground.calm();
      // What was taken away since it was sealed is noticed when it is asked for again.
      for (const job of [0, 1]) ground.submit(job);
      ground.calm();
      for (const [job, jobId] of JOBS.entries()) {
        const { state, inputs } = ground.head.state.durable.datasets.get(jobId) ?? {};
        expect(state, `job ${job}`).toMatchObject({ kind: "sealed" });
        const receipts = inputs?.flatMap((input) => [...input.receipts.values()]) ?? [];
        for (const receipt of receipts) {
          expect(ground.standing(jobId).get(receipt.file), receipt.file).toEqual(receipt);
        }
        const excluded = receipts.flatMap(({ exclusion }) => exclusion?.records ?? []);
        expect(excluded.map(({ position }) => position)).toEqual(job === 0 ? [POISON] : []);
      }
      expect(effectsOf(ground.head.tick(), "claim")).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});
