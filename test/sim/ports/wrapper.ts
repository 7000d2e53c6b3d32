/**
 * A slurm job's wrapper on its node, as `attempt.sh` is: it runs the solver only when its own id
 * was released and nobody took `started`, beats, ends when `ended` stands, and leaves exit.json.
 */
import type { SlurmJob } from "../../../head/slurm/slurm.ts";
import { SOLVE_BEAT_MS, SOLVE_FENCE_MS } from "../../../runtime/limits.ts";
import type { Random } from "../core/random.ts";
import type { Scheduler } from "../core/scheduler.ts";
import type { SharedFiles } from "./shared-files.ts";

const NOT_RELEASED = 93;
const STARTED_BEFORE = 90;
const GIVEN_UP = 94;
const TERMINATED = 143;
const LOOK_MS = 200;

export interface WrapperWatch {
  /** The solver runs from now on, for the attempt of that name. */
  readonly solverBegins: (name: string, id: string) => void;
  readonly solverEnds: (name: string, id: string, exitCode: number | null) => void;
}

interface WrapperPorts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly files: SharedFiles;
  readonly watch: WrapperWatch;
}

export interface WrapperRun {
  /** Of the attempt. */
  readonly folder: string;
  /** Virtual milliseconds that its solver takes. */
  readonly runMs: number;
  readonly onEnd: (exitCode: number) => void;
}

export class Wrapper {
  readonly #ports: WrapperPorts;
  readonly #job: SlurmJob;
  readonly #run: WrapperRun;
  #state: "waiting" | "solving" | "over" = "waiting";
  #beats = 0;

  constructor(ports: WrapperPorts, job: SlurmJob, run: WrapperRun) {
    this.#ports = ports;
    this.#job = job;
    this.#run = run;
  }

  start(): void {
    this.#awaitRelease(this.#ports.scheduler.nowMs + SOLVE_FENCE_MS);
  }

  /** SIGTERM: it ends its ranks and says so. */
  terminate(): void {
    if (this.#state === "solving") this.#finish(TERMINATED);
    else this.#over();
  }

  /** Its node is gone. */
  kill(): void {
    const wasSolving = this.#state === "solving";
    this.#over();
    if (wasSolving) this.#ports.watch.solverEnds(this.#job.name, this.#job.id, null);
  }

  #over(): void {
    this.#state = "over";
  }

  #awaitRelease(untilMs: number): void {
    const { scheduler, files } = this.#ports;
    if (this.#state !== "waiting") return;
    const { folder } = this.#run;
    const released = files.read(folder, "released");
    if (released === undefined && scheduler.nowMs < untilMs) {
      scheduler.after(LOOK_MS, () => this.#awaitRelease(untilMs));
      return;
    }
    const { clusterName, id } = this.#job;
    if (released?.trim() !== `${clusterName} ${id}`) this.#leave(NOT_RELEASED);
    else if (files.create(folder, "started", `${id}\n`) !== `${id}\n`) this.#leave(STARTED_BEFORE);
    else this.#solve();
  }

  #leave(exitCode: number): void {
    this.#over();
    this.#run.onEnd(exitCode);
  }

  #solve(): void {
    const { scheduler, watch } = this.#ports;
    this.#state = "solving";
    watch.solverBegins(this.#job.name, this.#job.id);
    scheduler.after(this.#run.runMs, () => this.#finish(0));
    this.#beat();
  }

  #beat(): void {
    const { scheduler, files } = this.#ports;
    scheduler.after(SOLVE_BEAT_MS, () => {
      if (this.#state !== "solving") return;
      const { folder } = this.#run;
      if (files.read(folder, "ended") !== undefined) {
        this.#finish(GIVEN_UP);
        return;
      }
      this.#beats += 1;
      files.replace(folder, "heartbeat", `${this.#beats}\n`);
      this.#beat();
    });
  }

  /** Leaves the record of the end, last of all. */
  #finish(exitCode: number): void {
    if (this.#state !== "solving") return;
    const { files, watch } = this.#ports;
    this.#over();
    watch.solverEnds(this.#job.name, this.#job.id, exitCode);
    const signal = exitCode > 128 ? exitCode - 128 : null;
    files.create(this.#run.folder, "exit.json", JSON.stringify({ exitCode, signal }));
    this.#run.onEnd(exitCode);
  }
}
