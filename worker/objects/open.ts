/** The store of a node as its machine and its operator have it. */
import { statfsSync } from "node:fs";
import { toSystemError } from "../../runtime/errors.ts";
import type { Identity, ProcessId } from "../../runtime/ids.ts";
import { SHARED_MEMORY, sharedRoot, spillRoot } from "../../runtime/objects/index.ts";
import { OBJECT_MEMORY_SHARE, OBJECT_SPILL_SHARE } from "../../runtime/objects/limits.ts";
import { NodeObjects } from "./node.ts";

/** What an operator says of a node's store, in bytes; shares of what there is unless given. */
export interface ObjectLimits {
  readonly memoryBytes?: number | undefined;
  /** 0: nothing is spilled. */
  readonly spillBytes?: number | undefined;
  /** On a memory file system, such as one with huge pages; /dev/shm's own unless given. */
  readonly folder?: string | undefined;
}

export interface OpenOptions {
  readonly node: Identity;
  readonly process: ProcessId;
  readonly runtimeDir: string;
  readonly limits: ObjectLimits;
  readonly warn: (line: string) => void;
}

/** A worker without objects goes on with all else: that is said in a line. */
export function openObjects({ limits, warn, ...of }: OpenOptions): NodeObjects | undefined {
  try {
    return makeObjects(of, limits);
  } catch (thrown) {
    warn(`no objects on this node: ${toSystemError(thrown).message}\n`);
    return undefined;
  }
}

function makeObjects(
  of: Pick<OpenOptions, "node" | "process" | "runtimeDir">,
  { memoryBytes, spillBytes, folder }: ObjectLimits,
): NodeObjects {
  const shared = statfsSync(folder ?? SHARED_MEMORY);
  const share = Math.floor(shared.blocks * shared.bsize * OBJECT_MEMORY_SHARE);
  const limitBytes = memoryBytes ?? share;
  const root = spillRoot();
  const disk = statfsSync(root.parent);
  const spillLimitBytes = spillBytes ?? Math.floor(disk.bavail * disk.bsize * OBJECT_SPILL_SHARE);
  const options = { ...of, limitBytes, root: sharedRoot(folder) };
  if (spillLimitBytes === 0) return new NodeObjects(options);
  return new NodeObjects({ ...options, spillRoot: root.path, spillLimitBytes });
}
