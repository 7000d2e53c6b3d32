/**
 * The simulator's ports keep the promises of the real ones: the same suites run on both. Here
 * virtual time passes by itself, an event a turn.
 */
import { join } from "node:path";
import { afterEach, onTestFinished } from "vitest";
import { newIdentity } from "../../runtime/ids.ts";
import { startNatsServer } from "../../head/cluster/nats-server.ts";
import {
  busOf,
  cleanUp,
  CLUSTER,
  onEnd,
  startTestServer,
  until,
} from "../integration/cluster/support.ts";
import { storageSuite } from "../storage-suite.ts";
import { slurmConformance } from "../slurm/conformance.ts";
import { busSuite } from "./bus-suite.ts";
import { Machine, SimProcess } from "./core/process.ts";
import { Random } from "./core/random.ts";
import { Scheduler } from "./core/scheduler.ts";
import { Trace } from "./core/trace.ts";
import { noBusFaults, SimServer } from "./ports/bus.ts";
import { SharedFiles } from "./ports/shared-files.ts";
import { Controller, type Launch, noSlurmFaults, SimSlurm } from "./ports/slurm.ts";
import { noStorageFaults, SimStorage, Vault } from "./ports/storage.ts";

afterEach(cleanUp);

interface World {
  readonly scheduler: Scheduler;
  readonly process: (name: string) => SimProcess;
  readonly stop: () => void;
}

/** A world whose events happen one a turn of the event loop. */
function running(): World {
  const scheduler = new Scheduler(new Random(1), new Trace({ kept: 1 }));
  let isOver = false;
  const next = (): void => {
    scheduler.step(Number.POSITIVE_INFINITY);
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  const process = (name: string): SimProcess => {
    const clock = { rate: 1, bootedMs: 0, wrongMs: 0 };
    return new SimProcess(scheduler, new Machine(scheduler, name, clock), name);
  };
  return { scheduler, process, stop: () => (isOver = true) };
}

storageSuite(
  "the simulator's",
  () => {
    const { scheduler, process, stop } = running();
    onTestFinished(stop);
    const random = scheduler.random.fork("storage");
    const ports = { vault: new Vault(), faults: noStorageFaults(), random, process: process("a") };
    return Promise.resolve({ storage: new SimStorage(ports), root: "/root" });
  },
  { largeBytes: 100_000, racedBytes: 10_000 },
);

/** Jobs that do what the suite asks for. */
const launchAs =
  (scheduler: Scheduler): Launch =>
  (_job, { scriptArguments: [work = ""] }, onEnd) => {
    const end = (): void => onEnd(work === "ends well" ? 0 : 7);
    const start = (): void => void (work === "runs on" || scheduler.after(50, end));
    return { start, terminate: () => undefined, kill: () => undefined };
  };

slurmConformance("the simulator", () => {
  const { scheduler, process, stop } = running();
  const random = scheduler.random.fork("slurm");
  const faults = noSlurmFaults();
  const nothing = (): void => undefined;
  const watch = {
    submitted: nothing,
    released: nothing,
    solverBegins: nothing,
    solverEnds: nothing,
  };
  const files = new SharedFiles(noStorageFaults(), random);
  const launch = launchAs(scheduler);
  const controller = new Controller({ scheduler, random, faults, files, watch, launch });
  let number = 0;
  return Promise.resolve({
    slurm: new SimSlurm(controller, process("head")),
    request: (work) => {
      number += 1;
      return Promise.resolve({
        name: `ligase-suite-${number}`,
        comment: `solve=suite.attempt=${number}.token=t`,
        ranks: 1,
        timeLimitMinutes: 1,
        script: "/attempt.sh",
        scriptArguments: [work],
      });
    },
    pass: () => new Promise((resolve) => void scheduler.after(20, resolve)),
    failNode: () => Promise.resolve(controller.failNodes()),
    timeOut: ({ id }) => Promise.resolve(controller.timeOut(id)),
    requeue: ({ id }) => Promise.resolve(controller.requeue(id)),
    hold: ({ id }) => Promise.resolve(controller.hold(id)),
    stopController: () => Promise.resolve(void (faults.silent = 1)),
    startController: () => Promise.resolve(void (faults.silent = 0)),
    close: () => Promise.resolve(stop()),
  });
});

busSuite("the simulator", () => {
  const { scheduler, process, stop } = running();
  onTestFinished(stop);
  const server = new SimServer(noBusFaults(), scheduler.random.fork("bus"));
  const busAs = (role: "h" | "w") => server.connect(process(role), newIdentity(role));
  return Promise.resolve({
    cluster: CLUSTER,
    head: busAs("h"),
    workers: [busAs("w"), busAs("w")],
    until: (what, condition) => until(what, condition).then(() => undefined),
    stopServer: () => Promise.resolve(server.setUp(false)),
    startServer: () => Promise.resolve(server.setUp(true)),
  });
});

busSuite("nats-server", async () => {
  const { server, keyring, folder } = await startTestServer();
  const busAs = async (role: "head" | "worker") => busOf(server.url, await keyring.mint(role));
  const [head, one, two] = [await busAs("head"), await busAs("worker"), await busAs("worker")];
  const port = Number(new URL(server.url).port);
  return {
    cluster: CLUSTER,
    head,
    workers: [one, two],
    until: (what, condition) => until(what, condition).then(() => undefined),
    stopServer: () => server.stop(),
    startServer: async () => {
      const logPath = join(folder, "again.log");
      const again = await startNatsServer({ cluster: CLUSTER, folder, logPath, port });
      onEnd(() => again.stop());
    },
  };
});
