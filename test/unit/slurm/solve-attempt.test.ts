/** The attempt's slurm job and the verdict on how it ended. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SlurmJob } from "../../../head/slurm/slurm.ts";
import { attemptOutcome as outcomeOf } from "../../../head/slurm/attempt/ends.ts";
import { filesIn } from "../../../head/slurm/attempt/files.ts";
import { readSolverError } from "../../../head/slurm/attempt/left.ts";
import {
  attemptName,
  scratchPath,
  type SolveAttempt,
  submitRequest,
} from "../../../head/slurm/solve-attempt.ts";

const ATTEMPT: SolveAttempt = {
  solveId: "0123456789abcdef".repeat(4),
  attempt: 2,
  ranks: 3,
  timeLimitMinutes: 60,
  folder: "/state/solves/a 2",
  output: "/out/$(id) x_sim.nc",
  mark: "00112233445566ff",
  solver: "/opt/mpi_dna_seq",
  solverArguments: ["--embeddings", "/out/embeddings"],
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lga-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the request", () => {
  test("carries names in options and everything else as arguments", () => {
    expect(submitRequest(ATTEMPT, "0011")).toEqual({
      name: "ligase-0123456789ab-2",
      comment: "solve=0123456789ab.attempt=2.token=0011",
      ranks: 3,
      timeLimitMinutes: 60,
      options: [],
      script: expect.stringMatching(/^\/.*\/head\/slurm\/attempt\.sh$/) as string,
      scriptArguments: [
        "/state/solves/a 2",
        "00112233445566ff",
        "3",
        "/out/.$(id) x_sim.nc.ligase-0123456789ab-2",
        "/out/$(id) x_sim.nc",
        "",
        "15000,2000,10000,45000",
        "/opt/mpi_dna_seq",
        "--embeddings",
        "/out/embeddings",
      ],
    });
  });

  test("gives two attempts different names and scratch files", () => {
    const next = { ...ATTEMPT, attempt: 3 };
    expect(attemptName(next.solveId, next.attempt)).not.toBe(attemptName(ATTEMPT.solveId, 2));
    expect(scratchPath(next)).not.toBe(scratchPath(ATTEMPT));
  });

  test.each([{ folder: "a" }, { output: "-x" }, { solver: "mpi" }, { mark: "a b" }])(
    "with %j is refused",
    (changes) => {
      expect(() => submitRequest({ ...ATTEMPT, ...changes }, "0011")).toThrow(/USAGE/);
    },
  );
});

const attemptOutcome = (of: SlurmJob | undefined, at: string) => outcomeOf(of, filesIn(at));

describe("the outcome", () => {
  test("is success when the wrapper says so, whatever became of its slurm job", async () => {
    leave("exit.json", '{"exitCode":0,"signal":null}\n');
    const done = { state: "COMPLETED", exitCode: 0, error: null };
    expect(await attemptOutcome(job("COMPLETED"), folder)).toMatchObject(done);
    // Slurm forgot the job, or lost its node while that cleaned up: the result stands.
    expect(await attemptOutcome(undefined, folder)).toMatchObject(done);
    expect(await attemptOutcome(job("NODE_FAIL"), folder)).toMatchObject(done);
  });

  test("isn't success by Slurm's word alone: another's job may have had the name", async () => {
    const outcome = await attemptOutcome(job("COMPLETED"), folder);
    expect(outcome).toMatchObject({ state: "CUT_OFF", error: { code: "SOLVE_LOST" } });
    leave("exit.json", '{"exitCode":65,"signal":null}\n');
    const failed = { exitCode: 65, error: { code: "SOLVE_FAILED" } };
    expect(await attemptOutcome(job("COMPLETED"), folder)).toMatchObject(failed);
  });

  test.each([
    ["CANCELLED", "SOLVE_CANCELLED"],
    ["TIMEOUT", "SOLVE_TIMEOUT"],
    ["DEADLINE", "SOLVE_TIMEOUT"],
    ["FAILED", "SOLVE_FAILED"],
    ["NODE_FAIL", "SOLVE_LOST"],
    ["BOOT_FAIL", "SOLVE_LOST"],
    ["PREEMPTED", "SOLVE_LOST"],
    ["OUT_OF_MEMORY", "SOLVE_OUT_OF_MEMORY"],
  ] as const)("of a job that ended as %s is %s", async (state, code) => {
    const outcome = await attemptOutcome(job(state, { signal: 15 }), folder);
    expect(outcome).toMatchObject({ state, exitCode: null, error: { code } });
  });

  test("of states differ in their words", async () => {
    const states = [
      "CANCELLED",
      "TIMEOUT",
      "DEADLINE",
      "NODE_FAIL",
      "BOOT_FAIL",
      "PREEMPTED",
    ] as const;
    const words = states.map(
      async (state) => (await attemptOutcome(job(state), folder)).error?.what,
    );
    expect(new Set(await Promise.all(words)).size).toBe(states.length);
  });

  test.each([
    [95, "FAILED", "STALLED"],
    [96, "FAILED", "CUT_OFF"],
    [93, "FAILED", "CUT_OFF"],
    [94, "FAILED", "CUT_OFF"],
    [94, "NODE_FAIL", "NODE_FAIL"],
    [90, "FAILED", "REQUEUED"],
  ] as const)(
    "of the wrapper's code %d and %s is %s, and no fault of the solve",
    async (code, of, is) => {
      const outcome = await attemptOutcome(job(of, { exitCode: code }), folder);
      expect(outcome).toMatchObject({ state: is, error: { code: "SOLVE_LOST" } });
    },
  );

  test.each([
    ["cancelled", "CANCELLED", "SOLVE_CANCELLED", "the solve was cancelled"],
    ["cluster ended", "RECALLED", "SOLVE_LOST", "its cluster was ended"],
    ["InvalidQOS", "REFUSED", "SLURM_REFUSED", "its quality of service isn't valid"],
  ])("of what was given up as %s is %s", async (why, state, code, what) => {
    leave("started", `never ${why}\n`);
    const outcome = await attemptOutcome(job("CANCELLED"), folder);
    expect(outcome).toMatchObject({ state, error: { code } });
    expect(outcome.error?.what).toContain(what);
    rmSync(join(folder, "started"));
    leave("ended", `${why}\n`);
    expect(await attemptOutcome(job("FAILED", { exitCode: 94 }), folder)).toMatchObject({ state });
  });

  test("of a cancelled job is SOLVE_CANCELLED though its wrapper wrote its end", async () => {
    leave("exit.json", '{"exitCode":143,"signal":15}\n');
    const outcome = await attemptOutcome(job("CANCELLED"), folder);
    expect(outcome).toMatchObject({ exitCode: 143, error: { code: "SOLVE_CANCELLED" } });
  });

  test("quotes the solver's own error line, its place included", async () => {
    leave("exit.json", '{"exitCode":65,"signal":null}\n');
    const line = '{"error":{"code":"BAD_DATA","what":"a NaN","where":{"row":7}}}';
    leave("stderr.log", `{"error":1}\nnoise\n${line}\nsrun: error: n1: task 0: Exited\n`);
    const outcome = await attemptOutcome(job("FAILED", { exitCode: 65 }), folder);
    expect(outcome).toMatchObject({
      exitCode: 65,
      error: { code: "SOLVE_FAILED", what: "BAD_DATA: a NaN", where: { row: 7 } },
    });
  });

  test.each([
    [65, "the solver ended with exit code 65: The set is damaged or not what it claims."],
    [74, "the solver ended with exit code 74: A file couldn't be read or written."],
    [99, "the solver ended with exit code 99"],
    [90, "Slurm started the attempt a second time"],
    [95, "a rank stood still: the solver made no step, and its ranks were ended"],
    [92, "a module can't be loaded: stderr.log has its words"],
    [91, "the result can't be put under its final name; where another one stands, take --fresh"],
    [137, "the solver ended with exit code 137, signal 9"],
  ])("of exit code %d without an error line says what is known", async (exitCode, what) => {
    const outcome = await attemptOutcome(job("FAILED", { exitCode }), folder);
    expect(outcome.error?.what).toBe(what);
  });

  test.each([
    ["no record", undefined],
    ["a record of a signal", '{"exitCode":143,"signal":15}'],
    ["half a record", '{"exitCode":'],
  ])("of a forgotten job with %s is LOST", async (_what, text) => {
    if (text !== undefined) leave("exit.json", text);
    expect(await attemptOutcome(undefined, folder)).toMatchObject({
      state: "LOST",
      error: { code: "SOLVE_LOST" },
    });
  });

  test("of a forgotten job whose solver failed is that failure", async () => {
    leave("exit.json", '{"exitCode":65,"signal":null}');
    const outcome = await attemptOutcome(undefined, folder);
    expect(outcome).toMatchObject({ state: "FAILED", exitCode: 65 });
  });
});

test("an attempt without logs has no error line", async () => {
  expect(await readSolverError(folder)).toBeUndefined();
});

function leave(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function job(state: SlurmJob["state"], changes: Partial<SlurmJob> = {}): SlurmJob {
  const ref = { clusterName: "c", id: "1", name: attemptName(ATTEMPT.solveId, 2) };
  return {
    ...ref,
    state,
    held: false,
    exitCode: 0,
    signal: 0,
    reason: "None",
    restarts: 0,
    comment: "",
    ...changes,
  };
}
