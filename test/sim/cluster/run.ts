/**
 * One seed: a cluster is made, works while faults come, and must be done a while after the last of
 * them. What it gives says how it ended, and is the same each time.
 */
import type { HeadState } from "../../../head/core/events.ts";
import { stateSnapshot } from "../../../head/core/facts.ts";
import type { Agent } from "../../../worker/agent.ts";
import type { Continuation } from "../../../runtime/messages.ts";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import { QUEUE_AHEAD_MAX, SHARDS_PER_EXECUTOR } from "../../../runtime/limits.ts";
import { solve } from "../../../solver/solve.ts";
import { Machine } from "../core/process.ts";
import { Random } from "../core/random.ts";
import { Scheduler } from "../core/scheduler.ts";
import { Trace } from "../core/trace.ts";
import type { Wish } from "./client.ts";
import { planFaults, type TimedFault } from "./faults.ts";
import { Ground } from "./ground.ts";
import { inflict } from "./inflict.ts";
import { AgentNode, ClientNode, HeadNode } from "./nodes.ts";
import { Breach } from "./oracle.ts";
import { specOf } from "./program.ts";

/** Milliseconds in which faults begin. */
const FAULTY_MS = 25_000;
/** The longest fault, and then all that may be waited for: restarts, silences, leases, repeats. */
const HEAL_MS = 16_000;
const DONE_MS = 75_000;
/** Virtual milliseconds more for solves: searches by name, and wrappers that must fall silent. */
const SOLVED_MS = 200_000;
/** Virtual milliseconds behind the last fault in which names move elsewhere: silence, leases. */
const NAMED_MS = 14_000;
/** Facts between two comparisons of a leader's state with the log's. */
const COMPARE_FACTS = 12;
/** Tasks and outcomes that wait at one worker of these jobs. */
const WAITING_MAX = 200;
const TRACE_LINES = 40;
/** Share of seeds whose jobs go on in Slurm. */
const SOLVES = 0.4;
/** Share of jobs in which one record ends whatever executor takes it. */
const POISONED = 0.2;
const SOLVER = "5".repeat(64);

export interface SeedResult {
  readonly seed: number;
  /** Of the trace. */
  readonly hash: string;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly spanMs: number;
  readonly faults: readonly TimedFault[];
  readonly breach: { readonly invariant: string; readonly what: string } | null;
  readonly last: readonly string[];
}

export interface SeedOptions {
  /** Instead of the seed's own. */
  readonly faults?: readonly TimedFault[];
  readonly print?: (line: string) => void;
}

/** The nodes of one simulation. */
export interface Nodes {
  readonly heads: readonly HeadNode[];
  readonly agents: readonly AgentNode[];
  readonly clients: readonly ClientNode[];
}

/** Runs a seed; from a callback of the event loop alone. */
export function runSeed(seed: number, options: SeedOptions = {}): SeedResult {
  const random = new Random(seed);
  const print = options.print === undefined ? {} : { print: options.print };
  const trace = new Trace({ kept: TRACE_LINES, ...print });
  const scheduler = new Scheduler(random, trace);
  const ground = new Ground(scheduler, { solver: random.chance(SOLVES) ? SOLVER : null });
  const faults = options.faults ?? planFaults(random.fork("faults"), FAULTY_MS);
  const result = { seed, faults };
  let events = 0;
  let breach: SeedResult["breach"] = null;
  try {
    ground.oracle.healedMs = Math.max(0, ...faults.map(endOf));
    const { nodes, wishes } = build(ground);
    const bounds = new Bounds(ground, nodes);
    for (const { atMs, fault } of faults) {
      scheduler.at(atMs, () => inflict(ground, nodes, fault));
    }
    const solvedMs = ground.solver === null ? 0 : SOLVED_MS;
    const endMs = FAULTY_MS + HEAL_MS + DONE_MS + solvedMs;
    for (;;) {
      if (!scheduler.step(endMs)) throw stuck(ground, nodes);
      events += 1;
      ground.oracle.check();
      if ((events & 15) === 0 && isDone(ground, nodes, faults)) break;
      if ((events & 63) === 0) bounds.check();
    }
    bounds.check();
    checkEnd(ground, wishes);
  } catch (thrown) {
    const isBreach = thrown instanceof Breach;
    const invariant = isBreach ? thrown.invariant : "nothing throws";
    const what = isBreach ? thrown.message : String((thrown as Error).stack ?? thrown);
    breach = { invariant, what };
  }
  const { hash, last } = trace;
  return { ...result, hash, last, events, spanMs: scheduler.nowMs, breach };
}

