/**
 * What must hold at every moment of a simulation, whatever went wrong. It sees each name as it is
 * created, keeps its own durable state from the log's segments, and each life, slurm job and answer
 * is shown to it. The first breach ends the run.
 */
import { apply } from "../../../head/core/apply.ts";
import { type DurableState, emptyState, type Fact } from "../../../head/core/facts.ts";
import { decodeSegment } from "../../../head/daemon/log.ts";
import { canonicalJson, sha256Hex, short12 } from "../../../runtime/ids.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";
import type { CreateOutcome } from "../../../runtime/storage/storage.ts";
import { parseManifest } from "../../../solver/manifest.ts";
import type { LivesWatch, SimLife } from "../ports/crew.ts";
import type { SlurmWatch } from "../ports/slurm.ts";
import type { VaultWatch } from "../ports/storage.ts";
import {
  expectedShard,
  rowsOf,
  type ShardPlace,
  shardsIn,
  type Taught,
  taughtOf,
} from "./expected.ts";

/** A promise that was broken. */
export class Breach extends Error {
  /** Which one, in a word or two. */
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

/** A job as the simulation submits it. */
export interface KnownJob {
  readonly jobId: string;
  readonly uri: string;
  readonly spec: DatasetSpec;
}

/** A shard that stands. */
interface Made {
  readonly sha256: string;
  readonly rows: number;
}

/** Milliseconds after which a slurm job that is there was there to be found. */
const SEEN_MS = 6_000;
const SEGMENT = /\/log\/(\d{12})$/;
const SHARD = /\/part-(\d{5})-(\d{6})-[0-9a-f]{12}\.parquet$/;

export class Oracle implements VaultWatch, LivesWatch, SlurmWatch {
  /** What the log says so far. */
  readonly durable: DurableState = emptyState();
  /** From when on nothing goes wrong any more. */
  healedMs = 0;
  readonly #state: string;
  /** By the folder of their output. */
  readonly #jobs = new Map<string, KnownJob>();
  /** By name. */
  readonly #made = new Map<string, Made>();
  readonly #digests = new Map<string, string>();
  readonly #lives = new Map<string, Set<SimLife>>();
  /** Ids that were durable, with the names of their attempts. */
  readonly #ids = new Set<string>();
  /** Attempts whose solver runs, by solve; and solves that have a result. */
  readonly #solving = new Map<string, string>();
  readonly #solved = new Set<string>();
  /** The first breach that was seen where nobody could be told of it. */
  #breach: Breach | undefined;
  #segments = 0;
  readonly #planted = new Set<string>();
  /** Exclusions that are facts. */
  readonly #excluded = new Set<string>();

  /** @param state - where the head's log is. */
  constructor(state: string) {
    this.#state = state;
  }

  get segments(): number {
    return this.#segments;
  }

