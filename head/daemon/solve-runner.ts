/**
 * Carries out the Slurm steps that the core wants, one at a time a solve: find Slurm, submit held,
 * release, cancel, poll. Each answers at once with one result; a Slurm that doesn't answer now is
 * `unreachable`, what isn't known yet is `waiting`. A solve's checkpoint lies beside its attempts'
 * folders and goes with its result, or when the solver says that it is of no use.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, processClock } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { sha256Hex, short12 } from "../../runtime/ids.ts";
import { SOLVE_STALL_MS, SOLVE_STALL_ROWS } from "../../runtime/limits.ts";
import type { Continuation } from "../../runtime/messages.ts";
import { anyStorage } from "../../runtime/storage/open.ts";
import type { Storage } from "../../runtime/storage/storage.ts";
import { parseManifest } from "../../solver/manifest.ts";
import { BAD_CHECKPOINT, outputPath, parseSolveSpec, solverArguments } from "../../solver/solve.ts";
import type { ActiveSlurmJob, SlurmAccess } from "../cluster/protocol.ts";
import type { SlurmResult, SlurmStep } from "../core/events.ts";
import type { AttemptOutcome } from "../slurm/attempt/ends.ts";
import { takeStart } from "../slurm/attempt/fence.ts";
import { type AttemptFiles, filesIn } from "../slurm/attempt/files.ts";
import { resourcesOf } from "../slurm/attempt/resources.ts";
import { connectSlurm } from "../slurm/commands.ts";
import { connectionOf } from "../slurm/connection.ts";
import {
  type AttemptMemory,
  cancelStep,
  type HeldAttempt,
  lookStep,
  releaseStep,
  silenceOf,
  type StepAnswer,
  submitStep,
} from "../slurm/launch.ts";
import type { Slurm, SlurmJobRef } from "../slurm/slurm.ts";
import {
  attemptName,
  commentOf,
  prepareAttempt,
  type SolveAttempt,
  submitRequest,
  WRAPPER_TIMES,
  type WrapperTimes,
} from "../slurm/solve-attempt.ts";
import { solverPath } from "./solver-binary.ts";

export interface RunnerPorts {
  readonly stateFolder: string;
  readonly mark: string;
  /** Where Slurm is, started if need be. */
  readonly access: () => Promise<SlurmAccess>;
  /** Tells whoever ends this cluster which slurm jobs to cancel. */
  readonly setActive: (jobs: readonly ActiveSlurmJob[]) => void;
  readonly clock?: Clock;
  /** Where manifests stand. */
  readonly storage?: Storage;
  /** Takes a solve's checkpoint away. */
  readonly removeWork?: (folder: string) => Promise<void>;
  /** The Slurm that `access` told of; over its commands by default. */
  readonly connect?: (access: SlurmAccess) => Promise<Slurm>;
  /** What stands in an attempt's folder. */
  readonly filesOf?: (folder: string) => AttemptFiles;
  readonly times?: WrapperTimes;
  /** What a solve's folder calls itself: 16 hex digits that no other has. */
  readonly newToken?: () => string;
}

/** One solve's facts that its steps need. */
export interface SolveTarget {
  readonly solveId: string;
  readonly spec: Continuation["spec"];
  readonly manifest: string;
  /** Of its bytes, where they must still be what they were when the solve was asked for. */
  readonly manifestSha256?: string;
}

/** What this leader holds of a solve's present attempt. */
interface Present {
  readonly attempt: number;
  readonly memory: AttemptMemory;
  /** Of its folder, once read or made. */
  token?: string;
  /** Whether this leader is the first that submits it. */
  isNew?: boolean;
}

