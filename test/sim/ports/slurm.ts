/**
 * Slurm in a simulation: a controller that answers late, unclearly or not at all, nodes that fail,
 * and the wrapper of each job, which does over shared files what `attempt.sh` does. A node that
 * Slurm has given up may go on for a while.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { isEnded } from "../../../head/slurm/slurm.ts";
import type {
  Slurm,
  SlurmJob,
  SlurmJobRef,
  SlurmState,
  SubmitOutcome,
  SubmitRequest,
} from "../../../head/slurm/slurm.ts";
import { NEVER, type SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import type { Scheduler } from "../core/scheduler.ts";
import { Wrapper, type WrapperWatch } from "./wrapper.ts";
import type { SharedFiles } from "./shared-files.ts";

/** What goes wrong from now on; shares of calls or jobs. */
export interface SlurmFaults {
  /** Calls that aren't answered. */
  silent: number;
  /** Submissions without a clear answer; half of them are taken all the same. */
  unclear: number;
  /** Jobs whose node fails. */
  nodeFail: number;
  /** Milliseconds until what was asked for shows, on average. */
  lagMs: number;
}

export function noSlurmFaults(): SlurmFaults {
  return { silent: 0, unclear: 0, nodeFail: 0, lagMs: 20 };
}

/** Who sees what the controller does. */
export interface SlurmWatch extends WrapperWatch {
  readonly submitted: (name: string, standingMs: number) => void;
  readonly released: (name: string, id: string) => void;
}

/** What runs on a job's node. */
export interface Running {
  readonly start: () => void;
  /** SIGTERM. */
  readonly terminate: () => void;
  /** Its node is gone. */
  readonly kill: () => void;
}

/** How a job runs; by its wrapper unless told otherwise. */
export type Launch = (
  job: SlurmJob,
  request: SubmitRequest,
  onEnd: (exitCode: number) => void,
) => Running;

interface Entry {
  job: SlurmJob;
  readonly request: SubmitRequest;
  readonly bornMs: number;
  running: Running | undefined;
}

export interface ControllerPorts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: SlurmFaults;
  readonly files: SharedFiles;
  readonly watch: SlurmWatch;
  readonly launch?: Launch;
}

/** An option that no simulated Slurm can grant: it has no partitions. */
const PARTITION = "--partition=";
const CALL_MS = 15;
const LATE_MS = 4_000;
/** How long a job runs, and how long a node that failed may go on by itself. */
const RUN_MS = 8_000;
const ZOMBIE_MS = 30_000;

export class Controller {
  readonly clusterName = "simulated";
  readonly ports: ControllerPorts;
  readonly #jobs = new Map<string, Entry>();
  #nextId = 100;

  constructor(ports: ControllerPorts) {
    this.ports = ports;
  }

