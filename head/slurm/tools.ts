/**
 * Running Slurm's commands: found on PATH, arguments as an array (no shell), an environment that
 * says nothing but which Slurm is meant, and a time limit, because a client without a controller
 * retries for 9 to 60 seconds.
 */
import { execFile } from "node:child_process";
import { SystemError } from "../../runtime/errors.ts";
import { findExecutable } from "../../runtime/processes.ts";

export interface ToolOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

export interface ToolResult {
  readonly stdout: string;
  readonly stderr: string;
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly timedOut: boolean;
}

/** Bytes of a command's answer; `scontrol show config` prints 10 KB. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const SLURM_VARIABLE = /^(SLURM|SBATCH|SALLOC|SQUEUE|SCONTROL|SCANCEL|SINFO|SRUN|PMIX?|OMPI)_/;

/**
 * The environment for Slurm's commands and daemons: ours without the variables by which Slurm takes
 * options (we may run inside a slurm job ourselves), in the C locale, with the given configuration.
 */
export function slurmEnvironment(
  confPath: string | null,
  base: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const kept = Object.entries(base).filter(([name]) => !SLURM_VARIABLE.test(name));
  const conf = confPath ?? base["SLURM_CONF"];
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C",
    ...(conf === undefined ? {} : { SLURM_CONF: conf }),
  };
}

/**
 * What the command answered; a non-zero exit or a time-out is an answer too.
 * @throws {SystemError} SLURM_MISSING when there is no such command.
 */
export function runTool(
  name: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<ToolResult> {
  const path = findExecutable(name, options.env["PATH"]);
  if (path === undefined) {
    return Promise.reject(new SystemError("SLURM_MISSING", `no ${name} on this machine`));
  }
  return new Promise((resolve) => {
    const { env, timeoutMs } = options;
    const limits = {
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES_MAX,
    } as const;
    execFile(path, args, { env, encoding: "utf8", ...limits }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      resolve({ stdout, stderr, exitCode, timedOut: error?.killed ?? false });
    });
  });
}

/** What a failed command said, on one line: its last words on stderr, or how it ended. */
export function explain(name: string, result: ToolResult): string {
  const said = result.stderr.trim().split("\n").slice(-3).join("; ").slice(0, 500);
  const how = result.timedOut ? "timed out" : `exit ${result.exitCode ?? "by signal"}`;
  return said === "" ? `${name}: ${how}` : `${name}: ${how}: ${said}`;
}
