/**
 * Carries out the Slurm steps that the core wants, one at a time a solve: find Slurm, submit held,
 * release, poll. Each answers with one result; a Slurm that doesn't answer now is `unreachable`.
 */
import { dirname, join } from "node:path";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { short12 } from "../../runtime/ids.ts";
import type { Continuation } from "../../runtime/messages.ts";
import { parseSolveSpec, solverArguments } from "../../solver/solve.ts";
import type { ActiveSlurmJob, SlurmAccess } from "../cluster/protocol.ts";
import type { SlurmResult, SlurmStep } from "../core/events.ts";
import { connectSlurm } from "../slurm/commands.ts";
import { connectionOf } from "../slurm/connection.ts";
import { pollOnce, releaseOnce, submitOnce } from "../slurm/launch.ts";
import type { Slurm, SlurmJobRef } from "../slurm/slurm.ts";
import {
  type AttemptOutcome,
  attemptOutcome,
  prepareAttempt,
  type SolveAttempt,
  submitRequest,
} from "../slurm/solve-attempt.ts";
import { solverPath } from "./solver-binary.ts";

export interface RunnerPorts {
  readonly stateFolder: string;
  readonly mark: string;
  /** Where Slurm is, started if need be. */
  readonly access: () => Promise<SlurmAccess>;
  /** Tells whoever ends this cluster which slurm jobs to cancel. */
  readonly setActive: (jobs: readonly ActiveSlurmJob[]) => void;
}

/** One solve's facts that its steps need. */
export interface SolveTarget {
  readonly solveId: string;
  readonly spec: Continuation["spec"];
  readonly manifest: string;
}

export class SolveRunner {
  readonly #ports: RunnerPorts;
  readonly #active = new Map<string, ActiveSlurmJob>();
  #slurm: Slurm | undefined;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** Never throws. */
  async run(target: SolveTarget, step: SlurmStep): Promise<SlurmResult> {
    try {
      if (step.op === "ready") return await this.#ready();
      const slurm = this.#slurm;
      if (slurm === undefined) throw new SystemError("INTERNAL", `${step.op} before ready`);
      const attempt = this.#attemptOf(target, step.attempt);
      if (step.op === "submit") return await this.#submit(slurm, target, attempt);
      if (step.op === "release") return await this.#release(slurm, target, attempt, step);
      return await this.#poll(slurm, target, attempt, step);
    } catch (thrown) {
      const error = toSystemError(thrown, "SLURM_FAILED");
      const silent = step.op === "ready" && error.code === "SLURM_FAILED";
      if (silent) return { kind: "unreachable", why: error.what };
      return { kind: "failed", error: error.toData() };
    }
  }

  async #ready(): Promise<SlurmResult> {
    const access = await this.#ports.access();
    this.#slurm = await connectSlurm(connectionOf(access, this.#ports.mark));
    return { kind: "ready", clusterName: this.#slurm.clusterName, launcher: access.launcher };
  }

  #attemptOf({ solveId, spec, manifest }: SolveTarget, attempt: number): SolveAttempt {
    const parsed = parseSolveSpec(spec);
    return {
      solveId,
      attempt,
      ranks: parsed.ranks,
      timeLimitMinutes: parsed.timeLimitMinutes,
      folder: join(this.#ports.stateFolder, "solves", short12(solveId), String(attempt)),
      output: parsed.output ?? `${dirname(manifest)}_sim.nc`,
      mark: this.#ports.mark,
      solver: solverPath(),
      solverArguments: solverArguments(parsed, { embeddings: manifest }),
    };
  }

  async #submit(slurm: Slurm, target: SolveTarget, attempt: SolveAttempt): Promise<SlurmResult> {
    await prepareAttempt(attempt);
    const ref = await submitOnce(slurm, submitRequest(attempt));
    this.#watch(target, ref);
    return { kind: "submitted", slurmJobId: ref.id };
  }

  async #release(
    slurm: Slurm,
    target: SolveTarget,
    attempt: SolveAttempt,
    step: Extract<SlurmStep, { op: "release" }>,
  ): Promise<SlurmResult> {
    const ref = refOf(slurm, attempt, step.slurmJobId);
    this.#watch(target, ref);
    try {
      await releaseOnce(slurm, ref);
      return { kind: "running" };
    } catch (thrown) {
      // It ended meanwhile, or somebody cancelled it while held: its end says which.
      const outcome = await pollOnce(slurm, ref, attempt.folder).catch(() => undefined);
      if (outcome !== undefined) return this.#ended(target, outcome);
      return { kind: "unreachable", why: toSystemError(thrown).what };
    }
  }

  async #poll(
    slurm: Slurm,
    target: SolveTarget,
    attempt: SolveAttempt,
    step: Extract<SlurmStep, { op: "poll" }>,
  ): Promise<SlurmResult> {
    // Its Slurm is gone: only what its wrapper left counts.
    if (step.clusterName !== slurm.clusterName) {
      return this.#ended(target, await attemptOutcome(undefined, attempt.folder));
    }
    try {
      const outcome = await pollOnce(slurm, refOf(slurm, attempt, step.slurmJobId), attempt.folder);
      return outcome === undefined ? { kind: "running" } : this.#ended(target, outcome);
    } catch (thrown) {
      return { kind: "unreachable", why: toSystemError(thrown).what };
    }
  }

  #watch(target: SolveTarget, ref: SlurmJobRef): void {
    this.#active.set(target.solveId, ref);
    this.#ports.setActive([...this.#active.values()]);
  }

  #ended(target: SolveTarget, outcome: AttemptOutcome): SlurmResult {
    this.#active.delete(target.solveId);
    this.#ports.setActive([...this.#active.values()]);
    const { state, exitCode, reason, error } = outcome;
    return { kind: "ended", end: { state, exitCode, reason }, error: error?.toData() ?? null };
  }
}

function refOf(slurm: Slurm, attempt: SolveAttempt, id: string): SlurmJobRef {
  const { name } = submitRequest(attempt);
  return { clusterName: slurm.clusterName, id, name };
}
