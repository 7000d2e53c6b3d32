/** The flags of a solve's slurm job, and how its progress reads. */
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { addLaunchFlags, minutesOf, solveOptionsOf } from "../../../head/cli/solve/flags.ts";
import { describeSolve } from "../../../head/cli/watch.ts";
import type { SolveStatus } from "../../../runtime/client/cluster.ts";
import { parseSolveSpec } from "../../../solver/solve.ts";

/** The options of a solve that a command line says. */
function optionsOf(...argv: readonly string[]) {
  const command = addLaunchFlags(new Command().exitOverride(), () => Number);
  command.configureOutput({ writeErr: () => undefined });
  return solveOptionsOf(command.parse(argv, { from: "user" }).opts());
}

describe("flags", () => {
  test("say what sbatch's own of these names would", () => {
    const options = optionsOf(
      ...["--ntasks", "8", "--time", "1-12", "--cpus-per-task", "4", "--mem", "16G"],
      ...["--partition", "a", "--account", "b", "--qos", "c", "--constraint", "d&e"],
      ...["--gpus", "2", "--gres", "gpu:2", "--module", "mpi", "--module", "gcc/12"],
      ...["--sbatch-arg=--exclusive", "--sbatch-arg", "--nodes=2"],
    );
    expect(options).toEqual({
      ...{ ranks: 8, timeLimitMinutes: 2160, cpusPerTask: 4, memory: "16G" },
      ...{ partition: "a", account: "b", qos: "c", constraint: "d&e", gpus: "2", gres: "gpu:2" },
      modules: ["mpi", "gcc/12"],
      sbatchArguments: ["--exclusive", "--nodes=2"],
    });
    expect(parseSolveSpec(options)).toMatchObject(options);
  });

  test("that aren't given say nothing", () => {
    expect(optionsOf()).toEqual({});
  });

  test("of two names for one thing must agree", () => {
    expect(optionsOf("--ranks", "2", "--ntasks", "2")).toEqual({ ranks: 2 });
    expect(() => optionsOf("--ranks", "2", "--ntasks", "3")).toThrow(/USAGE/);
    expect(() => optionsOf("--time", "2:00:00", "--time-limit", "60")).toThrow(/USAGE/);
  });

  test.each([
    ["90", 90],
    ["90:30", 91],
    ["1:30:00", 90],
    ["2-0", 2880],
    ["2-12", 3600],
    ["0-0:01", 1],
    ["1-1:1:1", 1502],
  ])("the time %s is %d minutes", (text, minutes) => expect(minutesOf(text)).toBe(minutes));

  test.each(["", "0", "x", "1:2:3:4", "-5", "1-", "29-0", "1.5", "0:00"])(
    "the time %j is none",
    (text) => expect(() => minutesOf(text)).toThrow(/a time as sbatch takes it/),
  );
});

describe("progress", () => {
  const solving = (at: SolveStatus["at"]): SolveStatus => ({
    ...{ id: "a", jobId: "b", spec: {}, atMs: 1, last: null, manifest: "/m", at },
    state: { kind: "submitted", slurmJobId: "7", attempt: 0 },
    resources: "2 ranks, 300 MiB each (estimated)",
    waits: null,
  });

  test("says phase and percentage, before that what was asked for and why it waits", () => {
    const progress = { phase: "knn", fraction: 0.429, seconds: 2 };
    expect(describeSolve(solving({ slurmState: "RUNNING", reason: "None", progress }))).toEqual({
      line: "solving: slurm job 7, attempt 1: knn  42 %",
      fraction: 0.429,
    });
    const begun = { slurmState: "RUNNING", reason: "None", progress: null };
    expect(describeSolve(solving(begun)).line).toBe(
      "solving: slurm job 7, attempt 1: begins (2 ranks, 300 MiB each (estimated))",
    );
    const pending = { slurmState: "PENDING", reason: "Resources", progress: null };
    expect(describeSolve(solving(pending)).line).toBe(
      "queued: slurm job 7, attempt 1, waits: for free nodes (Resources) " +
        "(2 ranks, 300 MiB each (estimated))",
    );
  });
});
