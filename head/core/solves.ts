/**
 * Pure core. Solves: intent durable before sbatch, id durable before the release, an answer that
 * didn't come is searched by name. A solve has one owner of retries, and it is here.
 */
import { type ErrorData, SystemError } from "../../runtime/errors.ts";
import { canonicalJson, short12 } from "../../runtime/ids.ts";
import {
  SLURM_CANCEL_MS,
  SLURM_POLL_MS,
  SLURM_RETRY_MS,
  SLURM_SILENCE_MS,
  SOLVE_ATTEMPTS_MAX,
} from "../../runtime/limits.ts";
import type { Continuation } from "../../runtime/messages.ts";
import { BAD_CHECKPOINT, solveId as idOfSolve } from "../../solver/solve.ts";
import type { HeadState, SlurmResult, SlurmStep, SlurmView, Step } from "./events.ts";
import type { AttemptEnd, SolveRecord } from "./facts.ts";
import { record } from "./step.ts";

/** Ends that say nothing of the solve itself: the machine or the scheduler took the job away. */
const WORTH_ANOTHER: ReadonlySet<string> = new Set([
  ...["NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LOST", "FORGOTTEN"],
  ...["REQUEUED", "STALLED", "CUT_OFF", "RECALLED"],
]);
/** Stands for the sha256 of a solver that isn't built. */
const NO_SOLVER = "0".repeat(64);

/** Where a solve's manifest stands. */
export function manifestOf(state: HeadState, { jobId, manifest }: SolveRecord): string {
  return (
    manifest?.path ?? `${state.durable.datasets.get(jobId)?.spec.sink.uri ?? ""}/manifest.json`
  );
}

/** One solve per continuation of a sealed dataset, unless it is known already. */
export function requestSolves(state: HeadState, step: Step, jobId: string, nowMs: number): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "sealed") return;
  for (const continuation of job.continuations) {
    const solveId = solveOf(state, jobId, continuation);
    if (solveId === null || state.durable.solves.has(solveId)) continue;
    const { spec } = continuation;
    record(state, step, { type: "solve.requested", solveId, jobId, spec, atMs: nowMs });
    if (state.config.solverSha256 !== null) continue;
    const error = new SystemError("SETUP_MISSING", "the solver isn't built: run npm start once");
    record(state, step, { type: "solve.failed", solveId, error: error.toData() });
  }
}

/** The solve that a continuation of a sealed dataset is; null before the seal. */
export function solveOf(
  state: HeadState,
  jobId: string,
  { kind, spec }: Continuation,
): string | null {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "sealed" || kind !== "solve") return null;
  return idOfSolve(job.state.manifestSha256, spec, state.config.solverSha256 ?? NO_SOLVER);
}

/** A failed solve that is asked for again gets new attempts. */
export function reopenSolve(
  state: HeadState,
  step: Step,
  jobId: string,
  continuation: Continuation,
  nowMs: number,
): void {
  const solveId = solveOf(state, jobId, continuation);
  if (solveId !== null) reopen(state, step, solveId, continuation.spec, nowMs);
}

/** A set that was opened again is sealed: solves of it that failed before are due again. */
export function reopenSolves(state: HeadState, step: Step, jobId: string, nowMs: number): void {
  const job = state.durable.datasets.get(jobId);
  for (const { kind, spec } of job?.continuations ?? []) {
    const solveId = solveOf(state, jobId, { kind, spec });
    const solve = state.durable.solves.get(solveId ?? "");
    if (solve !== undefined && solve.atMs < (job?.atMs ?? 0)) {
      reopen(state, step, solve.id, spec, nowMs);
    }
  }
}

/** A failed solve that is asked for again gets new attempts, with what is asked for now. */
export function reopen(
  state: HeadState,
  step: Step,
  solveId: string,
  spec: Continuation["spec"],
  nowMs: number,
): void {
  const solve = state.durable.solves.get(solveId);
  if (solve?.state.kind !== "failed" || state.config.solverSha256 === null) return;
  if (canonicalJson(solve.spec) !== canonicalJson(spec)) {
    record(state, step, { type: "solve.respecified", solveId, spec });
  }
  record(state, step, { type: "solve.reopened", solveId, atMs: nowMs });
  // A step that is still under way answers first: there is one at a time.
  const busy = state.slurm.get(solveId)?.busy ?? false;
  state.slurm.delete(solveId);
  viewOf(state, solveId).busy = busy;
}

