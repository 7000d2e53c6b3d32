/**
 * Which Slurm a cluster gets (`--slurm auto|system|private`): the machine's own when it answers and
 * can start ranks, else a private one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { SystemError } from "../../runtime/errors.ts";
import {
  SLURM_COMMAND_MS,
  SLURM_DETECT_MS,
  SLURM_RETRY_MS,
  SLURM_SEARCH_MS,
} from "../../runtime/limits.ts";
import { findExecutable } from "../../runtime/processes.ts";
import { type CommandOptions, connectSlurm } from "./commands.ts";
import { connectionOf } from "./connection.ts";
import type { Slurm } from "./slurm.ts";
import { runTool, slurmEnvironment } from "./tools.ts";

export type SlurmChoice =
  | { readonly kind: "system"; readonly slurm: Slurm }
  | { readonly kind: "private" };

/** The line that installs what a private Slurm needs on Debian and Ubuntu. */
export const SLURM_INSTALL =
  "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge openmpi-bin";

const CLIENTS = ["sbatch", "squeue", "scontrol", "scancel", "sinfo", "srun"];
const DAEMONS = ["munged", "slurmctld", "slurmd"];

/**
 * The machine's own Slurm, connected, or the advice to start a private one.
 * @param find - where an executable stands, if it does.
 * @throws {SystemError} SLURM_MISSING with what to install, when the mode can't be served.
 */
export async function detectSlurm(
  mode: "auto" | "system" | "private",
  options: CommandOptions & { readonly waitMs?: number } = {},
  find: (name: string, path?: string) => string | undefined = findExecutable,
): Promise<SlurmChoice> {
  const path = options.env?.["PATH"];
  if (mode !== "private") {
    // Asked for by name, one that is silent for a moment isn't missing.
    const isThere = mode === "system" && CLIENTS.every((name) => find(name, path) !== undefined);
    const waitMs = isThere ? (options.waitMs ?? SLURM_SEARCH_MS) : 0;
    const found = await systemSlurm(options, performance.now() + waitMs);
    if (typeof found !== "string") return { kind: "system", slurm: found };
    if (mode === "system") {
      throw new SystemError("SLURM_MISSING", `the machine's own Slurm can't be used: ${found}`);
    }
  }
  const missing = [...CLIENTS, ...DAEMONS].filter((name) => find(name, path) === undefined);
  if (missing.length === 0) return { kind: "private" };
  const what = `${missing.join(", ")} not found: ${SLURM_INSTALL}`;
  throw new SystemError("SLURM_MISSING", what);
}

/** The machine's own Slurm, or why it couldn't be used until `untilMs` (performance.now()). */
async function systemSlurm(options: CommandOptions, untilMs: number): Promise<Slurm | string> {
  for (;;) {
    const found = await lookForSystem(options);
    const isFinal = typeof found !== "string" || found === NO_PMIX;
    if (isFinal || performance.now() + SLURM_RETRY_MS > untilMs) return found;
    await delay(SLURM_RETRY_MS);
  }
}

const NO_PMIX = "its srun has no pmix";

async function lookForSystem(options: CommandOptions): Promise<Slurm | string> {
  const env = slurmEnvironment(null, options.env);
  const timeoutMs = Math.min(options.timeoutMs ?? SLURM_COMMAND_MS, SLURM_DETECT_MS);
  try {
    const nodes = await runTool("sinfo", ["--noheader", "--format=%D"], { env, timeoutMs });
    if (nodes.exitCode !== 0 || !/[1-9]/.test(nodes.stdout)) return "sinfo shows no nodes";
    const types = await runTool("srun", ["--mpi=list"], { env, timeoutMs });
    if (!/\bpmix/.test(types.stdout + types.stderr)) return NO_PMIX;
    return await connectSlurm(connectionOf({ confPath: null, clusterName: "" }, ""), options);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
