/**
 * The port to Slurm over its commands (sbatch, squeue, scontrol, scancel). Owns the argument lists:
 * every value in an option passes `checkValue`, paths and other free text travel only as arguments
 * of our fixed script, and every call has a time limit.
 */
import { SystemError } from "../../runtime/errors.ts";
import { SLURM_COMMAND_MS } from "../../runtime/limits.ts";
import type { SlurmConnection } from "./connection.ts";
import {
  isRefusal,
  parseClusterName,
  parseCountsMemory,
  parseIds,
  parseJob,
  parseSubmitted,
} from "./parse.ts";
import {
  checkValue,
  type Slurm,
  type SlurmJob,
  type SlurmJobRef,
  type SubmitOutcome,
  type SubmitRequest,
} from "./slurm.ts";
import { explain, runTool, slurmEnvironment, type ToolResult } from "./tools.ts";

export interface CommandOptions {
  /** Milliseconds for each command. */
  readonly timeoutMs?: number;
  /** Environment to start from; tests put fake commands on its PATH. */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The Slurm behind that connection.
 * @throws {SystemError} SLURM_MISSING without its commands, SLURM_FAILED when it doesn't answer.
 */
export async function connectSlurm(
  connection: SlurmConnection,
  options: CommandOptions = {},
): Promise<Slurm> {
  const env = slurmEnvironment(connection.confPath, options.env);
  const timeoutMs = options.timeoutMs ?? SLURM_COMMAND_MS;
  const { jobEnvironment } = connection;
  const submitEnv =
    jobEnvironment === null ? env : slurmEnvironment(connection.confPath, jobEnvironment);
  const run: Run = (name, args) =>
    runTool(name, args, { env: name === "sbatch" ? submitEnv : env, timeoutMs });
  const config = await expectSuccess(run, "scontrol", ["show", "config"]);
  const clusterName = parseClusterName(config.stdout);
  const countsMemory = parseCountsMemory(config.stdout);
  return slurmOver(run, { clusterName, countsMemory }, jobEnvironment === null);
}

/** The arguments of `sbatch` for a request. @throws {SystemError} USAGE for a bad value. */
export function sbatchArguments(request: SubmitRequest, asLogin: boolean): readonly string[] {
  const whole = (what: string, value: number) => {
    if (Number.isSafeInteger(value) && value >= 1) return String(value);
    throw new SystemError("USAGE", `${what} ${value} isn't a whole number from 1`);
  };
  if (!request.script.startsWith("/")) {
    throw new SystemError("USAGE", `the batch script ${request.script} needs its absolute path`);
  }
  if (request.scriptArguments.some((argument) => argument.includes("\0"))) {
    throw new SystemError("USAGE", "an argument holds a zero byte");
  }
  const options = request.options ?? [];
  if (options.some((option) => !/^--[a-z]/.test(option) || option.includes("\0"))) {
    throw new SystemError("USAGE", `an option of sbatch isn't one: ${JSON.stringify(options)}`);
  }
  return [
    ...options,
    "--hold",
    "--no-requeue",
    "--parsable",
    `--export=${asLogin ? "NONE" : "ALL"}`,
    `--job-name=${checkValue("job name", request.name)}`,
    `--comment=${checkValue("comment", request.comment)}`,
    `--ntasks=${whole("ranks", request.ranks)}`,
    `--time=${whole("time limit", request.timeLimitMinutes)}`,
    // The script writes its own logs: Slurm would expand % and \ in a path given here.
    "--input=/dev/null",
    "--output=/dev/null",
    "--error=/dev/null",
    "--chdir=/",
    request.script,
    ...request.scriptArguments,
  ];
}

type Run = (name: string, args: readonly string[]) => Promise<ToolResult>;

type Known = Pick<Slurm, "clusterName" | "countsMemory">;

function slurmOver(run: Run, { clusterName, countsMemory }: Known, asLogin: boolean): Slurm {
  const poll = (job: SlurmJobRef) => pollJob(run, clusterName, job);
  return {
    clusterName,
    launcher: "srun-pmix",
    countsMemory,
    async submitHeld(request) {
      return submitHeld(run, clusterName, request, sbatchArguments(request, asLogin));
    },
    find: (name) => findJobs(run, clusterName, name),
    poll,
    async release(job) {
      const now = await poll(job);
      if (now === undefined)
        throw new SystemError("SLURM_FAILED", `no slurm job ${job.id} ${job.name}`);
      await expectSuccess(run, "scontrol", ["release", now.id]);
    },
    async cancel(job) {
      const now = await poll(job);
      if (now !== undefined) await expectSuccess(run, "scancel", [now.id]);
    },
  };
}

async function submitHeld(
  run: Run,
  clusterName: string,
  { name }: SubmitRequest,
  args: readonly string[],
): Promise<SubmitOutcome> {
  const result = await run("sbatch", args);
  const id = parseSubmitted(result.stdout);
  if (result.exitCode === 0 && id !== undefined) {
    return { kind: "submitted", job: { clusterName, id, name } };
  }
  if (result.exitCode === 0) {
    return {
      kind: "unknown",
      why: `sbatch answered ${JSON.stringify(result.stdout.slice(0, 200))}`,
    };
  }
  const refused = !result.timedOut && id === undefined && isRefusal(result.stderr);
  return { kind: refused ? "refused" : "unknown", why: explain("sbatch", result) };
}

async function findJobs(run: Run, clusterName: string, name: string): Promise<readonly SlurmJob[]> {
  checkValue("job name", name);
  const who = process.getuid?.() ?? 0;
  const filters = [`--user=${who}`, `--name=${name}`, "--states=all"];
  const list = await expectSuccess(run, "squeue", ["--noheader", ...filters, "--format=%A|%j"]);
  const jobs: SlurmJob[] = [];
  for (const id of parseIds(list.stdout, name)) {
    const job = await pollJob(run, clusterName, { clusterName, id, name });
    if (job !== undefined) jobs.push(job);
  }
  return jobs;
}

async function pollJob(
  run: Run,
  clusterName: string,
  ref: SlurmJobRef,
): Promise<SlurmJob | undefined> {
  if (ref.clusterName !== clusterName) return undefined;
  checkValue("slurm job id", ref.id);
  const result = await run("scontrol", ["--oneliner", "show", "job", ref.id]);
  if (result.exitCode !== 0) {
    if (/Invalid job id/i.test(result.stderr)) return undefined;
    throw new SystemError("SLURM_FAILED", explain("scontrol show job", result));
  }
  const job = parseJob(result.stdout, clusterName);
  return job.id === ref.id && job.name === ref.name ? job : undefined;
}

async function expectSuccess(run: Run, name: string, args: readonly string[]): Promise<ToolResult> {
  const result = await run(name, args);
  if (result.exitCode === 0) return result;
  throw new SystemError("SLURM_FAILED", explain(`${name} ${args[0] ?? ""}`, result));
}
