/**
 * A Slurm's jobs, for the fake: their states, and the processes that run their batch scripts. What
 * was released and what ran is kept: a second released job of one solve at a time is a violation.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { isEnded, type SlurmState } from "../../head/slurm/slurm.ts";

/** Milliseconds between a job's SIGTERM and its SIGKILL. */
const KILL_WAIT_MS = 400;

export interface FakeJob {
  readonly id: string;
  readonly name: string;
  readonly comment: string;
  readonly script: string;
  readonly args: readonly string[];
  state: SlurmState;
  reason: string;
  exitCode: number;
  signal: number;
  restarts: number;
  released: boolean;
  /** Calls of squeue that don't show it yet. */
  hidden: number;
  child: ChildProcess | undefined;
  /** What it becomes when its script has ended, if not by that. */
  next: { readonly state: SlurmState; readonly reason: string } | undefined;
}

export class FakeJobs {
  readonly clusterName: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #known = new Map<string, FakeJob>();
  /** Also those that Slurm forgot. */
  readonly all: FakeJob[] = [];
  readonly violations: string[] = [];
  /** Ids of jobs in the order of their release. */
  readonly released: string[] = [];
  #lastId = 0;

  constructor(clusterName: string, env: NodeJS.ProcessEnv) {
    this.clusterName = clusterName;
    this.#env = env;
  }

  get known(): readonly FakeJob[] {
    return [...this.#known.values()];
  }

  get(id: string): FakeJob | undefined {
    return this.#known.get(id);
  }

  add(job: Pick<FakeJob, "name" | "comment" | "script" | "args" | "hidden">): FakeJob {
    this.#lastId += 1;
    const made: FakeJob = {
      ...job,
      id: String(this.#lastId),
      ...{ state: "PENDING", reason: "JobHeldUser", exitCode: 0, signal: 0, restarts: 0 },
      ...{ released: false, child: undefined, next: undefined },
    };
    this.#known.set(made.id, made);
    this.all.push(made);
    return made;
  }

  /** Numbers begin anew, as they do at MaxJobId: strangers' jobs have those of ended ones. */
  cycleIds(): void {
    for (const job of this.known.filter(({ state }) => isEnded(state))) {
      const stranger = { ...job, name: "stranger", comment: "", state: "RUNNING" as const };
      this.#known.set(job.id, { ...stranger, reason: "None", child: undefined });
    }
  }

  release(job: FakeJob): void {
    const others = this.all.filter(
      (one) => one !== job && solveOf(one) === solveOf(job) && one.released && !isEnded(one.state),
    );
    for (const other of others) {
      this.violations.push(`${job.name} (${job.id}) released beside ${other.name} (${other.id})`);
    }
    if (!job.released) this.released.push(job.id);
    job.released = true;
    job.reason = "None";
    setImmediate(() => this.#start(job));
  }

  /** Somebody else than us lets a held job go. */
  letGo(job: FakeJob): void {
    if (job.state !== "PENDING") return;
    job.reason = "None";
    setImmediate(() => this.#start(job));
  }

  hold(job: FakeJob, reason: string): void {
    if (job.state === "PENDING") job.reason = reason;
  }

  /** Ends a job: its script gets SIGTERM, then SIGKILL. */
  end(job: FakeJob, state: SlurmState, reason = "None"): void {
    if (isEnded(job.state)) return;
    if (job.child === undefined) {
      this.#become(job, state, reason);
      return;
    }
    job.next = { state, reason };
    job.state = "COMPLETING";
    this.#signal(job, "SIGTERM");
    const { child } = job;
    setTimeout(() => {
      if (job.child === child) this.#signal(job, "SIGKILL");
    }, KILL_WAIT_MS).unref();
  }

  /** Its node is gone, with its processes, or merely from Slurm's sight. */
  failNode(job: FakeJob, alone = false): void {
    if (job.child === undefined) return;
    if (!alone) this.#signal(job, "SIGKILL");
    job.child = undefined;
    this.#become(job, "NODE_FAIL", "NodeDown");
  }

  /** An administrator puts it back into the queue. */
  requeue(job: FakeJob): void {
    if (job.child !== undefined) this.end(job, "PENDING", "None");
  }

  forget(job: FakeJob): void {
    this.#known.delete(job.id);
    if (!isEnded(job.state) && job.child === undefined) job.state = "CANCELLED";
  }

  /** Ends every script that still runs, also of jobs that Slurm knows nothing of any more. */
  close(): void {
    for (const job of this.all) this.#signal(job, "SIGKILL");
    for (const pid of this.#pids) kill(pid, "SIGKILL");
  }

  readonly #pids = new Set<number>();

  #start(job: FakeJob): void {
    if (job.state !== "PENDING" || job.reason !== "None" || job.child !== undefined) return;
    job.state = "RUNNING";
    const env = {
      ...this.#env,
      SLURM_JOB_ID: job.id,
      SLURM_CLUSTER_NAME: this.clusterName,
      SLURM_JOB_NAME: job.name,
      SLURM_JOB_NUM_NODES: "1",
    };
    const options = { env, stdio: "ignore", detached: true } as const;
    const child = spawn("bash", [job.script, ...job.args], options);
    job.child = child;
    if (child.pid !== undefined) this.#pids.add(child.pid);
    child.once("exit", (code, signal) => {
      if (child.pid !== undefined) this.#pids.delete(child.pid);
      if (job.child === child) this.#ended(job, code, signal);
    });
  }

  #ended(job: FakeJob, code: number | null, signal: NodeJS.Signals | null): void {
    // Slurm leaves nothing of a job that ended.
    this.#signal(job, "SIGKILL");
    job.child = undefined;
    job.exitCode = code ?? 0;
    job.signal = signal === null ? 0 : 9;
    const { next } = job;
    job.next = undefined;
    if (next?.state === "PENDING") {
      job.restarts += 1;
      job.state = "PENDING";
      job.reason = "None";
      setTimeout(() => this.#start(job), 20).unref();
      return;
    }
    const own = code === 0 ? "COMPLETED" : "FAILED";
    this.#become(
      job,
      next?.state ?? own,
      next?.reason ?? (code === 0 ? "None" : "NonZeroExitCode"),
    );
  }

  #become(job: FakeJob, state: SlurmState, reason: string): void {
    job.state = state;
    job.reason = reason;
  }

  #signal(job: FakeJob, signal: NodeJS.Signals): void {
    if (job.child?.pid !== undefined) kill(job.child.pid, signal);
  }
}

/** The solve that a job is an attempt of. */
export function solveOf({ name }: Pick<FakeJob, "name">): string {
  return name.replace(/-\d+$/, "");
}

/** A process group, if it is there. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}
