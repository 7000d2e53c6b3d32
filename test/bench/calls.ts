/**
 * One caller, one actor, 1,000 calls in flight, in two processes of one machine: by Unix socket,
 * and through agents and nats-server. Beside them packed calls without semantics: what the socket,
 * the promises and the packing into frames alone leave.
 *
 * Estimate: 2.5 us a call on the busier side (400,000/s): pack 0.2, unpack and scan 0.3, the
 * promise and its await 0.2, pending and credit 0.1, frame and socket 0.1 (256 calls a frame); the
 * rest is the garbage of it all. Measured: 1.2 us at the caller, 0.8 at the actor.
 */
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { CounterActor, inFlight } from "./counter.ts";
import { packedCalls } from "./limits.ts";
import { moleculer, piscina, ray, rawNats, RivalRuns, startPlainNats } from "./rivals.ts";

export const COUNTER_PROGRAM = new URL("./counter.ts", import.meta.url);
const CALLS = 400_000;
const WARM_UP = 200_000;

/** Calls a second over one carrier. */
interface Way {
  readonly name: string;
  readonly carrier: "auto" | "nats";
  /** Runs the rivals that go the same way. */
  readonly rivals: (runs: RivalRuns) => Promise<void>;
}

export const callsBench: Bench = benchOf({
  name: "calls",
  carrier: "auto",
  async rivals(runs) {
    runs.add("Ray, /s", (await ray("calls"))?.callsPerSecond);
    runs.add("moleculer, TCP, /s", (await moleculer("TCP"))?.callsPerSecond);
    runs.add("piscina, /s", (await piscina())?.callsPerSecond);
  },
});

export const callsNatsBench: Bench = benchOf({
  name: "calls-nats",
  carrier: "nats",
  async rivals(runs) {
    const nats = await startPlainNats();
    try {
      runs.add("moleculer, NATS, /s", (await moleculer(nats.url))?.callsPerSecond);
      runs.add("NATS client's own requests, /s", (await rawNats(nats.port))?.callsPerSecond);
    } finally {
      await nats.stop();
    }
  },
});

function benchOf(way: Way): Bench {
  return {
    name: way.name,
    async run(times) {
      await using cluster = await connect({ program: COUNTER_PROGRAM });
      return await measure(cluster, way, times);
    },
  };
}

async function measure(cluster: Cluster, way: Way, times: number): Promise<BenchResult> {
  const counter = await cluster.spawn(CounterActor, [], { carrier: way.carrier });
  const packed = await packedCalls();
  const [runs, limits, asyncs, caller]: number[][] = [[], [], [], []];
  const rivals = new RivalRuns();
  await inFlight(WARM_UP, () => counter.inc(1));
  await packed.callsPerSecond(WARM_UP);
  for (let turn = 0; turn < times; turn += 1) {
    const before = process.cpuUsage();
    runs?.push(await inFlight(CALLS, () => counter.inc(1)));
    const used = process.cpuUsage(before);
    caller?.push((used.user + used.system) / CALLS);
    asyncs?.push(await inFlight(CALLS / 2, () => counter.later(1)));
    limits?.push(await packed.callsPerSecond(CALLS));
    await way.rivals(rivals);
  }
  await packed.stop();
  return {
    name: way.name,
    unit: "calls/s",
    ours: median(runs ?? []),
    runs: runs ?? [],
    also: {
      "an async method, /s": median(asyncs ?? []),
      "processor time of the caller, us a call": median(caller ?? []),
      "limit: packed calls without semantics, Unix socket, /s": median(limits ?? []),
    },
    rivals: rivals.medians(),
  };
}
