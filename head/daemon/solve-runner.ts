/**
 * Carries out the Slurm steps that the core wants, one at a time a solve: find Slurm, submit held,
 * release, cancel, poll. Each answers with one result; a Slurm that doesn't answer now is
 * `unreachable`. A solve's checkpoint lies beside its attempts' folders and goes with its result,
 * or when the solver says that it is of no use.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { sha256Hex, short12 } from "../../runtime/ids.ts";
import type { Continuation } from "../../runtime/messages.ts";
import { readIfPresent } from "../../runtime/storage/local.ts";
import { BAD_CHECKPOINT, outputPath, parseSolveSpec, solverArguments } from "../../solver/solve.ts";
import type { ActiveSlurmJob, SlurmAccess } from "../cluster/protocol.ts";
import type { SlurmResult, SlurmStep } from "../core/events.ts";
import { connectSlurm } from "../slurm/commands.ts";
import { connectionOf } from "../slurm/connection.ts";
import { resourcesOf } from "../slurm/attempt/resources.ts";
import { lookOnce, pollOnce, releaseOnce, submitOnce } from "../slurm/launch.ts";
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
  /** Of its bytes, where they must still be what they were when the solve was asked for. */
  readonly manifestSha256?: string;
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
      if (step.op === "cancel") return await this.#cancel(slurm, attempt, step);
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

  /** Of the solve, beside its attempts' folders: each attempt goes on from the checkpoint there. */
  #workFolder(solveId: string): string {
    return join(this.#ports.stateFolder, "solves", short12(solveId), "work");
  }

  #attemptOf({ solveId, spec, manifest }: SolveTarget, attempt: number): SolveAttempt {
    const parsed = parseSolveSpec(spec);
    const paths = { embeddings: manifest, work: this.#workFolder(solveId) };
    return {
      solveId,
      attempt,
      ranks: parsed.ranks,
      timeLimitMinutes: parsed.timeLimitMinutes,
      folder: join(this.#ports.stateFolder, "solves", short12(solveId), String(attempt)),
      output: outputPath(parsed, manifest),
      mark: this.#ports.mark,
      solver: solverPath(),
      solverArguments: solverArguments(parsed, paths),
      modules: parsed.modules ?? [],
    };
  }

  async #submit(slurm: Slurm, target: SolveTarget, attempt: SolveAttempt): Promise<SlurmResult> {
    const { manifest, manifestSha256, spec } = target;
    const bytes = await readIfPresent(manifest).catch(() => undefined);
    if (manifestSha256 !== undefined && manifestSha256 !== sha256Hex(bytes ?? "")) {
      const what = "the manifest isn't there any more, or isn't what it was";
      throw new SystemError("SOLVE_FAILED", what, { uri: manifest });
    }
    const { options, said } = resourcesOf(parseSolveSpec(spec), bytes, slurm.countsMemory);
    await prepareAttempt(attempt);
    const ref = await submitOnce(slurm, submitRequest({ ...attempt, options }));
    this.#watch(target, ref);
    return { kind: "submitted", slurmJobId: ref.id, resources: said };
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
      if (outcome !== undefined) return await this.#ended(target, outcome);
      return { kind: "unreachable", why: toSystemError(thrown).what };
    }
  }

  /** Asks Slurm to end the job; the next poll tells its end. */
  async #cancel(
    slurm: Slurm,
    attempt: SolveAttempt,
    step: Extract<SlurmStep, { op: "cancel" }>,
  ): Promise<SlurmResult> {
    try {
      if (step.clusterName === slurm.clusterName) {
        await slurm.cancel(refOf(slurm, attempt, step.slurmJobId));
      }
      return { kind: "running" };
    } catch (thrown) {
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
      return await this.#ended(target, await attemptOutcome(undefined, attempt.folder));
    }
    try {
      const look = await lookOnce(slurm, refOf(slurm, attempt, step.slurmJobId), attempt.folder);
      if (look.outcome === undefined) return { kind: "running", at: look.at };
      return await this.#ended(target, look.outcome);
    } catch (thrown) {
      return { kind: "unreachable", why: toSystemError(thrown).what };
    }
  }

  #watch(target: SolveTarget, ref: SlurmJobRef): void {
    this.#active.set(target.solveId, ref);
    this.#ports.setActive([...this.#active.values()]);
  }

  async #ended(target: SolveTarget, outcome: AttemptOutcome): Promise<SlurmResult> {
    // Before the end is a fact: a head that is gone in between looks again, and does this again.
    if (outcome.error === null || outcome.exitCode === BAD_CHECKPOINT) {
      await rm(this.#workFolder(target.solveId), { recursive: true, force: true });
    }
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
