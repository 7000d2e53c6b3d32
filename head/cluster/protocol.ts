/**
 * What the processes of an embedded cluster say to each other outside the bus: the head and the
 * agent to their supervisor over IPC, the command to the supervisor over its pipe, followers
 * over a socket.
 */
import * as v from "valibot";
import { errorData } from "../../runtime/messages.ts";

export type SlurmMode = "auto" | "system" | "private" | "none";

/** A slurm job of ours: all three must match before anything touches it. */
const slurmJob = v.object({ clusterName: v.string(), id: v.string(), name: v.string() });
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
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly mark: string;
  readonly slurmMode: SlurmMode;
}

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
