/** A client's jobs: programs and datasets, submitted to the head and watched there. */
import type { Asked, Sealed } from "../../dataset/dataset.ts";
import { errorFromData, SystemError } from "../../errors.ts";
import { canonicalJson } from "../../ids.ts";
import { JOB_POLL_MS } from "../../limits.ts";
import { type Continuation, type DatasetSpec, parseMessage, type Program } from "../../messages.ts";
import type { HeadClient } from "../head-client.ts";
import {
  type ClusterStatus,
  clusterStatus,
  type DatasetStatus,
  type JobView,
  jobView,
  type SolveStatus,
} from "./status.ts";

export class Jobs {
  readonly #head: HeadClient;

  constructor(head: HeadClient) {
    this.#head = head;
  }

  /** Submits a program as a job: a driver on some worker runs its main. */
  async submitProgram(program: Program, argv: readonly string[]): Promise<string> {
    const request = { op: "submit-program" as const, program, argv: [...argv] };
    const { jobId } = (await this.#head.request(request)) as { jobId: string };
    return jobId;
  }

  async status(): Promise<ClusterStatus> {
    return parseMessage(clusterStatus, await this.#head.request({ op: "status" }));
  }

  /** All that the head knows of one job. @throws {SystemError} JOB_NOT_FOUND. */
  async job(jobId: string): Promise<JobView> {
    return parseMessage(jobView, await this.#head.request({ op: "job", jobId }));
  }

  /** What a program's main returned. @throws {SystemError} JOB_NOT_FOUND before it has. */
  async result(jobId: string): Promise<unknown> {
    return this.#head.request({ op: "result", jobId });
  }

  /** Facts the head has applied; for tests of replay. */
  async digest(): Promise<{ readonly facts: number; readonly sha256: string }> {
    return (await this.#head.request({ op: "digest" })) as { facts: number; sha256: string };
  }

  async cancel(jobId: string): Promise<void> {
    await this.#head.request({ op: "cancel", jobId });
  }

  /**
   * Submits a solve of a sealed set, whoever made it; settles when the head has taken it.
   * @param set - the manifest's absolute path and the sha256 of its bytes.
   * @returns the solve's id; `status` shows what becomes of it.
   * @throws {SystemError} USAGE; SETUP_MISSING.
   */
  async submitSolve(
    set: { readonly manifest: string; readonly manifestSha256: string },
    spec: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const request = { op: "solve", ...set, spec: { ...spec } } as const;
    const { solveId } = (await this.#head.request(request)) as { solveId: string };
    return solveId;
  }

  /** Asks for a solve's end: `status` shows it. @throws {SystemError} JOB_NOT_FOUND. */
  async cancelSolve(solveId: string): Promise<void> {
    await this.#head.request({ op: "solve-cancel", solveId });
  }

  /** Submits a dataset and settles at its seal. See `writeParquet`. */
  async runDataset(
    spec: DatasetSpec,
    onSealed: Continuation | null,
    { batchTimeoutMs, demand }: Asked = {},
  ): Promise<Sealed> {
    const asked = {
      ...(batchTimeoutMs === undefined ? {} : { batchTimeoutMs }),
      ...(demand === undefined ? {} : { demand }),
    };
    const request = { op: "submit-dataset", spec, continuation: onSealed, ...asked } as const;
    const { jobId } = (await this.#head.request(request)) as { jobId: string };
    await this.#until(async () => {
      const { state } = await this.#datasetOf(jobId);
      if (state.kind === "failed") throw errorFromData(state.error);
      return state.kind === "sealed" ? state : undefined;
    });
    const wanted = canonicalJson(onSealed);
    const { continuations } = await this.#datasetOf(jobId);
    const found = continuations.find((one) => canonicalJson(one.continuation) === wanted);
    const id = found?.solve ?? null;
    return {
      jobId,
      manifest: `${spec.sink.uri}/manifest.json`,
      continuation: id === null ? null : { id, wait: () => this.#solved(id) },
    };
  }

  async #solved(solveId: string): Promise<SolveStatus> {
    return this.#until(async () => {
      const solve = (await this.status()).solves.find(({ id }) => id === solveId);
      if (solve?.state.kind === "failed") throw errorFromData(solve.state.error);
      return solve?.state.kind === "succeeded" ? solve : undefined;
    });
  }

  async #datasetOf(jobId: string): Promise<DatasetStatus> {
    const job = (await this.status()).datasets.find(({ id }) => id === jobId);
    if (job === undefined) throw new SystemError("JOB_NOT_FOUND", "no such job", { job: jobId });
    return job;
  }

  /** Polls without a deadline of its own: a job may take days. */
  async #until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, JOB_POLL_MS));
    }
  }
}
