/**
 * A fake Slurm: a controller in this process, and sbatch, squeue, scontrol, scancel, sinfo and srun
 * on a PATH of their own, which ask it over a socket as Slurm's commands do. Jobs run their batch
 * script as processes. Each misbehaviour is asked for by name, a number of times, and counted.
 * What srun runs holds a lock: a second solver of one solve at a time is a violation.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isEnded } from "../../head/slurm/slurm.ts";
import { jobLine } from "../unit/slurm/fakes.ts";
import { type FakeJob, FakeJobs } from "./jobs.ts";

/** What a command may do instead of what it should. */
export const MISBEHAVIOURS = [
  /** sbatch: the job is there, the answer isn't. */
  "sbatch accepts and never answers",
  "sbatch never answers",
  "sbatch accepts and says that it timed out",
  "sbatch accepts and says that it refused",
  "sbatch accepts twice",
  "sbatch accepts and squeue lags",
  "sbatch is refused for a moment",
  "squeue shows nothing",
  "squeue says that it timed out",
  "scontrol never answers",
  "scontrol release takes place and never answers",
  "scontrol release is lost",
  "scancel is ignored",
  "scancel fails",
  "the controller is down",
] as const;
export type Misbehaviour = (typeof MISBEHAVIOURS)[number];

interface Answer {
  readonly code: number;
  readonly out?: string;
  readonly error?: string;
}

const NO_CONTROLLER = "error: Unable to contact slurm controller (connect failure)";
const TIMED_OUT = "error: Socket timed out on send/recv operation";
/** Calls of squeue that don't show a job which lags. */
const LAG = 3;

export class FakeSlurm {
  /** Holds everything. */
  readonly folder: string;
  /** Environment in which Slurm's commands are these. */
  readonly env: NodeJS.ProcessEnv;
  readonly jobs: FakeJobs;
  /** How often each came to pass. */
  readonly counts = new Map<Misbehaviour, number>();
  /** Calls of each command. */
  readonly calls: string[][] = [];
  readonly #due = new Map<Misbehaviour, number>();
  readonly #sockets = new Set<Socket>();
  readonly #unanswered = new Set<Socket>();
  readonly #server: Server;

