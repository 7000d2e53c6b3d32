/** Worlds of the conformance suite: the fake's commands, and a real private Slurm. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { connectSlurm } from "../../head/slurm/commands.ts";
import { loopbackNaming } from "../../head/slurm/loopback.ts";
import type { SlurmJobRef, SubmitRequest } from "../../head/slurm/slurm.ts";
import { endAll, spawnBound } from "../../runtime/processes.ts";
import { startTestSlurm } from "../integration/slurm/support.ts";
import type { SlurmWorld } from "./conformance.ts";
import { FakeSlurm } from "./fake.ts";

const SCRIPTS = {
  "ends well": "exit 0",
  "fails with 7": "exit 7",
  // It leaves at once when it is told to.
  "runs on": "trap 'exit 1' TERM; while :; do sleep 0.05; done",
} as const;
/** Milliseconds for a command: of a controller that is gone, clients hope for ~9 s. */
const COMMAND_MS = 1_500;
/** Milliseconds for a controller to write its state: killed, it forgets the latest jobs. */
const SAVE_MS = 10_000;
/** Slurm looks at time limits every 30 s. */
const LONG = process.env["LIGASE_TEST_LONG"] === "1";

function requestsIn(folder: string): SlurmWorld["request"] {
  let made = 0;
  return async (work): Promise<SubmitRequest> => {
    made += 1;
    const script = join(folder, `job-${made}.sh`);
    writeFileSync(script, `#!/bin/sh\n${SCRIPTS[work]}\n`, { mode: 0o755 });
    const comment = `solve=conformance.attempt=${made}.token=0011`;
    const name = `ligase-conformance-${made}`;
    return { name, comment, ranks: 1, timeLimitMinutes: 5, script, scriptArguments: ["a b"] };
  };
}

/** The fake's commands. */
export async function fakeWorld(): Promise<SlurmWorld> {
  const fake = await FakeSlurm.start();
  const connection = { confPath: "/fake.conf", jobEnvironment: null };
  const slurm = await connectSlurm(connection, { env: fake.env, timeoutMs: COMMAND_MS });
  const job = ({ id }: SlurmJobRef) => {
    const found = fake.jobs.get(id);
    if (found === undefined) throw new Error(`no job ${id}`);
    return found;
  };
  return {
    slurm,
    request: requestsIn(fake.folder),
    pass: () => delay(10),
    failNode: async () => {
      for (const one of fake.jobs.known) fake.jobs.failNode(one);
    },
    requeue: async (ref) => fake.jobs.requeue(job(ref)),
    timeOut: async (ref) => fake.jobs.end(job(ref), "TIMEOUT", "TimeLimit"),
    hold: async (ref) => fake.jobs.hold(job(ref), "JobHeldAdmin"),
    stopController: async () => fake.misbehave("the controller is down", 1_000),
    startController: async () => fake.behave(),
    close: () => fake.close(),
  };
}

/** A real private Slurm of one node. */
export async function realWorld(): Promise<SlurmWorld> {
  const at = await startTestSlurm();
  const { started, env, root } = at;
  const slurm = await connectSlurm(started.connection, { timeoutMs: COMMAND_MS });
  const run = promisify(execFile);
  const control = async (...args: string[]) => {
    await run("scontrol", args, { env, timeout: 10_000 });
  };
  let [, controller] = started.processes;
  return {
    slurm,
    request: requestsIn(root),
    pass: () => delay(30),
    failNode: async () => {
      await control("update", "nodename=n1", "state=down", "reason=test");
      // Its own daemon may have registered it anew by now: an idle node can't be resumed.
      await control("update", "nodename=n1", "state=resume").catch(async (error: unknown) => {
        const { stdout } = await run("sinfo", ["-h", "-n", "n1", "-o", "%T"], { env });
        if (stdout.includes("down")) throw error;
      });
    },
    requeue: async ({ id }) => {
      await control("update", `jobid=${id}`, "requeue=1");
      await control("requeue", id);
    },
    ...(LONG && {
      timeOut: ({ id }: SlurmJobRef) => control("update", `jobid=${id}`, "endtime=now"),
    }),
    hold: async ({ id }) => control("hold", id),
    stopController: async () => {
      if (controller !== undefined) await endAll([controller], performance.now() + SAVE_MS);
    },
    startController: async () => {
      const { wrapper } = await loopbackNaming();
      const daemon = spawnBound("slurmctld", ["-D", "-f", started.confPath], {
        ...{ env, cwd: join(root, "slurm"), stdio: "ignore", detached: true, wrapper },
        deathSignal: "KILL",
      });
      controller = daemon.identity;
      for (;;) {
        const answers = await slurm.find("none").catch(() => undefined);
        if (answers !== undefined) return;
        await delay(50);
      }
    },
    close: at.close,
  };
}
