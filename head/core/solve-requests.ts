/** Pure core. Solves that are asked for by themselves, for a set that stands, and their end. */
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { canonicalJson } from "../../runtime/ids.ts";
import type { ApiRequest } from "../../runtime/messages.ts";
import { outputPath, parseSolveSpec, solveId as idOfSolve } from "../../solver/solve.ts";
import type { Caller, HeadState, Step } from "./events.ts";
import { record } from "./step.ts";
import { cancelled, failSolve, manifestOf, reopen, viewOf } from "./solves.ts";

type SolveRequest = Extract<ApiRequest, { op: "solve" }>;

/**
 * One solve for each set, settings and solver: asked for twice it is one, and one that failed is
 * opened again with what is asked for now.
 */
export function askSolve(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: SolveRequest,
  nowMs: number,
): void {
  try {
    const solveId = ask(state, step, request, nowMs);
    step.effects.push({ type: "reply", caller, value: { solveId } });
  } catch (thrown) {
    step.effects.push({ type: "refuse", caller, error: toSystemError(thrown, "USAGE").toData() });
  }
}

/** @throws {SystemError} USAGE; SETUP_MISSING; OUTPUT_OF_ANOTHER_JOB. */
function ask(state: HeadState, step: Step, request: SolveRequest, nowMs: number): string {
  const { manifest, manifestSha256, spec } = request;
  canonicalJson(spec);
  const parsed = parseSolveSpec(spec);
  if (!manifest.startsWith("/")) {
    throw new SystemError("USAGE", `${manifest} isn't an absolute path`);
  }
  if (state.config.slurm === "none") {
    throw new SystemError("USAGE", "this cluster was started without a Slurm");
  }
  const { solverSha256 } = state.config;
  if (solverSha256 === null) {
    throw new SystemError("SETUP_MISSING", "the solver isn't built: run npm start once");
  }
  const solveId = idOfSolve(manifestSha256, spec, solverSha256);
  const known = state.durable.solves.get(solveId);
  if (known === undefined) {
    const set = { manifest, manifestSha256 };
    record(state, step, { type: "solve.asked", solveId, ...set, spec, atMs: nowMs });
  } else if (known.state.kind === "failed") {
    reopen(state, step, solveId, spec, nowMs);
  } else {
    const stands = outputPath(parseSolveSpec(known.spec), manifestOf(state, known));
    if (stands !== outputPath(parsed, manifest)) {
      const what = "this solve has its result, or will have it, under another name";
      throw new SystemError("USAGE", what, { uri: stands });
    }
  }
  return solveId;
}

/**
 * Ends a solve: at once where no slurm job is its, else when nothing of that can run any more; the
 * wish is a fact, for every leader. One that is over stays as it is.
 */
export function cancelSolve(
  state: HeadState,
  step: Step,
  caller: Caller,
  solveId: string,
  nowMs: number,
): void {
  const solve = state.durable.solves.get(solveId);
  if (solve === undefined) {
    const error = new SystemError("JOB_NOT_FOUND", "no such solve", { solve: solveId });
    step.effects.push({ type: "refuse", caller, error: error.toData() });
    return;
  }
  switch (solve.state.kind) {
    case "requested":
      failSolve(state, step, solveId, cancelled().toData());
      break;
    case "attempted":
    case "submitted":
      if (solve.cancelAsked === true) break;
      record(state, step, { type: "solve.cancel-asked", solveId, atMs: nowMs });
      viewOf(state, solveId).dueMs = 0;
      break;
    case "succeeded":
    case "failed":
      break;
    default:
      solve.state satisfies never;
  }
  step.effects.push({ type: "reply", caller, value: { solveId } });
}
