/** What the tests on a real private Slurm share: an instance, attempts, a small MPI program. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { vi } from "vitest";
import { connectSlurm } from "../../../head/slurm/commands.ts";
import { processClock } from "../../../runtime/clock.ts";
import { type AttemptOutcome } from "../../../head/slurm/attempt/ends.ts";
import { filesIn } from "../../../head/slurm/attempt/files.ts";
import {
  type HeldAttempt,
  lookStep,
  releaseStep,
  type StepAnswer,
  submitStep,
} from "../../../head/slurm/launch.ts";
import { type PrivateSlurm, startPrivateSlurm } from "../../../head/slurm/private.ts";
import type { Slurm, SlurmJobRef } from "../../../head/slurm/slurm.ts";
import {
  attemptName,
  commentOf,
  prepareAttempt,
  type SolveAttempt,
  submitRequest,
} from "../../../head/slurm/solve-attempt.ts";
import { findByMark, findByOpenFiles, sweep } from "../../../runtime/processes.ts";

/** Bound of every wait for a job: it starts within ~1 s, and the machine may be busy. */
export const JOB_WAIT = { timeout: 40_000, interval: 20 };

export interface TestSlurm {
  /** Holds everything; mode 0700. */
  readonly root: string;
  readonly mark: string;
  readonly started: PrivateSlurm;
  readonly slurm: Slurm;
  /** Environment for calling Slurm's commands as a stranger would. */
  readonly env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

export async function temporaryRoot(): Promise<string> {
  return await mkdtemp(join(tmpdir(), "lgi-"));
}

export function newMark(): string {
  return randomBytes(8).toString("hex");
}

/** A private Slurm of its own; `close` ends it and, whatever happened, all that it left. */
export async function startTestSlurm(): Promise<TestSlurm> {
  const root = await temporaryRoot();
  const mark = newMark();
  const started = await startPrivateSlurm({ folder: join(root, "slurm"), cpus: 3, mark });
  const slurm = await connectSlurm(started.connection);
  const close = async () => {
    await started.stop();
    await sweep({ mark, folder: root }, { graceMs: 0 });
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    root,
    mark,
    started,
    slurm,
    env: { ...process.env, SLURM_CONF: started.confPath },
    close,
  };
}

let solves = 0;

/** An attempt of a solve that nobody else has, running `sh -c script` or the given solver. */
export async function newAttempt(
  { root, mark }: { readonly root: string; readonly mark: string },
  work: { readonly script?: string; readonly solver?: string; readonly args?: readonly string[] },
): Promise<SolveAttempt> {
  solves += 1;
  const attempt: SolveAttempt = {
    solveId: `${solves.toString(16).padStart(12, "0")}${"0".repeat(52)}`,
    attempt: 1,
    ranks: 2,
    timeLimitMinutes: 5,
    folder: join(root, `attempt ${solves}`),
    output: join(root, "out", `${solves}_sim.nc`),
    mark,
    solver: work.solver ?? "/bin/sh",
    // $0 is the script's name; with --output, the last argument is the scratch file.
    solverArguments: work.args ?? [
      "-c",
      `for out; do :; done\n${work.script ?? "exit 0"}`,
      "solver",
    ],
  };
  await prepareAttempt(attempt);
  return attempt;
}

/** What the tests' attempts call themselves. */
export const TOKEN = "0011223344556677";
/** The wrapper's times, short. */
const TIMES = { fenceMs: 5_000, beatMs: 200, leaseMs: 5_000, stallMs: 60_000 };

export function requestOf(attempt: SolveAttempt): ReturnType<typeof submitRequest> {
  return submitRequest({ times: TIMES, ...attempt }, TOKEN);
}

/** An attempt as a leader holds it that knows nothing of earlier ones. */
export function held(slurm: Slurm, attempt: SolveAttempt): HeldAttempt {
  return {
    ...{ slurm, files: filesIn(attempt.folder), memory: {}, clock: processClock },
    name: attemptName(attempt.solveId, attempt.attempt),
    comment: commentOf(attempt, TOKEN),
  };
}

export async function submit(slurm: Slurm, attempt: SolveAttempt): Promise<SlurmJobRef> {
  const answer = await submitStep(held(slurm, attempt), requestOf(attempt), true);
  if (answer.kind === "refused") throw answer.error;
  if (answer.kind !== "submitted") throw new Error(JSON.stringify(answer));
  return answer.job;
}

export async function release(
  slurm: Slurm,
  ref: SlurmJobRef,
  attempt: SolveAttempt,
): Promise<StepAnswer> {
  return await releaseStep(held(slurm, attempt), ref);
}

export async function look(
  slurm: Slurm,
  ref: SlurmJobRef,
  attempt: SolveAttempt,
): Promise<StepAnswer> {
  return await lookStep(held(slurm, attempt), ref);
}

/** Releases the job and waits for its end. */
export async function toEnd(
  slurm: Slurm,
  ref: SlurmJobRef,
  attempt: SolveAttempt,
): Promise<AttemptOutcome> {
  await release(slurm, ref, attempt);
  return await untilEnd(slurm, ref, attempt);
}

export async function untilEnd(
  slurm: Slurm,
  ref: SlurmJobRef,
  attempt: SolveAttempt,
): Promise<AttemptOutcome> {
  const it = held(slurm, attempt);
  return await vi.waitUntil(async () => {
    const answer = await lookStep(it, ref);
    return answer.kind === "ended" ? answer.outcome : undefined;
  }, JOB_WAIT);
}

/** The pids that carry the mark or hold files under the folder, this process apart. */
export function ourProcesses(place: { readonly root: string; readonly mark: string }): number[] {
  const found = [...findByMark(place.mark), ...findByOpenFiles(place.root)];
  return [...new Set(found.map(({ pid }) => pid))].filter((pid) => pid !== process.pid);
}

/** Path of a compiled program: rank 0 writes "<ranks> <sum of ranks>" to its last argument. */
export async function compileMpiProgram(folder: string): Promise<string> {
  const source = join(folder, "sum.c");
  const program = join(folder, "sum");
  await writeFile(source, MPI_SUM);
  await promisify(execFile)("mpicc", ["-O1", "-o", program, source], { timeout: 60_000 });
  await chmod(program, 0o755);
  return program;
}

const MPI_SUM = `
#include <mpi.h>
#include <stdio.h>
int main(int count, char **arguments) {
  int rank, ranks, sum = 0;
  MPI_Init(&count, &arguments);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) {
    FILE *file = fopen(arguments[count - 1], "w");
    fprintf(file, "%d %d\\n", ranks, sum);
    fclose(file);
  }
  MPI_Finalize();
  return 0;
}
`;
