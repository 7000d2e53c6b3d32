/** Whole runs of the command, for benches: in a folder of their own, each from nothing. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";

const BIN = fileURLToPath(new URL("../../head/cli/ligase.mjs", import.meta.url));
const RUN_MS = 300_000;

const resultSchema = v.object({
  reads: v.object({ in: v.number() }),
  seconds: v.object({
    start: v.number(),
    phase1: v.number(),
    solve: v.number(),
    total: v.number(),
  }),
});
export type RunFigures = v.InferOutput<typeof resultSchema>;

/**
 * The result of `ligase run ARGS` with an output folder that is removed after.
 * @param env - beside this process's own.
 */
export async function ligaseRun(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunFigures> {
  const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
  try {
    const lines = (
      await collect(["run", "--json", "--output", join(folder, "out"), ...args], env)
    ).trim();
    return v.parse(resultSchema, JSON.parse(lines.slice(lines.lastIndexOf("\n") + 1)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function collect(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, [BIN, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: RUN_MS,
    env: { ...process.env, ...env },
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(text);
      else reject(new Error(`ligase ended with ${code}`));
    });
  });
}
