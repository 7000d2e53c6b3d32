/** How a user says how an actor is to live, and what that means to the head. */
import { CALLS_PENDING_MAX, CONCURRENCY_MAX, POOL_MEMBERS_MAX } from "../../limits.ts";
import type { ActorOptions } from "../../messages.ts";
import {
  isNothing,
  type LabelRequest,
  NO_RESOURCES,
  type ResourceRequest,
  resourcesOf,
  selectorOf,
} from "../../resources/resources.ts";
import { checkChoice, checkCount, checkNames, usage } from "../../usage.ts";
import type { CarrierChoice } from "../links.ts";

export interface SpawnOptions {
  /** Unique in the cluster while the actor isn't dead: letters, digits and `._-`. */
  readonly name?: string;
  /** With a name: the living actor of that name and class, if there is one. */
  readonly getIfExists?: boolean;
  /** `owned` (default): it ends with this process. `detached`: it outlives it, and has a name. */
  readonly lifetime?: "owned" | "detached";
  /**
   * `process` (default): an executor to itself. `shared`: with others, for light ones. `thread`: a
   * thread to itself in a process with others, for classes that say they are safe in threads.
   */
  readonly hosting?: "process" | "shared" | "thread";
  /**
   * What it takes of its worker while it lives; nothing unless given. It waits for a worker that
   * has so much free; one with GPUs sees only those that it was given (CUDA_VISIBLE_DEVICES).
   */
  readonly resources?: ResourceRequest;
  /** Which workers it may live on, by their labels. */
  readonly labels?: LabelRequest;
  /** Lives after the first one; Infinity for ever again. Default 0. */
  readonly maxRestarts?: number;
  /** Calls of it that run at once. Default 1; Bounds: 1..1,000. */
  readonly maxConcurrency?: number;
  /** Calls of this process that may be unanswered. Default and bound: 10,000. */
  readonly maxPendingCalls?: number;
  /** `nats` forces the way through agents and bus also on one machine; `auto` takes the socket. */
  readonly carrier?: CarrierChoice;
  /** Milliseconds for it to be alive. Default 120,000. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** What a pool's members share; none has a name or a life of its own. */
export interface PoolOptions {
  /** Members that live at least and at most; with `min` 0 an unused pool has none. */
  readonly size: { readonly min: number; readonly max: number };
  readonly hosting?: "process" | "shared" | "thread";
  /** What each member takes of its worker; nothing unless given. */
  readonly resources?: ResourceRequest;
  /** Which workers they may live on, by their labels. */
  readonly labels?: LabelRequest;
  readonly maxConcurrency?: number;
  readonly carrier?: CarrierChoice;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const SPAWN_OPTIONS: readonly (keyof SpawnOptions)[] = [
  ...(["name", "getIfExists", "lifetime", "hosting", "maxRestarts", "maxConcurrency"] as const),
  ...(["maxPendingCalls", "carrier", "deadlineMs", "signal", "resources", "labels"] as const),
];
const POOL_OPTIONS: readonly (keyof PoolOptions)[] = [
  "size",
  "hosting",
  "resources",
  "labels",
  "maxConcurrency",
  "carrier",
];

/** Options with every field said. @throws {SystemError} USAGE naming what is off. */
export function actorOptionsOf(options: SpawnOptions): ActorOptions {
  checkNames(options, SPAWN_OPTIONS);
  const { name = null, getIfExists = false, lifetime = "owned", hosting = "process" } = options;
  if (name !== null && !NAME.test(name)) {
    const form = "1 to 128 letters, digits and ._-, a letter or digit first";
    throw usage(`a name is ${form}, not ${JSON.stringify(name)}`);
  }
  checkChoice("lifetime", lifetime, ["owned", "detached"]);
  checkChoice("hosting", hosting, ["process", "shared", "thread"]);
  checkChoice("carrier", options.carrier ?? "auto", ["auto", "nats"]);
  if (name === null && getIfExists) throw usage("getIfExists needs a name");
  if (name === null && lifetime === "detached") throw usage("a detached actor needs a name");
  const { maxRestarts = 0, maxConcurrency = 1, maxPendingCalls = CALLS_PENDING_MAX } = options;
  checkCount("maxConcurrency", maxConcurrency, 1, CONCURRENCY_MAX);
  checkCount("maxPendingCalls", maxPendingCalls, 1, CALLS_PENDING_MAX);
  const restarts = maxRestarts === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : maxRestarts;
  checkCount("maxRestarts", restarts, 0, Number.MAX_SAFE_INTEGER);
  return {
    ...{ name, getIfExists, lifetime, hosting, maxRestarts: restarts, maxConcurrency },
    ...needsOf(options, hosting),
  };
}

/** What an actor takes of its worker, and of which; left out where it is nothing, and any. */
function needsOf(
  { resources, labels }: Pick<SpawnOptions, "resources" | "labels">,
  hosting: "process" | "shared" | "thread",
): Pick<ActorOptions, "resources" | "labels"> {
  const need = resources === undefined ? NO_RESOURCES : resourcesOf(resources);
  if (need.gpu > 0 && hosting !== "process") {
    throw usage("an actor with a gpu needs hosting process: GPUs are given to processes");
  }
  return {
    ...(isNothing(need) ? {} : { resources: need }),
    ...(labels === undefined ? {} : { labels: selectorOf(labels) }),
  };
}

/** What a pool's members share, every field said. @throws {SystemError} USAGE. */
export function memberOptionsOf(options: PoolOptions): ActorOptions {
  checkNames(options, POOL_OPTIONS);
  const { size, hosting = "process", maxConcurrency = 1, carrier = "auto", ...more } = options;
  const { resources, labels } = more;
  checkCount("size.max", size.max, 1, POOL_MEMBERS_MAX);
  checkCount("size.min", size.min, 0, size.max);
  return actorOptionsOf({
    ...{ hosting, maxConcurrency, carrier },
    ...(resources === undefined ? {} : { resources }),
    ...(labels === undefined ? {} : { labels }),
  });
}
