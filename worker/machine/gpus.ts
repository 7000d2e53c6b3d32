/**
 * The GPUs of this machine: how many nvidia-smi counts, and which of them this process may use.
 * They are named by their place among those that the agent may use itself, from 0.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Which GPUs CUDA shows to a process, in the order in which it counts them. */
const VARIABLE = "CUDA_VISIBLE_DEVICES";
/** For nvidia-smi, milliseconds: a machine that has just started takes seconds for its first. */
const COUNT_MS = 20_000;

/**
 * GPUs that work here may use; 0 where there is no nvidia-smi.
 * @param warn - takes a line when nvidia-smi is there and doesn't answer: then there are none.
 */
export async function countGpus(
  warn: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const visible = visibleIn(env);
  if (visible?.length === 0) return 0;
  try {
    const asked = ["--query-gpu=index", "--format=csv,noheader"];
    const options = { env, timeout: COUNT_MS, killSignal: "SIGKILL" } as const;
    const { stdout } = await promisify(execFile)("nvidia-smi", asked, options);
    const count = stdout.split("\n").filter((line) => /^\s*\d+\s*$/.test(line)).length;
    return Math.min(count, visible?.length ?? count);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT") warn(`nvidia-smi: ${message.trim()}: this worker offers no GPU\n`);
    return 0;
  }
}

/** What the variable names; undefined when it isn't set. CUDA stops at the first that is none. */
function visibleIn(env: NodeJS.ProcessEnv): string[] | undefined {
  const text = env[VARIABLE];
  if (text === undefined) return undefined;
  const names = text.split(",").map((name) => name.trim());
  const end = names.findIndex((name) => name === "" || name.startsWith("-"));
  return end === -1 ? names : names.slice(0, end);
}

let isChosen = false;

/**
 * Lets this process see these GPUs alone, for life: CUDA reads the variable at its first call, so
 * it is said before any program is loaded. Only the first call does something.
 */
export function useGpus(gpus: readonly number[], env: NodeJS.ProcessEnv = process.env): void {
  if (gpus.length === 0 || isChosen) return;
  isChosen = env === process.env;
  const visible = visibleIn(env);
  env[VARIABLE] = gpus.map((gpu) => visible?.[gpu] ?? String(gpu)).join(",");
}
