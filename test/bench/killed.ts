/**
 * SIGKILL of an executor until the call that was under way in it is answered: with OUTCOME_UNKNOWN;
 * or, when it has retries and its actor restarts, by the next life, which takes a warm spare.
 */
import { connect, withOptions } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { SystemError } from "../../runtime/errors.ts";
import { type Bench, type BenchResult, median, quantile } from "./bench.ts";
import { EchoActor } from "./echo.ts";
import { atRest } from "./machine.ts";
import { ray, RivalRuns } from "./rivals.ts";

const PROGRAM = new URL("./echo.ts", import.meta.url);
/** Kills of each kind in one run, each after a rest of about a second: five runs take ~2 min. */
const KILLS_EACH = 5;
/** Kills from which a p99 says something. */
const P99_KILLS_MIN = 100;
/** Lives of one actor: one that dies more often within a second is held back. */
const LIVES = 5;
/** Milliseconds in which a call that was made has certainly been begun. */
const BEGUN_MS = 20;

export const killedBench: Bench = {
  name: "killed",
  async run(times) {
    await using cluster = await connect({ program: PROGRAM });
    return await measure(cluster, times);
  },
};

async function measure(cluster: Cluster, times: number): Promise<BenchResult> {
  const [answered, overNats, moved]: number[][] = [[], [], []];
  const rivals = new RivalRuns();
  for (let turn = 0; turn < times; turn += 1) {
    for (let i = 0; i < KILLS_EACH; i += 1) answered?.push(await killAnswered(cluster, "auto"));
    for (let i = 0; i < KILLS_EACH; i += 1) overNats?.push(await killAnswered(cluster, "nats"));
    for (let i = 0; i < KILLS_EACH; i += LIVES) moved?.push(...(await killMoved(cluster)));
    const last = [answered, overNats, moved].map((all) => `${all?.at(-1)?.toFixed(0)} ms`);
    process.stderr.write(`  killed ${turn + 1}/${times}: ${last.join(", ")}\n`);
    const of = await ray("killed");
    rivals.add("Ray, answered p50, ms", of?.answeredP50Ms);
    rivals.add("Ray, answered p99, ms", of?.answeredP99Ms);
    rivals.add("Ray, re-dispatched p50, ms", of?.movedP50Ms);
    rivals.add("Ray, re-dispatched p99, ms", of?.movedP99Ms);
  }
  return {
    name: "killed",
    unit: "ms",
    ours: median(answered ?? []),
    runs: answered ?? [],
    also: {
      ...spread("answered", answered ?? []),
      ...spread("answered over NATS", overNats ?? []),
      ...spread("re-dispatched", moved ?? []),
    },
    rivals: rivals.medians(),
  };
}

function spread(what: string, values: readonly number[]): Record<string, number> {
  const p99 = { [`${what} p99, ms`]: quantile(values, 0.99) };
  return {
    [`${what} p50, ms`]: median(values),
    ...(values.length < P99_KILLS_MIN ? {} : p99),
    [`${what} slowest, ms`]: Math.max(...values),
    [`${what}, kills`]: values.length,
  };
}

/** Milliseconds from the kill until the caller is told. */
async function killAnswered(cluster: Cluster, carrier: "auto" | "nats"): Promise<number> {
  const echo = await cluster.spawn(EchoActor, [], { carrier });
  const pid = await echo.pid();
  await atRest();
  const pending = echo.unless(pid).then(
    () => "answered",
    (error: unknown) => (error instanceof SystemError ? error.code : String(error)),
  );
  await new Promise((resolve) => setTimeout(resolve, BEGUN_MS));
  const killedMs = performance.now();
  process.kill(pid, "SIGKILL");
  const outcome = await pending;
  const tookMs = performance.now() - killedMs;
  if (outcome !== "OUTCOME_UNKNOWN") throw new Error(`a killed call: ${outcome}`);
  return tookMs;
}

/** Milliseconds from each kill until the next life has answered. */
async function killMoved(cluster: Cluster): Promise<number[]> {
  const echo = await cluster.spawn(EchoActor, [], { maxRestarts: LIVES });
  const tookMs: number[] = [];
  for (let life = 0; life < LIVES; life += 1) {
    const pid = await echo.pid();
    await atRest();
    const pending = withOptions(echo, { retries: 1 }).unless(pid);
    await new Promise((resolve) => setTimeout(resolve, BEGUN_MS));
    const killedMs = performance.now();
    process.kill(pid, "SIGKILL");
    if ((await pending) === pid) throw new Error("the killed process answered");
    tookMs.push(performance.now() - killedMs);
  }
  await cluster.kill(echo, { restart: false });
  return tookMs;
}