function build(ground: Ground): { readonly nodes: Nodes; readonly wishes: readonly Wish[] } {
  const random = ground.random.fork("build");
  const machine = (name: string): Machine =>
    new Machine(ground.scheduler, name, {
      rate: random.between(0.99, 1.01),
      bootedMs: random.between(0, 1e6),
      wrongMs: Math.floor(random.between(-3.6e6, 3.6e6)),
    });
  const many = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index));
  const heads = many(1 + random.below(3), (index) => {
    return new HeadNode(ground, machine(`head${index}`), index > 0);
  });
  const agents = many(1 + random.below(3), (index) => {
    return new AgentNode(ground, machine(`agent${index}`));
  });
  ground.setPace(random);
  const wishes = many(1 + random.below(2), (index) => wish(ground, random, index));
  const clients = many(1 + random.below(2), (index) => {
    const names = random.chance(0.6) ? [`name${random.below(2)}`] : [];
    const own = index === 0 ? wishes : wishes.filter(({ cancelMs }) => cancelMs === null);
    return new ClientNode(ground, machine(`client${index}`), { wishes: own, names });
  });
  const nodes = { heads, agents, clients };
  for (const node of [...heads, ...agents, ...clients]) {
    ground.scheduler.after(random.between(0, 300), () => node.start());
  }
  return { nodes, wishes };
}

const SIZES: readonly Readonly<Record<string, number>>[] = [
  { a: 25 },
  { a: 7, b: 40 },
  { r1: 31 },
  { a: 12, r2: 12 },
  { a: 60 },
  { a: 90, r3: 50 },
];

function wish(ground: Ground, random: Random, index: number): Wish {
  const onBadRecord = random.chance(POISONED)
    ? random.pick(["quarantine", "skip"] as const)
    : undefined;
  const uri = `/out/${index}`;
  const spec = specOf(random.pick(SIZES), uri, `wish ${index}`, onBadRecord);
  const jobId = sha256Hex(canonicalJson(spec));
  ground.oracle.expect({ jobId, uri, spec });
  if (onBadRecord !== undefined) ground.poison.add(`${jobId}/${random.below(25)}`);
  const continuation: Continuation | null = ground.solver === null ? null : solve({ ranks: 2 });
  const cancelMs = random.chance(0.15) ? random.between(100, 15_000) : null;
  return { spec, jobId, continuation, cancelMs };
}

/** When a fault is over. */
function endOf({ atMs, fault }: TimedFault): number {
  return atMs + ("forMs" in fault ? (fault.forMs ?? 0) : 0);
}

/** Every fault came, every client has what it wants, and nothing is under way any more. */
function isDone(
  { scheduler, oracle }: Ground,
  { clients, heads }: Nodes,
  faults: readonly TimedFault[],
): boolean {
  const restMs = clients.some(({ names }) => names.length > 0) ? NAMED_MS : 0;
  if (scheduler.nowMs < (faults.at(-1)?.atMs ?? 0) + restMs) return false;
  if (!clients.every(({ client }) => client?.isContent === true)) return false;
  for (const { state } of oracle.durable.datasets.values()) {
    if (state.kind === "planning" || state.kind === "running") return false;
  }
  for (const { state } of oracle.durable.solves.values()) {
    if (state.kind !== "succeeded" && state.kind !== "failed") return false;
  }
  const leading = heads.flatMap(({ running }) => running.filter((it) => it.process.isAlive));
  return leading.some(({ head }) => head.state !== undefined && isIdle(head.state.flights.keys()));
}

function isIdle(tasks: Iterable<string>): boolean {
  for (const task of tasks) if (!task.startsWith("host/")) return false;
  return true;
}

