/**
 * The head's process: configuration in, the ports of a `Head` made, and it is told to go on. Its
 * argument names the JSON file that its supervisor wrote; the end of its standard input is its
 * supervisor's end.
 */
import { randomUUID } from "node:crypto";
import { flushCompileCache } from "node:module";
import type { Bus } from "../../runtime/bus/bus.ts";
import { connectBus } from "../../runtime/bus/nats.ts";
import { processClock } from "../../runtime/clock.ts";
import { takeConfig } from "../../runtime/config-file.ts";
import { type SystemError, toSystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import { anyStorage } from "../../runtime/storage/open.ts";
import type { HeadConfig } from "../cluster/protocol.ts";
import type { SlurmPort } from "./effects.ts";
import { Head, type HeadPorts } from "./head.ts";
import type { SolveRunner } from "./solve-runner.ts";
import { solverSha256 } from "./solver-binary.ts";
import { Supervisor } from "./supervised.ts";

async function main(supervisor: Supervisor): Promise<void> {
  const config = (await takeConfig(process.argv[2] ?? "")) as HeadConfig;
  const identity = config.identity as Identity;
  const bus = await connectBus({ ...config, identity, url: config.natsUrl, name: "head" });
  const { cluster, stateUri, slurmMode, standby, tail } = config;
  const options = { cluster, stateUri, slurmMode, standby, tail };
  const solver = await solverSha256();
  const head = new Head({ ...options, solverSha256: solver }, portsOf(config, bus, supervisor));
  supervisor.onStop(() => head.stop());
  await head.start();
  supervisor.ready();
  // This process ends by a kill, and would never leave what it compiled to the next one.
  setImmediate(() => flushCompileCache());
}

function portsOf(config: HeadConfig, bus: Bus, supervisor: Supervisor): HeadPorts {
  return {
    clock: processClock,
    nowMs: () => Math.round(performance.timeOrigin + performance.now()),
    wallMs: () => Date.now(),
    bus,
    storage: anyStorage,
    newId: randomUUID,
    slurm: slurmPort(config, supervisor),
    warn: (line) => void process.stderr.write(`${line}\n`),
    fatal: (error) => end(supervisor, error),
    onLeading: ({ number }) => supervisor.leads(number),
    onTail: (tail) => supervisor.tail(tail),
  };
}

/** Most clusters never solve anything, and Slurm's side is a fifth of the head's code. */
function slurmPort({ stateDir, mark }: HeadConfig, supervisor: Supervisor): SlurmPort {
  let runner: Promise<SolveRunner> | undefined;
  const load = async (): Promise<SolveRunner> => {
    const { SolveRunner } = await import("./solve-runner.ts");
    return new SolveRunner({
      ...{ stateFolder: stateDir, mark },
      access: () => supervisor.slurm(),
      setActive: (jobs) => supervisor.setActive(jobs),
    });
  };
  return {
    run: async (target, step) => {
      try {
        runner ??= load();
        return await (await runner).run(target, step);
      } catch (thrown) {
        return { kind: "failed", error: toSystemError(thrown).toData() };
      }
    },
  };
}

/** A log that another head owns, or a damaged one, isn't mended by starting this head again. */
function end(supervisor: Supervisor, error: SystemError): void {
  if (error.code.startsWith("LOG_") && error.retry === "never") supervisor.fatal(error);
  else supervisor.fail(error);
}

const supervisor = new Supervisor();
main(supervisor).catch((thrown: unknown) => end(supervisor, toSystemError(thrown)));
