/**
 * One call at a time, between two processes of one machine: by Unix socket, and through agents and
 * nats-server; beside each a bare ping-pong of as many bytes the same way, in turn with ours. A
 * call through agents takes two hops more than a bare round trip, to the executor and back: that
 * way, too, is measured bare.
 *
 * Estimate: a ping-pong is two writes and two wake-ups, ~17 us; a call adds packing, scan,
 * unpacking and a promise on two sides, ~3 us each, cold after a wake-up. Measured in one session:
 * 17 and 24.
 */
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { COUNTER_PROGRAM } from "./calls.ts";
import { CounterActor } from "./counter.ts";
import { natsPingPong, oneAtATime, relayedPingPong, socketPingPong } from "./limits.ts";
import { moleculer, piscina, ray, RivalRuns, startPlainNats } from "./rivals.ts";

/**
 * Calls of one way in a row, before the next way's turn: so short that all meet the same machine.
 */
const ROUNDS = 500;
const BLOCKS = 20;

/** Medians of each way, in order of the runs. */
type Us = Record<"near" | "socket" | "same" | "far" | "nats" | "relayed", number[]>;

export const latencyBench: Bench = {
  name: "latency",
  async run(times) {
    await using cluster = await connect({ program: COUNTER_PROGRAM });
    const nats = await startPlainNats();
    try {
      return await measure(cluster, nats.url, times);
    } finally {
      await nats.stop();
    }
  },
};

async function measure(cluster: Cluster, url: string, times: number): Promise<BenchResult> {
  const near = await cluster.spawn(CounterActor, []);
  const far = await cluster.spawn(CounterActor, [], { carrier: "nats" });
  const [socket, sameSession] = [await socketPingPong(true), await socketPingPong(false)];
  const [bus, relayed] = [await natsPingPong(url), await relayedPingPong(url)];
  const ways = {
    near: () => oneAtATime(ROUNDS, () => near.inc(1)),
    socket: () => socket.p50Us(ROUNDS),
    same: () => sameSession.p50Us(ROUNDS),
    far: () => oneAtATime(ROUNDS, () => far.inc(1)),
    nats: () => bus.p50Us(ROUNDS),
    relayed: () => relayed.p50Us(ROUNDS),
  };
  const names = Object.keys(ways) as (keyof Us)[];
  await inTurn(ways);
  const us = Object.fromEntries(names.map((name) => [name, []])) as unknown as Us;
  const rivals = new RivalRuns();
  for (let turn = 0; turn < times; turn += 1) {
    for (const [name, p50Us] of Object.entries(await inTurn(ways)))
      us[name as keyof Us].push(p50Us);
    rivals.add("Ray, us", (await ray("latency"))?.p50Us);
    rivals.add("moleculer, TCP, us", (await moleculer("TCP"))?.p50Us);
    rivals.add("moleculer, NATS, us", (await moleculer(url))?.p50Us);
    rivals.add("piscina, us", (await piscina())?.p50Us);
  }
  await Promise.all([socket, sameSession, bus, relayed].map((limit) => limit.stop()));
  const ratios = (a: readonly number[], b: readonly number[]): number =>
    median(a.map((one, i) => one / (b[i] ?? Number.NaN)));
  return {
    name: "latency",
    unit: "us, p50",
    ours: median(us.near),
    runs: us.near,
    also: {
      "limit: bare socket ping-pong, us": median(us.socket),
      "limit: the same within one session, us": median(us.same),
      "ours / bare, socket": ratios(us.near, us.socket),
      "through agents and NATS, us": median(us.far),
      "limit: bare NATS round trip, us": median(us.nats),
      "ours / bare, NATS": ratios(us.far, us.nats),
      "limit: bare NATS round trip with a relay, us": median(us.relayed),
      "ours / bare with a relay": ratios(us.far, us.relayed),
    },
    rivals: rivals.medians(),
  };
}

/** The median of each way over blocks taken in turn. */
async function inTurn(
  ways: Record<keyof Us, () => Promise<number>>,
): Promise<Record<string, number>> {
  const names = Object.keys(ways) as (keyof Us)[];
  const blocks = new Map(names.map((name) => [name, [] as number[]]));
  for (let block = 0; block < BLOCKS; block += 1) {
    for (const name of names) blocks.get(name)?.push(await ways[name]());
  }
  return Object.fromEntries([...blocks].map(([name, all]) => [name, median(all)]));
}