/** The next step of every solve that is neither done nor busy. */
export function advanceSolves(state: HeadState, step: Step, nowMs: number): void {
  if (state.config.slurm === "none") return;
  for (const solveId of state.open.solves) {
    const solve = state.durable.solves.get(solveId);
    if (solve === undefined) continue;
    const view = viewOf(state, solveId);
    if (view.busy || nowMs < view.dueMs) continue;
    const next = nextStep(state, step, solve, view, nowMs);
    if (next === null) continue;
    view.busy = true;
    const { spec } = solve;
    const manifest = manifestOf(state, solve);
    const { sha256 } = solve.manifest ?? {};
    const known = sha256 === undefined ? {} : { manifestSha256: sha256 };
    step.effects.push({ type: "slurm", solveId, spec, manifest, ...known, step: next });
  }
}

/** What this leader knows of a solve's Slurm. */
export function viewOf(state: HeadState, solveId: string): SlurmView {
  const known = state.slurm.get(solveId);
  if (known !== undefined) return known;
  const view: SlurmView = {
    busy: false,
    dueMs: 0,
    silentSinceMs: null,
    clusterName: "",
    launcher: "",
    released: false,
    at: null,
    resources: null,
    waits: null,
    cancelledMs: null,
  };
  state.slurm.set(solveId, view);
  return view;
}

function nextStep(
  state: HeadState,
  step: Step,
  solve: SolveRecord,
  view: SlurmView,
  nowMs: number,
): SlurmStep | null {
  const now = solve.state;
  if (now.kind === "succeeded" || now.kind === "failed") return null;
  if (now.kind === "requested" && solve.cancelAsked === true) {
    failSolve(state, step, solve.id, cancelled().toData());
    return null;
  }
  if (view.clusterName === "") return { op: "ready" };
  switch (now.kind) {
    case "requested":
      return beginAttempt(state, step, solve, view);
    case "attempted": {
      const { attempt, name, clusterName } = now;
      if (solve.cancelAsked === true) return { op: "cancel", attempt, slurmJobId: "", clusterName };
      // Held under another Slurm: nobody released it, and the look sees to it that nobody will.
      if (clusterName !== view.clusterName) {
        return { op: "poll", attempt, name, slurmJobId: "", clusterName };
      }
      return { op: "submit", attempt, name };
    }
    case "submitted": {
      const { attempt, name, slurmJobId, clusterName } = now;
      const isTold = view.cancelledMs !== null && nowMs - view.cancelledMs < SLURM_CANCEL_MS;
      if (solve.cancelAsked === true && !isTold) {
        view.cancelledMs = nowMs;
        return { op: "cancel", attempt, slurmJobId, clusterName };
      }
      if (!view.released && clusterName === view.clusterName) {
        return { op: "release", attempt, slurmJobId };
      }
      return { op: "poll", attempt, name, slurmJobId, clusterName };
    }
    default:
      return now satisfies never;
  }
}

/** The intent as a fact; the submission leaves once it is durable. */
function beginAttempt(
  state: HeadState,
  step: Step,
  solve: SolveRecord,
  view: SlurmView,
): SlurmStep | null {
  if (solve.retries >= SOLVE_ATTEMPTS_MAX) {
    const last = solve.last?.end.state ?? "unknown";
    const what = `the solve ended ${solve.retries} times, the last time as ${last}`;
    const error = new SystemError("SOLVE_LOST", what, { slurmState: last });
    failSolve(state, step, solve.id, error.toData());
    return null;
  }
  const attempt = solve.attempts;
  const name = `ligase-${short12(solve.id)}-${attempt}`;
  const { clusterName } = view;
  const solveId = solve.id;
  view.released = false;
  view.at = null;
  view.resources = null;
  record(state, step, { type: "solve.attempted", solveId, attempt, name, clusterName });
  return { op: "submit", attempt, name };
}

