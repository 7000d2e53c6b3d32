/** One attempt, step by step, over a Slurm and a folder that are the test's own. */
import { beforeEach, describe, expect, test } from "vitest";
import type { AttemptFile, AttemptFiles } from "../../../head/slurm/attempt/files.ts";
import {
  type AttemptMemory,
  cancelStep,
  type HeldAttempt,
  lookStep,
  releaseStep,
  submitStep,
} from "../../../head/slurm/launch.ts";
import type { Slurm, SlurmJob, SubmitOutcome } from "../../../head/slurm/slurm.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { SLURM_SEARCH_MS, SOLVE_SILENT_MS } from "../../../runtime/limits.ts";
import { request } from "./fakes.ts";

const COMMENT = "solve=0123456789ab.attempt=1.token=0011";
const NAME = request().name;
const REF = { clusterName: "c", id: "4", name: NAME };
const BEGUN = "4\nboot pid:[1] 5 6\n";

/** The next leader of the same attempt begins with an empty memory. */
let memory: AttemptMemory;
let now: number;
let files: MemoryFiles;
let slurm: MemorySlurm;
let attempt: HeldAttempt;
beforeEach(() => {
  now = 1_000;
  files = new MemoryFiles();
  slurm = new MemorySlurm();
  newLeader();
});

function newLeader(): void {
  memory = {};
  const clock = { now: () => now, after: () => () => undefined, soon: () => undefined };
  attempt = { slurm, files, name: NAME, comment: COMMENT, memory, clock };
}

const submit = (isNew = true) => submitStep(attempt, { ...request(), comment: COMMENT }, isNew);

describe("a submission", () => {
  test("that Slurm already holds is adopted, not repeated, by a new leader too", async () => {
    slurm.jobs.push(job("4"));
    expect(await submit(false)).toEqual({ kind: "submitted", job: REF });
    expect(slurm.submitted).toBe(0);
  });

  test("without a clear answer is searched by name, and sbatch runs once", async () => {
    slurm.answers.push("accepted, unknown");
    slurm.blindFinds = 1;
    expect(await submit()).toMatchObject({ kind: "waiting" });
    expect(await submit()).toMatchObject({ kind: "submitted", job: { id: "1" } });
    expect(slurm.submitted).toBe(1);
  });

  test("that an earlier leader may have made is searched for as long", async () => {
    expect(await submit(false)).toMatchObject({ kind: "waiting" });
    now += SLURM_SEARCH_MS - 1;
    expect(await submit(false)).toMatchObject({ kind: "waiting" });
    expect(slurm.submitted).toBe(0);
    now += 1;
    expect(await submit(false)).toMatchObject({ kind: "submitted" });
  });

  test("that left no job is made again, a bounded number of times, then never", async () => {
    slurm.answers.push("unknown", "unknown", "unknown");
    for (let tries = 1; tries <= 3; tries += 1) {
      expect(await submit()).toMatchObject({ kind: "waiting" });
      expect(slurm.submitted).toBe(tries);
      now += SLURM_SEARCH_MS;
    }
    expect(await submit()).toMatchObject({ kind: "refused", error: { code: "SLURM_FAILED" } });
    expect(slurm.submitted).toBe(3);
    expect(files.text("started")).toMatch(/^never /);
  });

  test("that is refused fails at once, unless its job is there all the same", async () => {
    slurm.answers.push("refused", "accepted, refused");
    expect(await submit()).toMatchObject({ kind: "refused", error: { code: "SLURM_REFUSED" } });
    files = new MemoryFiles();
    newLeader();
    expect(await submit()).toMatchObject({ kind: "submitted" });
  });

  test("takes the oldest held copy, and cancels the other held ones", async () => {
    const ended = job("3", { state: "CANCELLED", held: false });
    slurm.jobs.push(job("11"), job("9"), ended, job("7", { held: false, reason: "Resources" }));
    expect(await submit(false)).toMatchObject({ job: { id: "9" } });
    expect(slurm.cancelled).toEqual(["11"]);
  });

  test("doesn't take what another state's attempt of that name submitted", async () => {
    slurm.jobs.push(job("4", { comment: COMMENT.replace("0011", "2233") }));
    expect(await submit()).toMatchObject({ kind: "submitted", job: { id: "1" } });
    expect(slurm.cancelled).toEqual([]);
    // A comment that the site wrote says nothing.
    newLeader();
    slurm.jobs.splice(0, 2, job("6", { comment: "billed=yes" }));
    expect(await submit()).toMatchObject({ job: { id: "6" } });
  });

  test("of which Slurm says nothing isn't known to have failed", async () => {
    slurm.isDown = true;
    await expect(submit()).rejects.toMatchObject({ code: "SLURM_FAILED" });
  });
});

