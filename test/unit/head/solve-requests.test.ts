/** Solves that are asked for by themselves: one for each identity, other resources, an end. */
import { beforeEach, describe, expect, test } from "vitest";
import type { SlurmResult } from "../../../head/core/events.ts";
import { statusOf } from "../../../head/core/status.ts";
import { clusterStatus, type SolveStatus } from "../../../runtime/client/cluster.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { parseMessage } from "../../../runtime/messages.ts";
import { BAD_CHECKPOINT, solve } from "../../../solver/solve.ts";
import { CALLER, type Decision, TestHead } from "./support.ts";

const SET = { manifest: "/set/embeddings/manifest.json", manifestSha256: "c".repeat(64) };
const FAILED = new SystemError("SOLVE_FAILED", "said so").toData();

let head: TestHead;
beforeEach(() => {
  head = new TestHead();
});

const ask = (options = {}, set = SET): Decision =>
  head.feed({
    type: "api",
    caller: CALLER,
    request: { op: "solve", ...set, spec: solve({ ranks: 2, ...options }).spec },
  });
const cancel = (solveId: string): Decision =>
  head.feed({ type: "api", caller: CALLER, request: { op: "solve-cancel", solveId } });
/** A step's answer, later than any wait between two steps. */
const told = (result: SlurmResult): Decision => {
  head.nowMs += 1_000;
  return head.feed({ type: "slurm", solveId: idOf(), result });
};
const idOf = (): string => [...head.state.durable.solves.keys()][0] ?? "";
const facts = ({ facts: made }: Decision) => made.map(({ type }) => type);
const steps = ({ effects }: Decision) =>
  effects.flatMap((effect) => (effect.type === "slurm" ? [effect.step.op] : []));
const refusal = ({ effects }: Decision) =>
  effects.flatMap((effect) => (effect.type === "refuse" ? [effect.error.code] : []));
const shown = (): SolveStatus | undefined =>
  parseMessage(clusterStatus, statusOf(head.state)).solves[0];

/** Up to a slurm job that runs. */
function toRunning(): void {
  ask();
  told({ kind: "ready", clusterName: "c1", launcher: "srun-pmix" });
  told({ kind: "submitted", slurmJobId: "7", resources: "2 ranks" });
  told({ kind: "running" });
}

describe("a solve that is asked for by itself", () => {
  test("is a fact, and goes to Slurm with its manifest and what that was", () => {
    const decision = ask();
    expect(facts(decision)).toEqual(["solve.asked"]);
    expect(decision.effects).toContainEqual(
      expect.objectContaining({ type: "slurm", ...SET, step: { op: "ready" } }),
    );
    expect(decision.effects).toContainEqual(
      expect.objectContaining({ type: "reply", value: { solveId: idOf() } }),
    );
  });

  test("is one however often it is asked for, over heads too", () => {
    ask();
    expect(facts(ask())).toEqual([]);
    expect(facts(ask({ cpusPerTask: 4 }))).toEqual([]);
    head = head.successor();
    expect(facts(ask())).toEqual([]);
    expect(steps(head.tick())).toEqual([]);
    expect(head.state.durable.solves.size).toBe(1);
  });

  test("is refused under another output, and where it can't be made", () => {
    ask();
    expect(refusal(ask({ output: "/elsewhere.nc" }))).toEqual(["USAGE"]);
    expect(refusal(ask({}, { ...SET, manifest: "relative" }))).toEqual(["USAGE"]);
    const request = { op: "solve", ...SET, spec: { k: 0 } } as const;
    expect(refusal(head.feed({ type: "api", caller: CALLER, request }))).toEqual(["USAGE"]);
    head = new TestHead({ config: { slurm: "none" } });
    expect(refusal(ask())).toEqual(["USAGE"]);
    head = new TestHead({ config: { solverSha256: null } });
    expect(refusal(ask())).toEqual(["SETUP_MISSING"]);
  });

  test("that failed goes on with what is asked for now", () => {
    toRunning();
    const end = { state: "TIMEOUT", exitCode: null, reason: "TimeLimit" };
    expect(facts(told({ kind: "ended", end, error: FAILED }))).toContain("solve.failed");
    const again = ask({ timeLimitMinutes: 600 });
    expect(facts(again)).toEqual(["solve.respecified", "solve.reopened"]);
    expect(shown()?.spec).toMatchObject({ timeLimitMinutes: 600 });
    told({ kind: "ended", end, error: FAILED });
  });

  test("that failed and is asked for alike is opened without another spec", () => {
    toRunning();
    told({ kind: "failed", error: FAILED });
    expect(facts(ask())).toEqual(["solve.reopened"]);
  });
});

describe("a checkpoint that is of no use", () => {
  test("costs one retry; any other of the solver's own ends is final", () => {
    toRunning();
    const end = { state: "FAILED", exitCode: BAD_CHECKPOINT, reason: "NonZeroExitCode" };
    const again = told({ kind: "ended", end, error: FAILED });
    expect(facts(again)).toEqual(["solve.ended", "solve.attempted"]);
    expect(head.state.durable.solves.get(idOf())).toMatchObject({ retries: 1 });
    told({ kind: "submitted", slurmJobId: "8" });
    const over = { ...end, exitCode: 77 };
    expect(facts(told({ kind: "ended", end: over, error: FAILED }))).toEqual([
      "solve.ended",
      "solve.failed",
    ]);
  });
});

