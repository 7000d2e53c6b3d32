/** A node's store with its socket, and processes that use it, for tests. */
import { onTestFinished } from "vitest";
import { Objects } from "../../../runtime/client/objects/objects.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { newIdentity, newProcessId } from "../../../runtime/ids.ts";
import { NodeObjects, type NodeObjectsOptions } from "../../../worker/objects/node.ts";
import { diskFolder, MIB, sharedFolder } from "./fixture.ts";

export async function nodeOf(options: Partial<NodeObjectsOptions> = {}): Promise<NodeObjects> {
  const node = new NodeObjects({
    node: newIdentity("w"),
    process: newProcessId(),
    runtimeDir: diskFolder(),
    limitBytes: 8 * MIB,
    root: sharedFolder(),
    ...options,
  });
  await node.open();
  onTestFinished(() => node.close());
  return node;
}

/** What a process of the node's machine has of it. */
export function objectsOf(node: NodeObjects): Objects {
  const objects = new Objects({ self: newProcessId(), door: async () => node.door() });
  onTestFinished(() => objects.close(new SystemError("CANCELLED", "the test ended")));
  return objects;
}
