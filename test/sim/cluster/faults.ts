/**
 * What goes wrong in a seed: a list of faults with their times, made before the run, so that a
 * failing seed can be tried again with fewer of them.
 */
import type { Random } from "../core/random.ts";

export type Fault =
  | { readonly kind: "kill"; readonly node: Target }
  | { readonly kind: "stop"; readonly node: Target; readonly forMs: number }
  | {
      readonly kind: "cut";
      readonly node: Target;
      readonly ways: "out" | "in" | "both";
      readonly forMs: number;
    }
  | { readonly kind: "server-down"; readonly forMs: number }
  | {
      readonly kind: "storage";
      readonly fail: number;
      readonly lost: number;
      readonly kill: number;
      readonly delayMs: number;
      readonly forMs: number;
    }
  | {
      readonly kind: "bus";
      readonly drop: number;
      readonly duplicate: number;
      readonly delayMs: number;
      readonly forMs: number;
    }
  | {
      readonly kind: "crew";
      readonly die: number;
      readonly stall: number;
      readonly stillborn: number;
      readonly batchMs: number;
      readonly forMs: number;
    }
  | {
      readonly kind: "slurm";
      readonly silent: number;
      readonly unclear: number;
      readonly nodeFail: number;
      readonly lagMs: number;
      readonly forMs: number;
    }
  /** Something happens to a slurm job that runs, or Slurm forgets those that ended. */
  | {
      readonly kind: "slurm-job";
      readonly what: "requeue" | "time-out" | "forget";
      readonly index: number;
    }
  /** A second process of a head that is there already. */
  | { readonly kind: "double"; readonly node: Target }
  /** The newest snapshot's bytes change. */
  | { readonly kind: "rot" }
  /** A machine with an agent is gone, for a while or (null) for good. */
  | { readonly kind: "away"; readonly index: number; readonly forMs: number | null }
  /** A file of somebody else appears under a shard's name. */
  | { readonly kind: "plant"; readonly index: number };

/** A node; `executor` is one of an agent's, chosen by chance. */
export interface Target {
  readonly role: "head" | "agent" | "executor" | "client";
  /** Taken modulo how many there are. */
  readonly index: number;
}

export interface TimedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

type Maker = (random: Random) => Fault;

const ROLES = ["head", "agent", "executor", "client"] as const;

function target(random: Random, roles: readonly Target["role"][] = ROLES): Target {
  return { role: random.pick(roles), index: random.below(60) };
}

/** Half short, the others up to longer than every silence that anybody bears. */
function span(random: Random): number {
  if (random.chance(0.5)) return random.between(50, 2_500);
  return random.chance(0.4) ? random.between(2_500, 9_000) : random.between(9_000, 16_000);
}

/** A share that is mostly small. */
function share(random: Random, most: number): number {
  return random.chance(0.5) ? 0 : most * random.unit() ** 2;
}

const MAKERS: Readonly<Record<Fault["kind"], Maker>> = {
  kill: (random) => ({ kind: "kill", node: target(random) }),
  stop: (random) => ({
    kind: "stop",
    node: target(random, ["head", "agent", "executor"]),
    forMs: span(random),
  }),
  cut: (random) => {
    // A head that is away for longer than any lease may take the lead meanwhile.
    if (random.chance(0.25)) {
      const node = target(random, ["head"]);
      return { kind: "cut", node, ways: "both", forMs: random.between(11_000, 16_000) };
    }
    const node = target(random, ["head", "head", "agent", "agent", "client"]);
    return { kind: "cut", node, ways: random.pick(["out", "in", "both"]), forMs: span(random) };
  },
  "server-down": (random) => ({ kind: "server-down", forMs: span(random) }),
  storage: (random) => ({
    kind: "storage",
    fail: share(random, 0.3),
    lost: share(random, 0.3),
    kill: share(random, 0.15),
    delayMs: random.chance(0.3) ? random.between(50, 1_500) : random.between(1, 20),
    forMs: span(random),
  }),
  bus: (random) => ({
    kind: "bus",
    drop: share(random, 0.5),
    duplicate: share(random, 0.3),
    delayMs: random.chance(0.3) ? random.between(20, 400) : 0.3,
    forMs: span(random),
  }),
  crew: (random) => ({
    kind: "crew",
    die: share(random, 0.3),
    stall: share(random, 0.05),
    stillborn: share(random, 0.5),
    batchMs: random.between(5, 600),
    forMs: span(random),
  }),
  slurm: (random) => ({
    kind: "slurm",
    silent: share(random, 0.8),
    unclear: share(random, 0.6),
    nodeFail: share(random, 0.5),
    lagMs: random.between(1, 3_000),
    forMs: span(random),
  }),
  "slurm-job": (random) => {
    const what = random.pick(["requeue", "requeue", "time-out", "forget"] as const);
    return { kind: "slurm-job", what, index: random.below(60) };
  },
  double: (random) => ({ kind: "double", node: target(random, ["head"]) }),
  rot: () => ({ kind: "rot" }),
  away: (random) => {
    const forMs = random.chance(0.4) ? null : random.between(1_000, 40_000);
    return { kind: "away", index: random.below(60), forMs };
  },
  plant: (random) => ({ kind: "plant", index: random.below(60) }),
};

const KINDS = Object.keys(MAKERS) as Fault["kind"][];
/** Faults of one seed. */
const FAULTS_MAX = 14;

/** The faults of a seed within its first `untilMs`; few kinds in many seeds, all in some. */
export function planFaults(random: Random, untilMs: number): readonly TimedFault[] {
  const kinds = KINDS.filter(() => random.chance(0.45));
  if (kinds.length === 0) return [];
  const count = random.below(FAULTS_MAX + 1);
  const faults = Array.from({ length: count }, () => {
    return { atMs: random.between(200, untilMs), fault: MAKERS[random.pick(kinds)](random) };
  });
  return faults.sort((a, b) => a.atMs - b.atMs);
}
