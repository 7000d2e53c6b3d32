/** `ligase`: what a program and its callers use. */
export type { CallOptions } from "./actor/calls/call.ts";
export { type CallContext, callContext } from "./actor/context.ts";
export { type RemoteActor, withOptions } from "./actor/handle.ts";
export { actor, type ActorClass, type ActorType, source } from "./actor/registry.ts";
export type {
  ActorRef,
  Cluster,
  ClusterStatus,
  DatasetStatus,
  Explanation,
  ListOptions,
  Page,
  PoolOptions,
  SolveStatus,
  SpawnOptions,
} from "./client/cluster.ts";
export type { LogText } from "./client/actors/logs.ts";
export type { PoolMapOptions, Settled } from "./client/actors/map.ts";
export { connect, type ConnectOptions } from "./client/connect.ts";
export { currentCluster } from "./client/current.ts";
export type { Pool, PoolMember } from "./client/pool.ts";
export {
  dataset,
  type MapOptions,
  type OnBadRecord,
  type Sealed,
  type WriteOptions,
} from "./dataset/dataset.ts";
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
export type { ActorEvent, ActorState, ActorView, PoolView } from "./messages.ts";
export { ObjectRef } from "./frame/object-ref.ts";
