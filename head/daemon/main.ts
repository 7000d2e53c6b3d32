/**
 * The head's process: configuration in, bus and log opened, the daemon fed. Its argument names the
 * JSON file that its supervisor wrote; the end of its standard input is its supervisor's end.
 */
import { flushCompileCache } from "node:module";
import { connectBus } from "../../runtime/bus/nats.ts";
import { takeConfig } from "../../runtime/config-file.ts";
import { toSystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import { BEACON_INTERVAL_MS, TICK_MS } from "../../runtime/limits.ts";
import type { HeadConfig } from "../cluster/protocol.ts";
import { newHeadState } from "../core/core.ts";
import { HeadDaemon } from "./daemon.ts";
import { carryOutWith } from "./effects.ts";
import { takeLead } from "./lead.ts";
import { HeadMouth, listenAsHead } from "./mouth.ts";
import { solverSha256 } from "./solver-binary.ts";
import { Supervisor } from "./supervised.ts";

async function main(supervisor: Supervisor): Promise<void> {
  const config = (await takeConfig(process.argv[2] ?? "")) as HeadConfig;
  const { state: durable, log } = await takeLead(config.stateDir);
  const identity = config.identity as Identity;
  const bus = await connectBus({ ...config, identity, url: config.natsUrl, name: "head" });
  const mouth = new HeadMouth(bus, config.cluster, log.epoch);
  const stateFolder = config.stateDir;
  const solver = await solverSha256();
  const state = newHeadState(
    durable,
    { stateFolder, solverSha256: solver, slurm: config.slurmMode },
    nowMs(),
  );
  const daemon: HeadDaemon = new HeadDaemon(state, {
    now: nowMs,
    append: (facts) => log.append(facts),
    carryOut: (effects) => carryOut(effects),
    fatal: (error) => end(error),
  });
  const carryOut = carryOutWith({ config, mouth, supervisor, feed: (event) => daemon.feed(event) });
  const end = (error: Error): void => {
    daemon.stop();
    supervisor.fatal(toSystemError(error));
  };
  supervisor.onStop(async () => {
    daemon.stop();
    await bus.close();
  });
  listenAsHead(bus, config.cluster, { daemon, mouth, end });
  setInterval(() => mouth.beacon(log.tail), BEACON_INTERVAL_MS);
  setInterval(() => daemon.feed({ type: "tick" }), TICK_MS);
  mouth.beacon(log.tail);
  await bus.flush();
  supervisor.ready();
  // This process ends by a kill, and would never leave what it compiled to the next one.
  setImmediate(() => flushCompileCache());
}

/** Milliseconds since 1970 by a clock that no correction sets back: waits depend on it. */
function nowMs(): number {
  return Math.round(performance.timeOrigin + performance.now());
}

const supervisor = new Supervisor();
main(supervisor).catch((thrown: unknown) => {
  const error = toSystemError(thrown);
  // A log that another head owns, or a damaged one, isn't mended by starting again.
  if (error.code.startsWith("LOG_")) return supervisor.fatal(error);
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
