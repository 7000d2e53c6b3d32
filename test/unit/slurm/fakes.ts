/**
 * Fake Slurm commands on a PATH of their own: each notes its arguments, byte for byte, and then
 * runs the body that the test wrote for it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { connectSlurm } from "../../../head/slurm/commands.ts";
import type { Slurm, SubmitRequest } from "../../../head/slurm/slurm.ts";

export interface Fakes {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Gives a command its body, in sh. */
  set(name: string, body: string): void;
  /** The arguments of each call of a command so far. */
  calls(name: string): readonly (readonly string[])[];
  connect(timeoutMs?: number, jobEnvironment?: Record<string, string>): Promise<Slurm>;
}

/** A folder of fakes that goes when the test ends; `scontrol` knows the cluster `fake1`. */
export function fakeSlurm(): Fakes {
  const folder = mkdtempSync(join(tmpdir(), "lgf-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "calls"));
  const env = { PATH: `${folder}:/usr/bin:/bin`, SLURM_CONF: "/fake.conf" };
  const set = (name: string, body: string) => {
    const note = `for a in "$@"; do printf '%s\\0' "$a"; done; printf '\\001\\0'`;
    const text = `#!/bin/sh\n{ ${note}; } >> ${folder}/calls/${name}\n${body}\n`;
    writeFileSync(join(folder, name), text, { mode: 0o755 });
  };
  set("scontrol", CONTROL);
  const connect = (timeoutMs = 5_000, jobEnvironment: Record<string, string> | null = null) =>
    connectSlurm({ confPath: "/fake.conf", jobEnvironment }, { env, timeoutMs });
  return { folder, env, set, calls: (name) => readCalls(join(folder, "calls", name)), connect };
}

/** A body of scontrol that names the cluster, then goes on with the given one. */
export function controlWith(body: string): string {
  return `case "$*" in "show config") echo "ClusterName   = fake1"; exit 0;; esac\n${body}`;
}

/** One line as `scontrol --oneliner show job` of 22.05 prints it, shortened in the middle. */
export function jobLine(fields: {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly exit?: string;
}): string {
  const { id, name, state, reason = "None", exit = "0:0" } = fields;
  return [
    `JobId=${id} JobName=${name} UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=0 Nice=0`,
    `Account=(null) QOS=(null) JobState=${state} Reason=${reason} Dependency=(null) Requeue=0`,
    `Restarts=0 BatchFlag=1 Reboot=0 ExitCode=${exit} RunTime=00:00:00 TimeLimit=01:00:00`,
    "SubmitTime=2026-11-22T18:10:38 EligibleTime=Unknown Partition=main NodeList= NumNodes=1",
    "NumCPUs=2 NumTasks=2 Command=/tmp/j.sh WorkDir=/tmp Comment=x  StdErr=/dev/null Power= ",
  ].join(" ");
}

export function request(changes: Partial<SubmitRequest> = {}): SubmitRequest {
  return {
    name: "ligase-0123456789ab-1",
    comment: "solve=0123456789ab.attempt=1",
    ranks: 2,
    timeLimitMinutes: 60,
    script: "/opt/attempt.sh",
    scriptArguments: ["/state/a", "run"],
    ...changes,
  };
}

const CONTROL = controlWith("echo no body >&2; exit 1");

function readCalls(path: string): readonly (readonly string[])[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\u0001\0")
    .slice(0, -1)
    .map((call) => call.split("\0").slice(0, -1));
}
