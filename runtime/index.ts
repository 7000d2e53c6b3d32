/** `ligase`: what a program and its callers use. */
export { actor, type ActorClass, type ActorType, source } from "./actor/registry.ts";
export type { RemoteActor } from "./actor/handle.ts";
export type { Cluster, ClusterStatus, DatasetStatus, SolveStatus } from "./client/cluster.ts";
export { connect, type ConnectOptions } from "./client/connect.ts";
export { dataset, type MapOptions, type Sealed, type WriteOptions } from "./dataset/dataset.ts";
export type {
  Batch,
  Column,
  DescribedStage,
  InputSpec,
  Plan,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  Source,
  StageDescription,
  Table,
} from "./dataset/types.ts";
export { type ErrorCode, ERRORS, SystemError } from "./errors.ts";
export { ObjectRef } from "./frame/object-ref.ts";