/** A step's answer; facts first, and the next step comes with the next advance. */
export function slurmAnswered(
  state: HeadState,
  step: Step,
  solveId: string,
  result: SlurmResult,
  nowMs: number,
): void {
  const view = viewOf(state, solveId);
  const solve = state.durable.solves.get(solveId);
  view.busy = false;
  if (solve === undefined) return;
  if (solve.state.kind === "failed" || solve.state.kind === "succeeded") return;
  const isAnswer = result.kind !== "unreachable" && result.kind !== "ready";
  if (isAnswer) view.silentSinceMs = null;
  if (isAnswer && result.kind !== "waiting") view.waits = null;
  switch (result.kind) {
    case "ready":
      view.clusterName = result.clusterName;
      view.launcher = result.launcher;
      return;
    case "submitted":
      if (solve.state.kind !== "attempted") return;
      view.resources = result.resources ?? null;
      record(state, step, {
        type: "solve.submitted",
        solveId,
        attempt: solve.state.attempt,
        slurmJobId: result.slurmJobId,
      });
      return;
    case "running":
      view.released = true;
      view.at = result.at ?? view.at;
      view.dueMs = nowMs + SLURM_POLL_MS;
      return;
    case "waiting":
      view.waits = { why: result.why, sinceMs: view.waits?.sinceMs ?? nowMs };
      view.dueMs = nowMs + SLURM_RETRY_MS;
      return;
    case "unreachable":
      takeSilence(state, step, solveId, view, result.why, nowMs);
      return;
    case "ended":
      takeEnd(state, step, solve, view, result.end, result.error, nowMs);
      return;
    case "failed":
      // No Slurm to be found says nothing of an attempt that may be out there.
      if (solve.state.kind !== "requested" && view.clusterName === "") {
        takeSilence(state, step, solveId, view, result.error.what, nowMs);
      } else failSolve(state, step, solveId, result.error);
      return;
    default:
      result satisfies never;
  }
}

/**
 * A Slurm that doesn't answer is asked again. While an attempt may be out there, for ever: a solve
 * that failed could be opened again, and run twice. Without one, it fails after a long time.
 */
function takeSilence(
  state: HeadState,
  step: Step,
  solveId: string,
  view: SlurmView,
  why: string,
  nowMs: number,
): void {
  view.dueMs = nowMs + SLURM_RETRY_MS;
  view.silentSinceMs ??= nowMs;
  // A private Slurm that died is started anew when it is asked for; then the attempt is lost.
  view.clusterName = "";
  view.waits = { why, sinceMs: view.silentSinceMs };
  view.cancelledMs = null;
  const isOut = state.durable.solves.get(solveId)?.state.kind !== "requested";
  if (isOut || nowMs - view.silentSinceMs < SLURM_SILENCE_MS) return;
  const error = new SystemError("SLURM_FAILED", `Slurm doesn't answer any more: ${why}`);
  failSolve(state, step, solveId, error.toData());
}

function takeEnd(
  state: HeadState,
  step: Step,
  solve: SolveRecord,
  view: SlurmView,
  told: AttemptEnd,
  error: ErrorData | null,
  nowMs: number,
): void {
  if (solve.state.kind !== "submitted" && solve.state.kind !== "attempted") return;
  const solveId = solve.id;
  const { attempt, clusterName } = solve.state;
  view.released = false;
  view.at = null;
  // Lost, and yet its Slurm is there: it forgot the attempt, which another one may not mend.
  const isForgotten = told.state === "LOST" && clusterName === view.clusterName;
  const end = isForgotten ? { ...told, state: "FORGOTTEN" } : told;
  record(state, step, { type: "solve.ended", solveId, attempt, end });
  if (error === null) {
    const { launcher } = view;
    record(state, step, { type: "solve.succeeded", solveId, launcher, atMs: nowMs });
  } else if (solve.cancelAsked === true) {
    failSolve(state, step, solveId, cancelled().toData());
  } else if (!WORTH_ANOTHER.has(end.state) && end.exitCode !== BAD_CHECKPOINT) {
    failSolve(state, step, solveId, error);
  }
}

/** A solve that somebody ended. */
export function cancelled(): SystemError {
  return new SystemError("SOLVE_CANCELLED", "the solve was cancelled");
}

/** Ends a solve for good. */
export function failSolve(state: HeadState, step: Step, solveId: string, error: ErrorData): void {
  record(state, step, { type: "solve.failed", solveId, error });
}
