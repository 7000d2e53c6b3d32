/**
 * Where nats-server is. In this order: NATS_SERVER, the set-up's `.cache/bin` (LIGASE_CACHE),
 * PATH. The first that runs and is new enough wins; a NATS_SERVER that can't serve is an error,
 * not a hint.
 */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SystemError } from "../../runtime/errors.ts";
import { NATS_START_MS } from "../../runtime/limits.ts";

/** Accounts by name and nkeys reload as we need them from 2.11 on; Debian 12 ships 2.9. */
const VERSION_MIN = [2, 11] as const;
const NAME = "nats-server";
const ABSENT = "isn't there";

export interface FindOptions {
  /** The environment to read; the process's own by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** The package's folder, which holds `.cache`. */
  readonly root?: string;
}

/**
 * Path of a usable nats-server.
 *
 * @throws {SystemError} NATS_SERVER_MISSING, with what was tried and the command that installs it.
 */
export async function findNatsServer(options: FindOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const asked = env["NATS_SERVER"];
  if (asked) {
    const problem = await problemOf(asked);
    if (problem === undefined) return asked;
    throw new SystemError("NATS_SERVER_MISSING", `NATS_SERVER ${problem}`, { uri: asked });
  }
  const unusable: string[] = [];
  for (const path of candidates(env, options.root ?? packageRoot())) {
    const problem = await problemOf(path);
    if (problem === undefined) return path;
    if (problem !== ABSENT) unusable.push(`; ${path} ${problem}`);
  }
  const what = "run `npm start` once: it installs nats-server";
  throw new SystemError("NATS_SERVER_MISSING", what + unusable.join(""));
}

function packageRoot(): string {
  return fileURLToPath(new URL("../..", import.meta.url));
}

function candidates(env: NodeJS.ProcessEnv, root: string): string[] {
  const cache = resolve(root, env["LIGASE_CACHE"] || ".cache");
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return [join(cache, "bin"), ...folders].map((folder) => join(folder, NAME));
}

async function problemOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
  } catch {
    return ABSENT;
  }
  try {
    const options = { timeout: NATS_START_MS, killSignal: "SIGKILL" } as const;
    const { stdout } = await promisify(execFile)(path, ["--version"], options);
    return versionProblem(stdout);
  } catch {
    return "doesn't run";
  }
}

/** Why the output of `nats-server --version` isn't good enough, or undefined. */
export function versionProblem(output: string): string | undefined {
  const [, major, minor] = /v(\d+)\.(\d+)\.\d+/.exec(output) ?? [];
  if (major === undefined || minor === undefined) return "tells no version";
  const newer = Number(major) - VERSION_MIN[0] || Number(minor) - VERSION_MIN[1];
  return newer >= 0 ? undefined : `is ${major}.${minor}, older than ${VERSION_MIN.join(".")}`;
}