function stuck({ oracle }: Ground, { clients, heads }: Nodes): Breach {
  const jobs = [...oracle.durable.datasets.values()].map(({ id, state, inputs }) => {
    const shards = inputs.map(({ shards, receipts }) => `${receipts.size}/${shards ?? "?"}`);
    return `${id.slice(0, 6)} ${state.kind} ${shards.join(" ")}`;
  });
  const waiting = clients.map(({ client }) => client?.waiting ?? 0);
  const flights = heads.flatMap(({ running }) =>
    running.map(({ head }) => `${head.state?.flights.size ?? "-"}`),
  );
  const solves = [...oracle.durable.solves.values()].map(({ state }) => state.kind);
  const parts = { jobs: jobs.join("; "), solves, requests: waiting, flights };
  const what = Object.entries(parts).map(([name, value]) => `${name} ${String(value)}`);
  return new Breach("all comes to an end", what.join("; "));
}

/** What holds of each process by itself, and of a leader's state against the log's. */
class Bounds {
  readonly #ground: Ground;
  readonly #nodes: Nodes;
  /** The highest epoch of each agent's process. */
  readonly #epochs = new Map<unknown, number>();
  /** Leaders whose state was compared, and with how many facts. */
  readonly #compared = new Map<unknown, number>();

  constructor(ground: Ground, nodes: Nodes) {
    this.#ground = ground;
    this.#nodes = nodes;
  }

  check(): void {
    const { oracle } = this.#ground;
    for (const { head } of this.#nodes.heads.flatMap(({ running }) => running)) {
      if (head.state !== undefined) this.#checkLeader(head.state);
    }
    for (const { agent } of this.#nodes.agents) if (agent !== undefined) this.#checkAgent(agent);
    oracle.check();
  }

  #checkLeader(state: HeadState): void {
    const { oracle } = this.#ground;
    for (const [name, { load, slots, hosted, opening, named }] of state.workers) {
      const isBound = load >= 0 && load <= Math.max(slots * SHARDS_PER_EXECUTOR, QUEUE_AHEAD_MAX);
      if (!isBound || hosted < 0 || opening < 0 || named < 0) {
        oracle.breach("loads lie in their bounds", `${name}: ${load}, ${hosted}, ${opening}`);
      }
    }
    this.#compare(state);
  }

  /** A leader whose facts are all durable has the state that the log gives: now and then. */
  #compare(state: HeadState): void {
    const { oracle } = this.#ground;
    const { durable } = state;
    const isSame = durable.facts === oracle.durable.facts;
    if (!isSame || durable.epoch.leader !== oracle.durable.epoch.leader) return;
    const before = this.#compared.get(state) ?? Number.NEGATIVE_INFINITY;
    if (durable.facts - before < COMPARE_FACTS) return;
    this.#compared.set(state, durable.facts);
    const text = JSON.stringify(stateSnapshot(durable));
    if (text === JSON.stringify(stateSnapshot(oracle.durable))) return;
    oracle.breach("a leader's state is the log's", `epoch ${durable.epoch.number}`);
  }

  #checkAgent(agent: Agent): void {
    const { oracle } = this.#ground;
    const { epoch, queue, done } = agent.state;
    if (epoch.number < (this.#epochs.get(agent) ?? 0)) {
      oracle.breach("a worker obeys no earlier leader", `epoch ${epoch.number}`);
    }
    this.#epochs.set(agent, epoch.number);
    if (queue.size + done.size > WAITING_MAX) {
      oracle.breach(
        "what waits is bounded",
        `${queue.size} tasks, ${done.size} outcomes: ${[...queue.keys()].slice(0, 3).join(" ")}`,
      );
    }
  }
}

/** Who wants a job gets it; one that was taken back may have failed before. */
function checkEnd({ oracle, vault }: Ground, wishes: readonly Wish[]): void {
  for (const { jobId, spec, cancelMs } of wishes) {
    const { state } = oracle.durable.datasets.get(jobId) ?? {};
    if (state?.kind === "sealed") {
      if (vault.read(`${spec.sink.uri}/_SUCCESS`) !== undefined) continue;
      throw new Breach("a seal follows manifest and _SUCCESS", spec.sink.uri);
    }
    if (cancelMs !== null) continue;
    const isAlarm = state?.kind === "failed" && state.error.code === "DETERMINISM_ALARM";
    if (isAlarm && oracle.isPlanted(spec.sink.uri)) continue;
    const why = state?.kind === "failed" ? `${state.error.code} ${state.error.what}` : "unknown";
    throw new Breach("all that is wanted is made", `${spec.sink.uri}: ${why}`);
  }
}