  submit(request: SubmitRequest): SlurmJob {
    const { name, comment } = request;
    const id = String(this.#nextId);
    this.#nextId += 1;
    const job: SlurmJob = {
      ...{ clusterName: this.clusterName, id, name, comment },
      ...{ state: "PENDING", held: true, exitCode: 0, signal: 0 },
      ...{ reason: "JobHeldUser", restarts: 0 },
    };
    const bornMs = this.ports.scheduler.nowMs;
    this.#jobs.set(id, { job, request, bornMs, running: undefined });
    return job;
  }

  find(name: string): readonly SlurmJob[] {
    return [...this.#jobs.values()].map(({ job }) => job).filter((job) => job.name === name);
  }

  /** For how long a job of that name has been there that hasn't ended; 0 for none. */
  standingMs(name: string): number {
    const born = [...this.#jobs.values()].flatMap((entry) => {
      return entry.job.name === name && !isEnded(entry.job.state) ? [entry.bornMs] : [];
    });
    return born.length === 0 ? 0 : this.ports.scheduler.nowMs - Math.min(...born);
  }

  poll(id: string): SlurmJob | undefined {
    return this.#jobs.get(id)?.job;
  }

  release(id: string): void {
    const entry = this.#jobs.get(id);
    if (entry === undefined || isEnded(entry.job.state)) {
      throw new SystemError("SLURM_FAILED", `slurm job ${id} can't be released`);
    }
    if (!entry.job.held) return;
    const { scheduler, random, faults } = this.ports;
    entry.job = { ...entry.job, held: false, reason: "None" };
    scheduler.after(random.exponential(faults.lagMs), () => this.#begin(entry));
  }

  cancel(id: string): void {
    const entry = this.#jobs.get(id);
    if (entry === undefined || isEnded(entry.job.state)) return;
    entry.running?.terminate();
    this.#end(entry, "CANCELLED", 0, "None");
  }

  /** A running job's time is over. */
  timeOut(id: string): void {
    const entry = this.#jobs.get(id);
    if (entry?.job.state !== "RUNNING") return;
    entry.running?.terminate();
    this.#end(entry, "TIMEOUT", 0, "TimeLimit");
  }

  /** An administrator puts a running job back: it is started a second time. */
  requeue(id: string): void {
    const entry = this.#jobs.get(id);
    if (entry?.job.state !== "RUNNING") return;
    entry.running?.kill();
    const restarts = entry.job.restarts + 1;
    entry.job = { ...entry.job, state: "PENDING", restarts };
    const { scheduler, random, faults } = this.ports;
    scheduler.after(random.exponential(faults.lagMs), () => this.#begin(entry));
  }

  /** An administrator holds a job that waits. */
  hold(id: string): void {
    const entry = this.#jobs.get(id);
    if (entry?.job.state !== "PENDING") return;
    entry.job = { ...entry.job, held: true, reason: "JobHeldAdmin" };
  }

  /** The running job of that number, if there are any. */
  runningJob(index: number): string | undefined {
    const running = [...this.#jobs.values()].filter(({ job }) => job.state === "RUNNING");
    return running[index % Math.max(1, running.length)]?.job.id;
  }

  /** Whatever it still knows of ended jobs goes. */
  forget(): void {
    for (const [id, { job }] of this.#jobs) if (isEnded(job.state)) this.#jobs.delete(id);
  }

  #begin(entry: Entry): void {
    const { scheduler, random, faults, launch = this.#wrapped } = this.ports;
    if (entry.job.state !== "PENDING") return;
    entry.job = { ...entry.job, state: "RUNNING" };
    const running = launch(entry.job, entry.request, (exitCode) => {
      if (entry.running !== running) return;
      this.#end(entry, exitCode === 0 ? "COMPLETED" : "FAILED", exitCode, "None");
    });
    entry.running = running;
    running.start();
    if (!random.chance(faults.nodeFail)) return;
    scheduler.after(random.between(0, RUN_MS), () => {
      const goesOnMs = random.chance(0.5) ? 0 : random.between(0, ZOMBIE_MS);
      this.#failNode(entry, goesOnMs);
    });
  }

  readonly #wrapped: Launch = (job, { scriptArguments }, onEnd) => {
    const [folder = ""] = scriptArguments;
    const runMs = this.ports.random.exponential(RUN_MS);
    return new Wrapper(this.ports, job, { folder, runMs, onEnd });
  };

  /** Slurm gives the node up; what runs there may go on for a while. */
  #failNode(entry: Entry, goesOnMs: number): void {
    if (entry.job.state !== "RUNNING") return;
    this.#end(entry, "NODE_FAIL", 0, "NodeDown");
    this.ports.scheduler.after(goesOnMs, () => entry.running?.kill());
  }

  /** The nodes of all running jobs fail, and what runs there with them. */
  failNodes(): void {
    for (const entry of this.#jobs.values()) this.#failNode(entry, 0);
  }

  #end(entry: Entry, state: SlurmState, exitCode: number, reason: string): void {
    if (isEnded(entry.job.state)) return;
    entry.job = { ...entry.job, state, exitCode, reason, held: false };
  }
}

/** One process's way to the controller: the port that heads have. */
export class SimSlurm implements Slurm {
  readonly launcher = "srun-pmix";
  readonly countsMemory = true;
  readonly #controller: Controller;
  readonly #process: SimProcess;

  constructor(controller: Controller, process: SimProcess) {
    this.#controller = controller;
    this.#process = process;
  }

  get clusterName(): string {
    return this.#controller.clusterName;
  }

  submitHeld(request: SubmitRequest): Promise<SubmitOutcome> {
    const { watch, faults, random, scheduler } = this.#controller.ports;
    if (!this.#process.isAlive) return NEVER;
    watch.submitted(request.name, this.#controller.standingMs(request.name));
    const isUnclear = random.chance(faults.unclear);
    if (isUnclear && random.chance(0.7)) {
      // It was taken, or will be once the controller gets to it.
      scheduler.after(random.between(0, LATE_MS), () => void this.#controller.submit(request));
    }
    // Unlike the others, sbatch says that it doesn't know.
    const sbatch = this.#call("sbatch", (): SubmitOutcome => {
      if (isUnclear) return { kind: "unknown", why: "timed out" } as const;
      if (request.options?.some((option) => option.startsWith(PARTITION)) === true) {
        return { kind: "refused", why: "no such partition" } as const;
      }
      const { clusterName, id, name } = this.#controller.submit(request);
      return { kind: "submitted", job: { clusterName, id, name } } as const;
    });
    return sbatch.catch(() => ({ kind: "unknown", why: "no answer" }));
  }

  find(name: string): Promise<readonly SlurmJob[]> {
    return this.#call("squeue", () => this.#controller.find(name));
  }

  release(job: SlurmJobRef): Promise<void> {
    if (this.#process.isAlive) this.#controller.ports.watch.released(job.name, job.id);
    return this.#call("release", () => this.#controller.release(job.id));
  }

  cancel(job: SlurmJobRef): Promise<void> {
    return this.#call("scancel", () => this.#controller.cancel(job.id));
  }

  poll(job: SlurmJobRef): Promise<SlurmJob | undefined> {
    return this.#call("scontrol", () => {
      const found = this.#controller.poll(job.id);
      return found?.name === job.name ? found : undefined;
    });
  }

  /** Takes effect at one moment within; the answer may get lost. */
  #call<T>(what: string, effect: () => T): Promise<T> {
    const process = this.#process;
    const { scheduler, random, faults } = this.#controller.ports;
    if (!process.isAlive) return NEVER;
    scheduler.trace.note(scheduler.nowMs, process.name, what);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const answer = (settle: () => void): void => {
      scheduler.after(random.exponential(CALL_MS), () => process.enter(settle));
    };
    const silence = (): void => reject(new SystemError("SLURM_FAILED", `${what}: no answer`));
    const isSilent = random.chance(faults.silent);
    const isTaken = !isSilent || random.chance(0.3);
    scheduler.after(random.exponential(CALL_MS), () => {
      if (!isTaken) {
        answer(silence);
        return;
      }
      try {
        const value = effect();
        answer(isSilent ? silence : () => resolve(value));
      } catch (thrown) {
        answer(() => reject(thrown));
      }
    });
    return promise;
  }
}