describe("a release", () => {
  test("stands in the folder first, and happens once", async () => {
    slurm.jobs.push(job("4"), job("5"));
    expect(await releaseStep(attempt, REF)).toMatchObject({ kind: "running" });
    expect(files.text("released")).toBe("c 4\n");
    expect([slurm.released, slurm.cancelled]).toEqual([["4"], ["5"]]);
    expect(await releaseStep(attempt, REF)).toMatchObject({ kind: "running" });
    expect(slurm.released).toEqual(["4"]);
  });

  test("of another id than the one that stands there doesn't happen, nor ever will", async () => {
    await files.create("released", "c 3\n");
    slurm.jobs.push(job("4"));
    expect(await releaseStep(attempt, REF)).toMatchObject({
      kind: "ended",
      outcome: { state: "LOST" },
    });
    expect(slurm.released).toEqual([]);
    expect(files.text("started")).toMatch(/^never /);
  });

  test("that got lost is repeated; who holds a free job afterwards is let be", async () => {
    slurm.jobs.push(job("4"));
    slurm.losesReleases = 1;
    await releaseStep(attempt, REF);
    await lookStep(attempt, REF);
    expect(slurm.released).toEqual(["4", "4"]);
    await lookStep(attempt, REF);
    slurm.jobs.splice(0, 1, job("4"));
    await lookStep(attempt, REF);
    expect(slurm.released).toEqual(["4", "4"]);
  });

  test("isn't ours to give where an administrator holds the job", async () => {
    slurm.jobs.push(job("4", { reason: "JobHeldAdmin" }));
    const at = { slurmState: "PENDING", reason: "JobHeldAdmin" };
    expect(await releaseStep(attempt, REF)).toMatchObject({ kind: "running", at });
    expect(slurm.released).toEqual([]);
  });
});

describe("an end", () => {
  const ends = (state: SlurmJob["state"], changes: Partial<SlurmJob> = {}) =>
    slurm.jobs.splice(0, 1, job("4", { state, held: false, ...changes }));
  const state = async () => {
    const answer = await lookStep(attempt, REF);
    return answer.kind === "ended" ? answer.outcome.state : answer.kind;
  };

  test("of an attempt that never began is told at once, and it never will", async () => {
    ends("NODE_FAIL");
    expect(await state()).toBe("NODE_FAIL");
    expect(files.text("started")).toBe("never NODE_FAIL\n");
  });

  test("of a wrapper that may live is told after a silence over its lease", async () => {
    ends("NODE_FAIL");
    await files.create("started", BEGUN);
    files.put("heartbeat", "1\n");
    expect(await state()).toBe("waiting");
    expect(files.text("ended")).toBe("NODE_FAIL\n");
    now += SOLVE_SILENT_MS - 1;
    files.put("heartbeat", "2\n");
    expect(await state()).toBe("waiting");
    now += SOLVE_SILENT_MS - 1;
    expect(await state()).toBe("waiting");
    // A new leader hasn't seen that silence.
    const before = memory;
    newLeader();
    expect(await state()).toBe("waiting");
    attempt = { ...attempt, memory: before };
    now += 1;
    expect(await state()).toBe("NODE_FAIL");
  });

  test("of a wrapper on this machine is told when its process is gone", async () => {
    ends("NODE_FAIL");
    await files.create("started", BEGUN);
    files.alive = true;
    expect(await state()).toBe("waiting");
    now += 10 * SOLVE_SILENT_MS;
    expect(await state()).toBe("waiting");
    files.alive = false;
    expect(await state()).toBe("NODE_FAIL");
  });

  test("that the wrapper wrote down needs no proof, and a result no Slurm", async () => {
    await files.create("started", BEGUN);
    files.put("exit.json", '{"exitCode":0,"signal":null}');
    slurm.isDown = true;
    expect(await state()).toBe("COMPLETED");
    slurm.isDown = false;
    ends("COMPLETING");
    expect(await state()).toBe("COMPLETED");
  });

  test("that Slurm forgot waits for the wrapper's silence", async () => {
    await files.create("started", BEGUN);
    expect(await state()).toBe("waiting");
    now += SOLVE_SILENT_MS;
    expect(await state()).toBe("LOST");
  });

  test("put back into the queue after it began is cancelled, and REQUEUED", async () => {
    ends("PENDING", { restarts: 1, reason: "BeginTime" });
    await files.create("started", BEGUN);
    files.put("exit.json", '{"exitCode":143,"signal":15}');
    expect(await state()).toBe("running");
    expect(slurm.cancelled).toEqual(["4"]);
    ends("CANCELLED", { restarts: 1 });
    expect(await state()).toBe("REQUEUED");
  });

  test("of a job that can never start is ours to make", async () => {
    ends("PENDING", { reason: "DependencyNeverSatisfied" });
    expect(await state()).toBe("running");
    expect(slurm.cancelled).toEqual(["4"]);
    ends("CANCELLED");
    const answer = await lookStep(attempt, REF);
    const error = { code: "SLURM_REFUSED", what: "its dependency can never be satisfied" };
    expect(answer).toMatchObject({ outcome: { state: "REFUSED", error } });
  });
});