  /** @throws {Breach} the first one so far. */
  check(): void {
    if (this.#breach !== undefined) throw this.#breach;
  }

  /** Notes a breach: it is thrown after the turn, for whoever runs now might catch it. */
  breach(invariant: string, what: string): void {
    this.#breach ??= new Breach(invariant, what);
  }

  expect(job: KnownJob): void {
    this.#jobs.set(job.uri, job);
  }

  onCreate(uri: string, bytes: Buffer, outcome: CreateOutcome): void {
    const segment = SEGMENT.exec(uri);
    const isLog = segment !== null && uri.startsWith(`${this.#state}/log/`);
    if (outcome === "created") {
      if (this.#digests.has(uri)) this.breach("a name is created once", uri);
      this.#digests.set(uri, sha256Hex(bytes));
      if (isLog) this.#takeSegment(Number(segment[1]), bytes);
      else this.#takeOutput(uri, bytes);
    } else if (outcome === "other" && SHARD.test(uri) && !this.#planted.has(uri)) {
      this.breach("a shard's bytes are a function of the plan", `${uri} was made with others`);
    }
  }

  onRemove(uri: string): void {
    const isOld = uri.startsWith(`${this.#state}/log/`) || uri.includes("/snapshot/");
    if (!isOld) this.breach("what stands isn't removed", uri);
    this.#digests.delete(uri);
  }

  /** Somebody else makes a file of that name: whatever it holds, no job takes it for its own. */
  planted(uri: string): void {
    this.#planted.add(uri);
  }

  isPlanted(folder: string): boolean {
    return [...this.#planted].some((uri) => uri.startsWith(`${folder}/`));
  }

  /** A client was told that its request is carried out. */
  answered(jobId: string): void {
    if (this.durable.datasets.has(jobId)) return;
    this.breach("an answer follows its fact", `job ${short12(jobId)} isn't in the log`);
  }

  begin(name: string, life: SimLife): void {
    const placed = this.durable.actors.get(life.actorId)?.placed;
    if (placed == null || placed.incarnation < life.incarnation) {
      this.breach("a life follows its fact", `${name} life ${life.incarnation}`);
    }
    const lives = this.#lives.get(name) ?? new Set();
    this.#lives.set(name, lives.add(life));
    this.look();
  }

  end(name: string, life: SimLife): void {
    this.#lives.get(name)?.delete(life);
  }

  look(): void {
    for (const [name, lives] of this.#lives) {
      if (lives.size < 2) continue;
      const answering = [...lives].filter((life) => life.answers());
      if (answering.length < 2) continue;
      const which = answering.map((life) => `${short12(life.actorId)}#${life.incarnation}`);
      this.breach("a name has one life at a time", `${name}: ${which.join(", ")}`);
    }
  }

  /** Slurm is given a job; `standing` is what it has of that name, and for how long. */
  submitted(name: string, standingMs: number): void {
    if (standingMs > SEEN_MS) this.breach("sbatch isn't repeated blindly", name);
    for (const { state } of this.durable.solves.values()) {
      if (state.kind === "attempted" && state.name === name) return;
    }
    this.breach("an intent is durable before sbatch", name);
  }

  /** Slurm is asked to let a job start. */
  released(name: string, slurmJobId: string): void {
    for (const { state } of this.durable.solves.values()) {
      const isIt = state.kind === "submitted" && state.name === name;
      if (isIt && state.slurmJobId === slurmJobId) return;
    }
    // A head that was followed may still ask, for what it knew then.
    if (this.#ids.has(`${name} ${slurmJobId}`)) return;
    this.breach("an id is durable before its release", `${name} ${slurmJobId}`);
  }

  solverBegins(name: string, slurmJobId: string): void {
    const solve = solveOf(name);
    const other = this.#solving.get(solve);
    if (other !== undefined) {
      this.breach("one solver at a time", `${name} ${slurmJobId} beside ${other}`);
    }
    if (this.#solved.has(solve)) this.breach("a solve that is done isn't run again", name);
    this.#solving.set(solve, `${name} ${slurmJobId}`);
  }

  solverEnds(name: string, _slurmJobId: string, exitCode: number | null): void {
    this.#solving.delete(solveOf(name));
    if (exitCode === 0) this.#solved.add(solveOf(name));
  }

  #takeSegment(n: number, bytes: Buffer): void {
    if (n !== this.#segments + 1) {
      this.breach("segments have no gap", `${n} follows ${this.#segments}`);
      return;
    }
    this.#segments = n;
    const { header, facts } = decodeSegment(n, bytes);
    const { number, leader } = this.durable.epoch;
    const [first] = facts;
    const opens = first?.type === "epoch";
    if (opens ? header.epoch <= number : header.epoch !== number || header.leader !== leader) {
      const what = `segment ${n} is of epoch ${header.epoch} behind ${number}`;
      this.breach("no fact of a leader that was followed", what);
    }
    for (const fact of facts) this.#takeFact(fact);
  }

  #takeFact(fact: Fact): void {
    if (fact.type === "shard.committed") this.#checkReceipt(fact);
    try {
      apply(this.durable, fact);
    } catch (thrown) {
      this.breach("the log replays", String(thrown));
    }
    if (fact.type === "shard.excluded") {
      const { jobId, input, shard, number, records } = fact;
      const name = `exclusions/${input}-${shard}-${number}`;
      if (!this.#digests.has(`${this.#state}/jobs/${short12(jobId)}/${name}`)) {
        this.breach("an exclusion's file stands before its fact", name);
      }
      this.#excluded.add(`${jobId}/${input}/${shard}/${canonicalJson({ number, records })}`);
    }
    if (fact.type === "solve.submitted") {
      const { state } = this.durable.solves.get(fact.solveId) ?? {};
      if (state?.kind === "submitted") this.#ids.add(`${state.name} ${state.slurmJobId}`);
    }
    if (fact.type === "solve.succeeded" && !this.#solved.has(short12(fact.solveId))) {
      this.breach("a success follows its result", fact.solveId);
    }
    if (fact.type === "dataset.sealed") this.#checkSealed(fact.jobId, fact.manifestSha256);
  }

  #checkReceipt({
    jobId,
    input,
    shard,
    receipt,
  }: Extract<Fact, { type: "shard.committed" }>): void {
    const job = this.durable.datasets.get(jobId);
    const uri = `${job?.spec.sink.uri ?? ""}/${receipt.file}`;
    if (this.#digests.get(uri) !== receipt.sha256) {
      this.breach("a receipt follows its shard", `${uri} isn't there, or with other bytes`);
    }
    const known = job?.inputs[input]?.receipts.get(shard);
    if (known !== undefined) this.breach("a receipt is a fact once", uri);
    const made = this.#made.get(uri);
    if (made?.sha256 !== receipt.sha256 || made.rows !== receipt.rows) {
      this.breach("a receipt says what the plan gives", uri);
    }
  }

  #takeOutput(uri: string, bytes: Buffer): void {
    const shard = SHARD.exec(uri);
    const folder = uri.slice(0, uri.lastIndexOf("/"));
    const job = this.#jobs.get(folder);
    if (shard !== null && job !== undefined && !this.#planted.has(uri)) {
      this.#checkShard(job, uri, { input: Number(shard[1]), shard: Number(shard[2]) }, bytes);
    }
    if (job !== undefined && uri.endsWith("/manifest.json")) this.#checkManifest(job, bytes);
    if (uri.endsWith("/_SUCCESS") && !this.#digests.has(`${folder}/manifest.json`)) {
      this.breach("_SUCCESS stands behind its manifest", uri);
    }
  }

