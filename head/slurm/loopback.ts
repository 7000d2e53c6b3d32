/**
 * How a private Slurm stays on the loopback device. Its daemons and srun listen on all addresses
 * unless told to use "the address that this host's name resolves to" (NoInAddrAny). Where that
 * isn't 127.0.0.1, the daemons get a name space of their own in which the host is `localhost`.
 * (Debian's own 127.0.1.1 won't do: slurmstepd calls srun back at 127.0.0.1, and the job hangs.)
 * Where name spaces are forbidden, as in a locked-down container, they listen everywhere, behind
 * MUNGE.
 */
import { lookup } from "node:dns/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { SLURM_DETECT_MS } from "../../runtime/limits.ts";
import { runTool } from "./tools.ts";

/** Where a private Slurm's daemons and nodes are reached. */
export const LOOPBACK = "127.0.0.1";

export interface LoopbackNaming {
  /** What the daemons see as the host's short name. */
  readonly host: string;
  /** Command and arguments put before a daemon's; empty where the host's own name serves. */
  readonly wrapper: readonly string[];
  /** Whether nothing listens beyond the loopback device. */
  readonly loopbackOnly: boolean;
}

/** How to name and bind the daemons of a private Slurm on this machine, for a host of that name. */
export async function loopbackNaming(name = hostname()): Promise<LoopbackNaming> {
  const host = name.split(".")[0] ?? name;
  if (await isLoopback(name)) return { host, wrapper: [], loopbackOnly: true };
  const wrapper = renaming();
  if ((await isLoopback("localhost")) && (await works(wrapper))) {
    return { host: "localhost", wrapper, loopbackOnly: true };
  }
  return { host, wrapper: [], loopbackOnly: false };
}

/** An ordinary user needs a user name space first; its capabilities end at the inner setpriv. */
function renaming(): readonly string[] {
  const rename = ["sh", "-c", 'hostname localhost && exec "$@"', "sh"];
  if (process.geteuid?.() === 0) return ["unshare", "--uts", ...rename];
  const spaces = ["unshare", "--user", "--map-current-user", "--keep-caps", "--uts"];
  return [...spaces, ...rename, "setpriv", "--ambient-caps=-all", "--inh-caps=-all"];
}

async function works([command = "", ...args]: readonly string[]): Promise<boolean> {
  const options = { env: process.env, timeoutMs: SLURM_DETECT_MS };
  const result = await runTool(command, [...args, "true"], options).catch(() => undefined);
  return result?.exitCode === 0;
}

async function isLoopback(name: string): Promise<boolean> {
  const late = delay(SLURM_DETECT_MS, undefined, { ref: false });
  const found = await Promise.race([lookup(name, { family: 4 }).catch(() => undefined), late]);
  return found?.address === LOOPBACK;
}
