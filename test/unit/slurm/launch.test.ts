/** At most one released slurm job per attempt, whatever sbatch answers. */
import { describe, expect, test } from "vitest";
import { releaseOnce, submitOnce } from "../../../head/slurm/launch.ts";
import type { Slurm, SlurmJob, SubmitOutcome } from "../../../head/slurm/slurm.ts";
import { request } from "./fakes.ts";

const NAME = request().name;
const NO_WAIT = { searchMs: 0 };

describe("a submission", () => {
  test("that Slurm already holds is adopted, not repeated", async () => {
    const slurm = memorySlurm({ jobs: [job("4")] });
    expect(await submitOnce(slurm, request())).toEqual({ clusterName: "c", id: "4", name: NAME });
    expect(slurm.submitted).toBe(0);
  });

  test("without a clear answer is searched by name, and sbatch runs once", async () => {
    const slurm = memorySlurm({ jobs: [], answer: "unknown", accepts: true, blindFinds: 2 });
    expect(await submitOnce(slurm, request())).toMatchObject({ id: "1" });
    expect(slurm.submitted).toBe(1);
  });

  test("without a clear answer and without a job fails, and sbatch ran once", async () => {
    const slurm = memorySlurm({ jobs: [], answer: "unknown" });
    const failed = submitOnce(slurm, request(), NO_WAIT);
    await expect(failed).rejects.toMatchObject({ code: "SLURM_FAILED" });
    expect(slurm.submitted).toBe(1);
  });

  test("goes on searching while the controller can't be asked", async () => {
    const slurm = memorySlurm({ jobs: [], answer: "unknown", accepts: true, deafFinds: 2 });
    expect(await submitOnce(slurm, request())).toMatchObject({ id: "1" });
  });

  test("that is refused fails at once", async () => {
    const slurm = memorySlurm({ jobs: [], answer: "refused" });
    const failed = submitOnce(slurm, request());
    await expect(failed).rejects.toMatchObject({ code: "SLURM_FAILED", what: "because" });
  });

  test("prefers the job that ran and cancels other held ones of the name", async () => {
    const jobs = [job("4"), job("5", { held: false, state: "RUNNING" }), job("6")];
    const slurm = memorySlurm({ jobs });
    expect(await submitOnce(slurm, request())).toMatchObject({ id: "5" });
    expect(slurm.cancelled).toEqual(["4", "6"]);
  });

  test("never cancels a second job that was released", async () => {
    const running = { held: false, state: "RUNNING" } as const;
    const slurm = memorySlurm({ jobs: [job("5", running), job("6", running)] });
    expect(await submitOnce(slurm, request())).toMatchObject({ id: "5" });
    expect(slurm.cancelled).toEqual([]);
  });
});

describe("a release", () => {
  const ref = { clusterName: "c", id: "4", name: NAME };

  test("happens once: a running job is left alone", async () => {
    const held = memorySlurm({ jobs: [job("4")] });
    await releaseOnce(held, ref);
    expect(held.released).toEqual(["4"]);
    const running = memorySlurm({ jobs: [job("4", { held: false, state: "RUNNING" })] });
    await releaseOnce(running, ref);
    expect(running.released).toEqual([]);
  });

  test("of a job that is gone is an error", async () => {
    const slurm = memorySlurm({ jobs: [] });
    await expect(releaseOnce(slurm, ref)).rejects.toMatchObject({ code: "SLURM_FAILED" });
  });
});

interface MemorySlurm extends Slurm {
  submitted: number;
  readonly cancelled: string[];
  readonly released: string[];
}

interface Behaviour {
  readonly jobs: SlurmJob[];
  readonly answer?: "unknown" | "refused";
  /** Whether a submission makes a job in spite of its answer. */
  readonly accepts?: boolean;
  /** Searches after the submission that don't see the job yet. */
  readonly blindFinds?: number;
  /** Searches after the submission that fail. */
  readonly deafFinds?: number;
}

function memorySlurm({ jobs, answer, accepts, blindFinds = 0, deafFinds = 0 }: Behaviour) {
  let blind = blindFinds;
  let deaf = deafFinds;
  const slurm: MemorySlurm = {
    clusterName: "c",
    launcher: "srun-pmix",
    countsMemory: false,
    submitted: 0,
    cancelled: [],
    released: [],
    async submitHeld({ name }): Promise<SubmitOutcome> {
      slurm.submitted += 1;
      if (accepts === true) jobs.push(job("1"));
      if (answer !== undefined) return { kind: answer, why: "because" };
      return { kind: "submitted", job: { clusterName: "c", id: "1", name } };
    },
    async find(name) {
      if (slurm.submitted > 0 && deaf-- > 0) throw new Error("no controller");
      if (slurm.submitted > 0 && blind-- > 0) return [];
      return jobs.filter((known) => known.name === name);
    },
    async poll({ id }) {
      return jobs.find((known) => known.id === id);
    },
    async release({ id }) {
      slurm.released.push(id);
    },
    async cancel({ id }) {
      slurm.cancelled.push(id);
    },
  };
  return slurm;
}

function job(id: string, changes: Partial<SlurmJob> = {}): SlurmJob {
  const base = { clusterName: "c", id, name: NAME, state: "PENDING", held: true } as const;
  return { ...base, exitCode: 0, signal: 0, reason: "None", ...changes };
}