describe("what a solve is at", () => {
  test("is shown while its job runs, and is forgotten with it", () => {
    toRunning();
    expect(shown()).toMatchObject({ at: null, resources: "2 ranks", manifest: SET.manifest });
    const progress = { phase: "knn", fraction: 0.5, seconds: 3 };
    const at = { slurmState: "RUNNING", reason: "None", progress };
    told({ kind: "running", at });
    expect(shown()?.at).toEqual(at);
    told({
      kind: "ended",
      end: { state: "NODE_FAIL", exitCode: null, reason: "x" },
      error: FAILED,
    });
    expect(shown()).toMatchObject({ at: null, state: { kind: "attempted" } });
    told({ kind: "submitted", slurmJobId: "8" });
    expect(shown()).toMatchObject({ at: null, resources: null });
  });
});

test("a Slurm that is silent for long fails a solve of which nothing is out there", () => {
  ask();
  expect(facts(told({ kind: "unreachable", why: "no answer" }))).toEqual([]);
  head.nowMs += 600_000;
  expect(facts(told({ kind: "unreachable", why: "no answer" }))).toEqual(["solve.failed"]);
  expect(shown()?.state).toMatchObject({ error: { code: "SLURM_FAILED" } });
});

describe("a cancelled solve", () => {
  test("without a slurm job ends at once", () => {
    ask();
    expect(facts(cancel(idOf()))).toEqual(["solve.failed"]);
    expect(shown()?.state).toMatchObject({ error: { code: "SOLVE_CANCELLED" } });
  });

  test("whose job is being submitted is cancelled, never released", () => {
    ask();
    told({ kind: "ready", clusterName: "c1", launcher: "srun-pmix" });
    expect(facts(cancel(idOf()))).toEqual(["solve.cancel-asked"]);
    expect(steps(told({ kind: "submitted", slurmJobId: "7" }))).toEqual(["cancel"]);
    told({ kind: "running" });
    // A job that doesn't end is cancelled again.
    told({ kind: "running" });
    expect(steps(head.tick(10_000))).toEqual(["cancel"]);
  });

  test("stays one for the next leader, whether its job has an id or not", () => {
    ask();
    told({ kind: "ready", clusterName: "c1", launcher: "srun-pmix" });
    cancel(idOf());
    head = head.successor();
    head.tick();
    const ready = { kind: "ready", clusterName: "c1", launcher: "srun-pmix" } as const;
    expect(steps(told(ready))).toEqual(["cancel"]);
    const end = { state: "CANCELLED", exitCode: null, reason: "None" };
    expect(facts(told({ kind: "ended", end, error: FAILED }))).toEqual([
      "solve.ended",
      "solve.failed",
    ]);
    expect(shown()?.state).toMatchObject({ error: { code: "SOLVE_CANCELLED" } });
    expect(facts(ask())).toEqual(["solve.reopened"]);
    expect(head.state.durable.solves.get(idOf())?.cancelAsked).toBeUndefined();
  });

  test("whose wrapper isn't silent yet waits, and says for what", () => {
    toRunning();
    told({ kind: "waiting", why: "NODE_FAIL: its wrapper may still run" });
    expect(shown()?.waits).toEqual({
      why: "NODE_FAIL: its wrapper may still run",
      sinceMs: head.nowMs,
    });
    told({ kind: "unreachable", why: "no answer" });
    const sinceMs = head.nowMs;
    told({ kind: "unreachable", why: "no answer" });
    expect(shown()?.waits).toEqual({ why: "no answer", sinceMs });
    told({ kind: "ready", clusterName: "c1", launcher: "srun-pmix" });
    told({ kind: "running" });
    expect(shown()?.waits).toBeNull();
  });

  test("ends when Slurm has ended its job, and makes no other attempt of it", () => {
    toRunning();
    head.nowMs += 10_000;
    expect(steps(cancel(idOf()))).toEqual(["cancel"]);
    expect(steps(cancel(idOf()))).toEqual([]);
    told({ kind: "running" });
    const end = { state: "NODE_FAIL", exitCode: null, reason: "x" };
    const last = told({ kind: "ended", end, error: FAILED });
    expect(facts(last)).toEqual(["solve.ended", "solve.failed"]);
    expect(shown()?.state).toMatchObject({ error: { code: "SOLVE_CANCELLED" } });
    expect(facts(cancel(idOf()))).toEqual([]);
    expect(facts(ask())).toEqual(["solve.reopened"]);
  });

  test("is asked for again when Slurm didn't answer", () => {
    toRunning();
    head.nowMs += 10_000;
    cancel(idOf());
    told({ kind: "unreachable", why: "no answer" });
    expect(steps(head.tick(60_000))).toEqual(["ready"]);
    const ready = { kind: "ready", clusterName: "c1", launcher: "srun-pmix" } as const;
    expect(steps(told(ready))).toEqual(["cancel"]);
  });

  test("that nobody knows is refused", () => {
    expect(refusal(cancel("f".repeat(64)))).toEqual(["JOB_NOT_FOUND"]);
  });
});