  private constructor(folder: string, server: Server, port: number) {
    this.folder = folder;
    this.#server = server;
    const bin = join(folder, "bin");
    mkdirSync(bin);
    mkdirSync(join(folder, "locks"));
    const path = `${bin}:${process.env["PATH"] ?? ""}`;
    this.env = { PATH: path, SLURM_CONF: "/fake.conf", TMPDIR: folder };
    this.jobs = new FakeJobs("fake1", { PATH: path, TMPDIR: folder });
    for (const name of ["sbatch", "squeue", "scontrol", "scancel", "sinfo"]) {
      writeFileSync(join(bin, name), client(name, port), { mode: 0o755 });
    }
    writeFileSync(join(bin, "srun"), ranks(folder), { mode: 0o755 });
    server.on("connection", (socket) => this.#serve(socket));
  }

  static async start(): Promise<FakeSlurm> {
    const folder = mkdtempSync(join(tmpdir(), "lgk-"));
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return new FakeSlurm(folder, server, address.port);
  }

  /** The next times that it can, this comes to pass. */
  misbehave(how: Misbehaviour, times = 1): void {
    this.#due.set(how, (this.#due.get(how) ?? 0) + times);
  }

  /** From now on everything is as it should be. */
  behave(): void {
    this.#due.clear();
    // What never got an answer gets none.
    for (const socket of this.#unanswered) socket.destroy();
  }

  /** Names of attempts whose solver was started, one for each start. */
  executions(): readonly string[] {
    return this.#lines("executions");
  }

  /** What must never be, and was. */
  violations(): readonly string[] {
    const names = this.executions();
    const twice = names.filter((name, i) => names.indexOf(name) !== i);
    return [
      ...this.jobs.violations,
      ...this.#lines("overlaps").map((name) => `${name} ran beside another attempt`),
      ...twice.map((name) => `${name} ran twice`),
    ];
  }

  #lines(name: string): readonly string[] {
    try {
      return readFileSync(join(this.folder, name), "utf8").split("\n").slice(0, -1);
    } catch {
      return [];
    }
  }

  async close(): Promise<void> {
    this.jobs.close();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#unanswered.delete(socket);
    });
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("utf8");
      if (!text.endsWith("\u0001\0")) return;
      const [name = "", ...args] = text.split("\0").slice(0, -2);
      this.calls.push([name, ...args]);
      const answer = this.#answer(name, args);
      if (answer === null) this.#unanswered.add(socket);
      else reply(socket, answer);
    });
  }

  /** Null: no answer, ever. */
  #answer(name: string, args: readonly string[]): Answer | null {
    if (this.#take("the controller is down")) return { code: 1, error: NO_CONTROLLER };
    switch (name) {
      case "sbatch":
        return this.#submit(args);
      case "squeue":
        return this.#list(args);
      case "scontrol":
        return this.#control(args);
      case "scancel":
        return this.#cancel(args);
      case "sinfo":
        return { code: 0, out: "1" };
      default:
        return { code: 1, error: `no ${name}` };
    }
  }

  #submit(args: readonly string[]): Answer | null {
    if (this.#take("sbatch never answers")) return null;
    if (this.#take("sbatch is refused for a moment"))
      return { code: 1, error: `sbatch: ${TIMED_OUT}` };
    if (args.includes("--partition=nowhere")) {
      const why = "Batch job submission failed: Invalid partition name specified";
      return { code: 1, error: `sbatch: error: ${why}` };
    }
    const job = this.#add(args);
    if (this.#take("sbatch accepts and never answers")) return null;
    if (this.#take("sbatch accepts and says that it timed out")) {
      return { code: 1, error: `sbatch: ${TIMED_OUT}` };
    }
    if (this.#take("sbatch accepts and says that it refused")) {
      return { code: 1, error: "sbatch: error: Batch job submission failed: Unspecified error" };
    }
    if (this.#take("sbatch accepts twice")) this.#add(args);
    return { code: 0, out: job.id };
  }

  #add(args: readonly string[]): FakeJob {
    const at = args.findIndex((argument) => argument.startsWith("/"));
    const value = (option: string) =>
      args.find((one) => one.startsWith(`--${option}=`))?.slice(option.length + 3) ?? "";
    const hidden = this.#take("sbatch accepts and squeue lags") ? LAG : 0;
    const [script = "", ...rest] = args.slice(at);
    const job = this.jobs.add({
      ...{ name: value("job-name"), comment: value("comment"), script, args: rest, hidden },
    });
    return job;
  }

  #list(args: readonly string[]): Answer {
    if (this.#take("squeue says that it timed out")) {
      return { code: 1, error: `slurm_load_jobs ${TIMED_OUT}` };
    }
    if (this.#take("squeue shows nothing")) return { code: 0 };
    const name = args.find((one) => one.startsWith("--name="))?.slice("--name=".length);
    const shown = this.jobs.known.filter((job) => {
      if (name !== undefined && job.name !== name) return false;
      job.hidden -= 1;
      return job.hidden < 0;
    });
    return { code: 0, out: shown.map((job) => `${job.id}|${job.name}`).join("\n") };
  }

  #control(args: readonly string[]): Answer | null {
    if (this.#take("scontrol never answers")) return null;
    if (args[0] === "show" && args[1] === "config") {
      return { code: 0, out: `ClusterName             = ${this.jobs.clusterName}` };
    }
    const job = this.jobs.get(args.at(-1) ?? "");
    if (job === undefined) {
      return { code: 1, error: "slurm_load_jobs error: Invalid job id specified" };
    }
    if (args[0] === "release") return this.#release(job);
    const exit = `${job.exitCode}:${job.signal}`;
    const line = jobLine({ ...job, exit }).replace("Restarts=0", `Restarts=${job.restarts}`);
    return { code: 0, out: line.replace("Comment=x", `Comment=${job.comment}`) };
  }

  #release(job: FakeJob): Answer | null {
    if (isEnded(job.state)) {
      return { code: 1, error: "Job has already finished for job" };
    }
    if (this.#take("scontrol release is lost")) return { code: 0 };
    this.jobs.release(job);
    return this.#take("scontrol release takes place and never answers") ? null : { code: 0 };
  }

  #cancel(args: readonly string[]): Answer {
    if (this.#take("scancel fails")) return { code: 1, error: `scancel: ${TIMED_OUT}` };
    const job = this.jobs.get(args.at(-1) ?? "");
    if (job !== undefined && !this.#take("scancel is ignored")) this.jobs.end(job, "CANCELLED");
    return { code: 0 };
  }

  #take(how: Misbehaviour): boolean {
    const due = this.#due.get(how) ?? 0;
    if (due === 0) return false;
    this.#due.set(how, due - 1);
    this.counts.set(how, (this.counts.get(how) ?? 0) + 1);
    return true;
  }
}

function reply(socket: Socket, { code, out = "", error = "" }: Answer): void {
  const lines = (mark: string, text: string) =>
    text === "" ? [] : text.split("\n").map((line) => `${mark}${line}`);
  socket.end([`${code}`, ...lines("O", out), ...lines("E", error), ""].join("\n"));
}

/** A command of Slurm: its arguments go to the controller, byte for byte, its answer to us. */
function client(name: string, port: number): string {
  return `#!/bin/bash
if ! exec 3<>/dev/tcp/127.0.0.1/${port}; then echo "${name}: ${NO_CONTROLLER}" >&2; exit 1; fi
printf '%s\\0' ${name} "$@" $'\\001' >&3
IFS= read -r code <&3 || { echo "${name}: ${TIMED_OUT}" >&2; exit 1; }
while IFS= read -r line <&3; do
  case $line in O*) printf '%s\\n' "\${line:1}" ;; E*) printf '%s\\n' "\${line:1}" >&2 ;; esac
done
exit "$code"
`;
}

/** One rank, under a lock of its solve: who finds it taken ran beside another. */
function ranks(folder: string): string {
  return `#!/bin/bash
[[ $1 == --mpi=list ]] && { echo pmix; exit; }
while [[ $1 == --* ]]; do shift; done
printf '%s\\n' "$SLURM_JOB_NAME" >>'${folder}/executions'
exec 7>>'${folder}/locks/'"\${SLURM_JOB_NAME%-*}"
flock -n 7 || printf '%s\\n' "$SLURM_JOB_NAME" >>'${folder}/overlaps'
exec "$@"
`;
}
