/**
 * The cluster's Slurm: the machine's own or a private one that lives and ends with this cluster.
 * Found or started at the first wish, once; at the end our slurm jobs are cancelled before a
 * private one's daemons stop.
 */
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { SystemError } from "../../runtime/errors.ts";
import { SCANCEL_MS } from "../../runtime/limits.ts";
import { isAlive } from "../../runtime/processes.ts";
import { CLUSTER_ENDED } from "../slurm/attempt/ends.ts";
import { filesIn } from "../slurm/attempt/files.ts";
import { connectSlurm } from "../slurm/commands.ts";
import { connectionOf } from "../slurm/connection.ts";
import { startPrivateSlurm } from "../slurm/private.ts";
import { detectSlurm } from "../slurm/select.ts";
import { slurmFolder } from "./folders.ts";
import type { ActiveSlurmJob, SlurmAccess, SlurmMode } from "./protocol.ts";

/** Cores that a private Slurm offers at least: tests and small machines run 3 ranks on fewer. */
const CORES_MIN = 4;

/** A Slurm that was found or started. */
export interface OpenSlurm {
  readonly access: SlurmAccess;
  /** Cancels these jobs, whose cluster, id and name must match. */
  cancel(jobs: readonly ActiveSlurmJob[]): Promise<void>;
  /** Whether what was started for us still runs; true when nothing was. */
  isAlive(): boolean;
  /** Ends what was started for us. */
  stop(): Promise<unknown>;
}

/** Opens a Slurm; the tests put their own in its place. */
export type SlurmOpener = (
  mode: Exclude<SlurmMode, "none">,
  place: { readonly runtimeDir: string; readonly mark: string },
) => Promise<OpenSlurm>;

/** The machine's own Slurm, or a private one in the runtime folder. */
export const openMachineSlurm: SlurmOpener = async (mode, { runtimeDir, mark }) => {
  const choice = await detectSlurm(mode);
  if (choice.kind === "system") {
    const { clusterName, launcher } = choice.slurm;
    const access = { confPath: null, clusterName, launcher };
    const cancel = (jobs: readonly ActiveSlurmJob[]) => cancelAll(access, mark, jobs);
    return { access, cancel, isAlive: () => true, stop: () => Promise.resolve() };
  }
  const folder = slurmFolder(runtimeDir);
  const cpus = Math.max(CORES_MIN, availableParallelism());
  const slurm = await startPrivateSlurm({ folder, cpus, mark });
  const { confPath, clusterName } = slurm;
  if (!slurm.loopbackOnly) {
    const why = "no name space may be made here, so it listens on every address, behind MUNGE";
    process.stderr.write(`the private Slurm ${clusterName}: ${why}\n`);
  }
  // Its `stop` cancels every job it has.
  const cancel = () => Promise.resolve();
  const access = { confPath, clusterName, launcher: "srun-pmix" };
  const living = () => slurm.processes.every(isAlive);
  const stop = async () => {
    await slurm.stop();
    // The next one in this folder has another name, which the old one's state would refuse.
    await rm(folder, { recursive: true, force: true });
  };
  return { access, cancel, isAlive: living, stop };
};

export class SlurmService {
  readonly #mode: SlurmMode;
  readonly #open: () => Promise<OpenSlurm>;
  readonly #log: (line: string) => void;
  #slurm: Promise<OpenSlurm> | undefined;
  #active: readonly ActiveSlurmJob[] = [];
  #stopped = false;

  constructor(options: {
    readonly mode: SlurmMode;
    readonly open: SlurmOpener;
    readonly runtimeDir: string;
    readonly mark: string;
    readonly log: (line: string) => void;
  }) {
    const { mode, open, runtimeDir, mark } = options;
    this.#mode = mode;
    this.#open = async () => {
      if (mode === "none") throw new SystemError("SLURM_MISSING", "started with --slurm none");
      return await open(mode, { runtimeDir, mark });
    };
    this.#log = options.log;
  }

  /**
   * Where Slurm is. A failed start is tried again by the next call.
   *
   * @throws {SystemError} SLURM_MISSING or SLURM_START_FAILED; CANCELLED once stopped.
   */
  async ensure(): Promise<SlurmAccess> {
    if (this.#stopped) throw new SystemError("CANCELLED", "the cluster is ending");
    await this.#buryDead();
    this.#slurm ??= this.#open();
    const opening = this.#slurm;
    try {
      return (await opening).access;
    } catch (thrown) {
      this.#log(`slurm (${this.#mode}): ${String(thrown)}`);
      if (this.#slurm === opening) this.#slurm = undefined;
      throw thrown;
    }
  }

  /** A private Slurm of which a daemon died is ended whole, so that the next one starts clean. */
  async #buryDead(): Promise<void> {
    const opened = this.#slurm;
    const slurm = await opened?.catch(() => undefined);
    if (slurm === undefined || slurm.isAlive() || this.#slurm !== opened) return;
    this.#slurm = undefined;
    this.#log("a daemon of the private Slurm died: starting another one");
    await this.#attempt("the end of a dead Slurm", slurm.stop());
  }

  /** The slurm jobs to cancel if the cluster ends now. */
  setActive(jobs: readonly ActiveSlurmJob[]): void {
    this.#active = jobs;
  }

  /** Cancels what is active within SCANCEL_MS, then stops a private Slurm. Never throws. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const slurm = await this.#slurm?.catch(() => undefined);
    if (slurm === undefined) return;
    if (this.#active.length > 0) {
      await this.#attempt("scancel", slurm.cancel(this.#active));
    }
    await this.#attempt("the end of Slurm", slurm.stop());
  }

  async #attempt(what: string, work: Promise<unknown>): Promise<void> {
    await work.catch((thrown: unknown) => this.#log(`${what}: ${String(thrown)}`));
  }
}

/** Within SCANCEL_MS: a controller that doesn't answer may not hold up the end. */
async function cancelAll(
  access: SlurmAccess,
  mark: string,
  jobs: readonly ActiveSlurmJob[],
): Promise<void> {
  const slurm = await connectSlurm(connectionOf(access, mark), { timeoutMs: SCANCEL_MS / 2 });
  const late = new Promise<never>((_, fail) => {
    const error = new SystemError("DEADLINE_EXCEEDED", "scancel");
    AbortSignal.timeout(SCANCEL_MS / 2).addEventListener("abort", () => fail(error));
  });
  const cancel = async (job: ActiveSlurmJob): Promise<void> => {
    // Its wrapper heeds it, and the next head knows that nobody else cancelled it.
    if (job.folder !== undefined) await filesIn(job.folder).create("ended", `${CLUSTER_ENDED}\n`);
    await slurm.cancel(job);
  };
  await Promise.race([Promise.all(jobs.map(cancel)), late]);
}
