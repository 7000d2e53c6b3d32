/** `ligase`: what a program and its callers use. */
export type { CallOptions } from "./actor/calls/call.ts";
export { type CallContext, callContext } from "./actor/context.ts";
export { type RemoteActor, withOptions } from "./actor/handle.ts";
export {
  actor,
  type ActorClass,
  type ActorDefinition,
  type ActorType,
  source,
  task,
  type TaskDefinition,
  type TaskFunction,
  type TaskType,
} from "./actor/registry.ts";
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
export type { ObjectValue, ObjectValues } from "./client/objects/api.ts";
export type { ObjectGetOptions, ObjectPutOptions, ObjectView } from "./client/objects/objects.ts";
export type { Waited, WaitOptions } from "./client/objects/wait.ts";
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
export type { TaskHandle } from "./tasks/handle.ts";
export type { TaskArgs, TaskResult } from "./tasks/map.ts";
export type { TaskMapOptions, TaskOptions } from "./tasks/options.ts";
export { type ErrorCode, ERRORS, SystemError } from "./errors.ts";
export type { ActorEvent, ActorState, ActorView, PoolView } from "./messages.ts";
export { ObjectRef } from "./frame/object-ref.ts";
export type { ObjectKind } from "./objects/header.ts";
