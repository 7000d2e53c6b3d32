/**
 * What the processes of an embedded cluster say to each other outside the bus: the head and the
 * agent to their supervisor over IPC, the command to the supervisor over its pipe, followers
 * over a socket.
 */
import * as v from "valibot";
import { isClusterId, isIdentity } from "../../runtime/bus/subjects.ts";
import type { Identity } from "../../runtime/ids.ts";
import { errorData } from "../../runtime/messages.ts";

export type SlurmMode = "auto" | "system" | "private" | "none";

/** A slurm job of ours: all three must match before anything touches it. */
const slurmJob = v.object({
  clusterName: v.string(),
  id: v.string(),
  name: v.string(),
  /** Its attempt's: a word there ends it, too, and says why. */
  folder: v.optional(v.string()),
});
export type ActiveSlurmJob = v.InferOutput<typeof slurmJob>;

const requestId = v.pipe(v.number(), v.safeInteger());

/** From head or agent. Those with an `id` are answered by `{id, ok}` or `{id, error}`. */
export const childMessage = v.variant("op", [
  /** It serves; said once an incarnation. */
  v.object({ op: v.literal("ready") }),
  /** It ends and must not be started again, for example because another head leads. */
  v.object({ op: v.literal("fatal"), error: errorData }),
  /** Where Slurm is; a private one is started by the first of these. */
  v.object({ op: v.literal("slurm.ensure"), id: requestId }),
  /** All slurm jobs to cancel if the cluster ends now; each message replaces the last. */
  v.object({ op: v.literal("slurm.active"), jobs: v.array(slurmJob) }),
  /** It leads from now on. */
  v.object({ op: v.literal("leads"), epoch: v.number() }),
  /** The log's end, when it has moved: a head never goes on with a shorter log. */
  v.object({ op: v.literal("tail"), tail: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) }),
  /** A URL for one more worker. */
  v.object({ op: v.literal("join.mint"), id: requestId }),
]);
export type ChildMessage = v.InferOutput<typeof childMessage>;

/** Which Slurm, as data: `connectionOf` and `connectSlurm` make it usable. */
export interface SlurmAccess {
  /** Its slurm.conf; null = the machine's own. */
  readonly confPath: string | null;
  readonly clusterName: string;
  readonly launcher: string;
}

/** Configuration of `head/daemon/main.ts`, as JSON in the file its argument names. */
export interface HeadConfig {
  readonly natsUrl: string;
  readonly cluster: string;
  readonly identity: string;
  readonly seed: string;
  /** Log, snapshots and jobs: an absolute path or `s3://bucket/prefix`. */
  readonly stateUri: string;
  /** Solves: a folder that the nodes of Slurm see too. */
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly mark: string;
  readonly slurmMode: SlurmMode;
  /** Whether it waits until nobody leads. */
  readonly standby: boolean;
  /** An end that the log is known to have had. */
  readonly tail?: number | undefined;
}

/** What the door gives to a head of another supervisor: its key is good while it holds the door. */
export const joinedHead = v.object({
  natsUrl: v.string(),
  cluster: v.pipe(v.string(), v.check(isClusterId)),
  identity: v.custom<Identity>((value) => isIdentity(String(value), "head")),
  seed: v.string(),
  stateUri: v.string(),
  stateDir: v.string(),
  slurmMode: v.picklist(["auto", "system", "private", "none"]),
  mark: v.string(),
});
export type JoinedHead = v.InferOutput<typeof joinedHead>;

/** Configuration of `worker/main.ts`. */
export interface WorkerConfig {
  readonly natsUrl: string;
  readonly cluster: string;
  readonly identity: string;
  readonly seed: string;
  readonly runtimeDir: string;
  readonly mark: string;
  readonly executors: number;
}