export class SolveRunner {
  readonly #ports: RunnerPorts;
  readonly #clock: Clock;
  readonly #active = new Map<string, ActiveSlurmJob>();
  readonly #present = new Map<string, Present>();
  #slurm: Slurm | undefined;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
    this.#clock = ports.clock ?? processClock;
  }

  /** Never throws. */
  async run(target: SolveTarget, step: SlurmStep): Promise<SlurmResult> {
    try {
      if (step.op === "ready") return await this.#ready();
      const slurm = this.#slurm;
      if (slurm === undefined) return { kind: "unreachable", why: "no Slurm was found yet" };
      const attempt = this.#attemptOf(target, step.attempt);
      if (step.op === "submit") return await this.#submit(slurm, target, attempt);
      return await this.#follow(slurm, target, attempt, step);
    } catch (thrown) {
      const error = toSystemError(thrown, "SLURM_FAILED");
      // Whatever failed, a slurm job may be out there: only a step that knows better ends it.
      const isFinal = step.op === "ready" && error.code !== "SLURM_FAILED";
      if (isFinal) return { kind: "failed", error: error.toData() };
      return { kind: "unreachable", why: silenceOf(error) };
    }
  }

  async #ready(): Promise<SlurmResult> {
    const access = await this.#ports.access();
    const { mark, connect = (it) => connectSlurm(connectionOf(it, mark)) } = this.#ports;
    this.#slurm = await connect(access);
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

  #presentOf(solveId: string, attempt: number): Present {
    const known = this.#present.get(solveId);
    if (known?.attempt === attempt) return known;
    const present = { attempt, memory: {} };
    this.#present.set(solveId, present);
    return present;
  }

  #filesOf(attempt: SolveAttempt): AttemptFiles {
    return (this.#ports.filesOf ?? filesIn)(attempt.folder);
  }

  #hold(slurm: Slurm, attempt: SolveAttempt, present: Present): HeldAttempt {
    return {
      ...{ slurm, files: this.#filesOf(attempt), memory: present.memory, clock: this.#clock },
      name: attemptName(attempt.solveId, attempt.attempt),
      comment: commentOf(attempt, present.token ?? "none"),
    };
  }

  async #submit(slurm: Slurm, target: SolveTarget, attempt: SolveAttempt): Promise<SlurmResult> {
    const { manifest, manifestSha256, spec } = target;
    const files = this.#filesOf(attempt);
    const { storage = anyStorage } = this.#ports;
    const bytes = await storage.readIfPresent(manifest).catch(() => undefined);
    if (manifestSha256 !== undefined && manifestSha256 !== sha256Hex(bytes ?? "")) {
      const what = "the manifest isn't there any more, or isn't what it was";
      return await this.#fail(attempt, new SystemError("SOLVE_FAILED", what, { uri: manifest }));
    }
    const present = this.#presentOf(target.solveId, attempt.attempt);
    const { options, said } = resourcesOf(parseSolveSpec(spec), bytes, slurm.countsMemory);
    try {
      if (this.#ports.filesOf === undefined) await prepareAttempt(attempt);
      if (present.token === undefined) {
        const token = (this.#ports.newToken ?? newToken)();
        present.token = (await files.create("intent", token)).trim();
        present.isNew = present.token === token;
      }
      const times = timesFor(bytes, this.#ports.times);
      const request = submitRequest({ ...attempt, options, times }, present.token);
      const held = this.#hold(slurm, attempt, present);
      const answer = await submitStep(held, request, present.isNew === true);
      if (answer.kind !== "submitted") return await this.#tell(target, answer);
      this.#watch(target, answer.job, attempt);
      return { kind: "submitted", slurmJobId: answer.job.id, resources: said };
    } catch (thrown) {
      const error = toSystemError(thrown, "SLURM_FAILED");
      // Slurm's silence passes; a folder that can't be written, or a bad value, doesn't.
      if (error.code === "SLURM_FAILED" || error.code === "STORAGE_FAILED") throw error;
      return await this.#fail(attempt, error);
    }
  }

  /** Nothing was released; no copy that may be out there runs once the start is taken. */
  async #fail(attempt: SolveAttempt, error: SystemError): Promise<SlurmResult> {
    const files = this.#filesOf(attempt);
    // Where that can't be, `released` can't be either, and no copy runs without it.
    const [line = ""] = error.what.split("\n", 1);
    if (await files.isThere()) await takeStart(files, line).catch(() => undefined);
    return { kind: "failed", error: error.toData() };
  }

  async #follow(
    slurm: Slurm,
    target: SolveTarget,
    attempt: SolveAttempt,
    step: Extract<SlurmStep, { op: "release" | "cancel" | "poll" }>,
  ): Promise<SlurmResult> {
    const files = this.#filesOf(attempt);
    if (!(await files.isThere())) {
      const why = `${attempt.folder} isn't there: its files tell whether the attempt still runs`;
      return { kind: "unreachable", why };
    }
    const present = this.#presentOf(target.solveId, attempt.attempt);
    present.token ??= (await files.read("intent"))?.trim() ?? "none";
    const held = this.#hold(slurm, attempt, present);
    const { clusterName = slurm.clusterName } = { clusterName: undefined, ...step };
    const ref = { clusterName, id: step.slurmJobId, name: held.name };
    switch (step.op) {
      case "release":
        this.#watch(target, ref, attempt);
        return await this.#tell(target, await releaseStep(held, ref));
      case "cancel":
        return await this.#tell(target, await cancelStep(held, ref.id === "" ? undefined : ref));
      case "poll":
        return await this.#tell(target, await lookStep(held, ref));
      default:
        return step satisfies never;
    }
  }

  async #tell(target: SolveTarget, answer: StepAnswer): Promise<SlurmResult> {
    switch (answer.kind) {
      case "submitted":
        return { kind: "submitted", slurmJobId: answer.job.id };
      case "waiting":
      case "running":
        return answer;
      case "ended":
        return await this.#ended(target, answer.outcome);
      case "refused":
        return { kind: "failed", error: answer.error.toData() };
      default:
        return answer satisfies never;
    }
  }

  #watch(target: SolveTarget, ref: SlurmJobRef, { folder }: SolveAttempt): void {
    this.#active.set(target.solveId, { ...ref, folder });
    this.#ports.setActive([...this.#active.values()]);
  }

  async #ended(target: SolveTarget, outcome: AttemptOutcome): Promise<SlurmResult> {
    // Before the end is a fact: a head that is gone in between looks again, and does this again.
    if (outcome.error === null || outcome.exitCode === BAD_CHECKPOINT) {
      const { removeWork = removeFolder } = this.#ports;
      await removeWork(this.#workFolder(target.solveId));
    }
    this.#present.delete(target.solveId);
    this.#active.delete(target.solveId);
    this.#ports.setActive([...this.#active.values()]);
    const { state, exitCode, reason, error } = outcome;
    return { kind: "ended", end: { state, exitCode, reason }, error: error?.toData() ?? null };
  }
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

function newToken(): string {
  return randomBytes(8).toString("hex");
}

/** Large sets take longer from one step of the solver to the next. */
function timesFor(manifest: Uint8Array | undefined, times = WRAPPER_TIMES): WrapperTimes {
  if (times.stallMs !== SOLVE_STALL_MS || manifest === undefined) return times;
  try {
    const { rows } = parseManifest(manifest);
    return { ...times, stallMs: times.stallMs + Math.ceil(rows / SOLVE_STALL_ROWS) };
  } catch {
    return times;
  }
}
