/** The one cluster that code of this process uses without being handed it. */
import { SystemError } from "../errors.ts";
import type { Cluster } from "./cluster.ts";

let current: Cluster | undefined;

/**
 * The cluster of this process: what `connect()` gave, or in an executor the one it belongs to.
 * Datasets run on it, and an actor's methods reach other actors through it.
 *
 * @throws {SystemError} USAGE before connect().
 */
export function currentCluster(): Cluster {
  if (current === undefined) {
    throw new SystemError("USAGE", "no cluster: call connect() or run inside a program");
  }
  return current;
}

/** Undefined takes it back. */
export function setCurrentCluster(cluster: Cluster | undefined): void {
  current = cluster;
}
