/**
 * A process that starts a private Slurm, as another user if asked, runs one job, says how it went,
 * and stops it when its standard input ends. Argument: `StarterOptions` as JSON. Answers: lines of
 * JSON.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectSlurm } from "../../../head/slurm/commands.ts";
import { filesIn } from "../../../head/slurm/attempt/files.ts";
import { lookStep, releaseStep, submitStep } from "../../../head/slurm/launch.ts";
import { type PrivateSlurm, startPrivateSlurm } from "../../../head/slurm/private.ts";
import {
  attemptName,
  commentOf,
  prepareAttempt,
  submitRequest,
} from "../../../head/slurm/solve-attempt.ts";
import { processClock } from "../../../runtime/clock.ts";

export interface StarterOptions {
  /** Folder that its user may write. */
  readonly root: string;
  readonly mark: string;
  /** User and group to become, by number. */
  readonly uid?: number;
  /** The job's script in sh; its last argument is where the result goes. */
  readonly script: string;
  /** A copy of attempt.sh that its user may read. */
  readonly attemptScript: string;
}

export interface StarterAnswer {
  readonly uid: number | undefined;
  readonly clusterName: string;
  readonly loopbackOnly: boolean;
  readonly pids: readonly number[];
  /** Where the script of the running job writes. */
  readonly output: string;
}

const options = JSON.parse(process.argv[2] ?? "") as StarterOptions;
become(options.uid);
const started = await startPrivateSlurm({
  folder: join(options.root, "slurm"),
  cpus: 2,
  mark: options.mark,
});
const output = join(options.root, "out", "x_sim.nc");
say({
  uid: process.getuid?.(),
  clusterName: started.clusterName,
  loopbackOnly: started.loopbackOnly,
  pids: started.processes.map(({ pid }) => pid),
  output,
});
say(await runJob(started));
process.stdin.resume();
await once(process.stdin, "end");
say(await started.stop());

/** Everything is loaded by now: the new user needs no right to read the checkout. */
function become(uid: number | undefined): void {
  if (uid === undefined) return;
  process.chdir("/");
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  delete process.env["HOME"];
}

async function runJob({ connection }: PrivateSlurm): Promise<unknown> {
  const slurm = await connectSlurm(connection);
  const folder = join(options.root, "attempt");
  mkdirSync(folder);
  const attempt = {
    solveId: "a".repeat(64),
    attempt: 1,
    ranks: 2,
    timeLimitMinutes: 5,
    folder,
    output,
    mark: options.mark,
    solver: "/bin/sh",
    solverArguments: ["-c", `for out; do :; done\n${options.script}`, "solver"],
  };
  await prepareAttempt(attempt);
  const token = "0011223344556677";
  const request = { ...submitRequest(attempt, token), script: options.attemptScript };
  const held = {
    ...{ slurm, files: filesIn(folder), memory: {}, clock: processClock },
    name: attemptName(attempt.solveId, attempt.attempt),
    comment: commentOf(attempt, token),
  };
  const submitted = await submitStep(held, request, true);
  if (submitted.kind !== "submitted") throw new Error(JSON.stringify(submitted));
  await releaseStep(held, submitted.job);
  for (;;) {
    const answer = await lookStep(held, submitted.job);
    if (answer.kind === "ended") {
      return { state: answer.outcome.state, exitCode: answer.outcome.exitCode };
    }
    await delay(50);
  }
}

function say(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