describe("a cancel", () => {
  test("takes the start of what hasn't begun, and is repeated when unheeded", async () => {
    slurm.jobs.push(job("4", { held: false, reason: "Resources" }));
    expect(await cancelStep(attempt, REF)).toMatchObject({ kind: "running" });
    expect(files.text("started")).toBe("never cancelled\n");
    await lookStep(attempt, REF);
    expect(slurm.cancelled).toEqual(["4"]);
    now += 10_000;
    await lookStep(attempt, REF);
    expect(slurm.cancelled).toEqual(["4", "4"]);
  });

  test("stops a wrapper by a word in its folder, though Slurm doesn't answer", async () => {
    await files.create("started", BEGUN);
    slurm.isDown = true;
    await expect(cancelStep(attempt, REF)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    expect(files.text("ended")).toBe("cancelled\n");
  });

  test("of an attempt without an id ends it, and every copy", async () => {
    slurm.jobs.push(job("4"), job("5"));
    const answer = await cancelStep(attempt, undefined);
    expect(answer).toMatchObject({
      outcome: { state: "CANCELLED", error: { code: "SOLVE_CANCELLED" } },
    });
    expect(slurm.cancelled).toEqual(["4", "5"]);
  });
});

/** An attempt's folder in memory. */
class MemoryFiles implements AttemptFiles {
  readonly folder = "/attempt";
  alive: boolean | undefined;
  readonly #texts = new Map<AttemptFile, string>();

  text(name: AttemptFile): string | undefined {
    return this.#texts.get(name);
  }

  put(name: AttemptFile, text: string): void {
    this.#texts.set(name, text);
  }

  isThere = async () => true;
  read = async (name: AttemptFile) => this.#texts.get(name);
  progress = async () => undefined;
  solverError = async () => undefined;
  isWrapperAlive = () => this.alive;

  async create(name: AttemptFile, text: string): Promise<string> {
    if (!this.#texts.has(name)) this.#texts.set(name, text);
    return this.#texts.get(name) ?? "";
  }
}

type Answer = "accepted, unknown" | "unknown" | "accepted, refused" | "refused";

class MemorySlurm implements Slurm {
  readonly clusterName = "c";
  readonly launcher = "srun-pmix";
  readonly countsMemory = false;
  readonly jobs: SlurmJob[] = [];
  readonly cancelled: string[] = [];
  readonly released: string[] = [];
  /** Of the next submissions; without one they are answered well. */
  readonly answers: Answer[] = [];
  submitted = 0;
  /** Searches that don't see a job yet. */
  blindFinds = 0;
  losesReleases = 0;
  isDown = false;

  async submitHeld({ name, comment }: { name: string; comment: string }): Promise<SubmitOutcome> {
    this.submitted += 1;
    const answer = this.answers.shift();
    const id = String(this.submitted);
    if (answer?.startsWith("accepted") !== false) this.jobs.push(job(id, { comment }));
    if (answer?.endsWith("unknown")) return { kind: "unknown", why: "because" };
    if (answer?.endsWith("refused")) return { kind: "refused", why: "because" };
    return { kind: "submitted", job: { clusterName: "c", id, name } };
  }

  async find(name: string): Promise<readonly SlurmJob[]> {
    this.#speak();
    this.blindFinds -= 1;
    return this.blindFinds >= 0 ? [] : this.jobs.filter((known) => known.name === name);
  }

  async poll({ id }: { id: string }): Promise<SlurmJob | undefined> {
    this.#speak();
    return this.jobs.find((known) => known.id === id);
  }

  async release({ id }: { id: string }): Promise<void> {
    this.released.push(id);
    this.losesReleases -= 1;
    if (this.losesReleases < 0) this.#change(id, { held: false, reason: "Priority" });
  }

  async cancel({ id }: { id: string }): Promise<void> {
    this.cancelled.push(id);
  }

  #change(id: string, changes: Partial<SlurmJob>): void {
    const index = this.jobs.findIndex((known) => known.id === id);
    const known = this.jobs[index];
    if (known !== undefined) this.jobs[index] = { ...known, ...changes };
  }

  #speak(): void {
    if (this.isDown) throw new SystemError("SLURM_FAILED", "no controller");
  }
}

function job(id: string, changes: Partial<SlurmJob> = {}): SlurmJob {
  const base = { clusterName: "c", id, name: NAME, state: "PENDING", held: true } as const;
  const more = { exitCode: 0, signal: 0, reason: "JobHeldUser", restarts: 0, comment: COMMENT };
  return { ...base, ...more, ...changes };
}