  /** Its bytes follow from the plan and from what is durable of its poisonous records. */
  #checkShard({ jobId, spec }: KnownJob, uri: string, place: ShardPlace, bytes: Buffer): void {
    const taught = taughtOf(bytes);
    const { exclusion } = taught;
    if (exclusion !== undefined && !this.#isExcluded(jobId, place, taught)) {
      this.breach("an exclusion is durable before it is obeyed", uri);
    }
    const made = { sha256: sha256Hex(bytes), rows: rowsOf(spec, place, taught) };
    this.#made.set(uri, made);
    void expectedShard(jobId, spec, place, taught).then(
      ({ sha256 }) => {
        if (sha256 === made.sha256) return;
        this.breach("a shard's bytes are a function of the plan", uri);
      },
      (thrown: unknown) => this.breach("nothing throws", String(thrown)),
    );
  }

  #isExcluded(jobId: string, { input, shard }: ShardPlace, { exclusion }: Taught): boolean {
    const said = canonicalJson(exclusion);
    return this.#excluded.has(`${jobId}/${input}/${shard}/${said}`);
  }

  /** Every shard of the plan, and no other; each as it stands. */
  #checkManifest({ uri, spec }: KnownJob, bytes: Buffer): void {
    const manifest = parseManifest(bytes);
    let rows = 0;
    const isWhole =
      manifest.shards.length === shardsIn(spec) &&
      manifest.shards.every((shard) => {
        const made = this.#made.get(`${uri}/${shard.file}`);
        rows += shard.rows;
        return made?.sha256 === shard.sha256 && made.rows === shard.rows;
      });
    const records = spec.source.inputs.reduce((sum, input) => sum + input.bytes, 0);
    if (isWhole && manifest.rows === rows && manifest.reads.in === records) return;
    this.breach("a manifest lists what stands", `${uri}: ${manifest.shards.length} shards`);
  }

  #checkSealed(jobId: string, manifestSha256: string): void {
    const uri = this.durable.datasets.get(jobId)?.spec.sink.uri ?? "";
    const isSealed =
      this.#digests.get(`${uri}/manifest.json`) === manifestSha256 &&
      this.#digests.has(`${uri}/_SUCCESS`);
    if (!isSealed) this.breach("a seal follows manifest and _SUCCESS", uri);
  }
}

/** The solve of an attempt's name, in 12 digits. */
function solveOf(name: string): string {
  return name.split("-")[1] ?? "";
}
