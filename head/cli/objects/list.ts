/** `ligase list objects`: a page of the nodes' objects, filtered before it is cut. */
import type { NodeObjectPage } from "../../../runtime/client/objects/views.ts";
import { filterOf, json, type ListFlags } from "../actors/list.ts";
import { withCluster } from "../actors/reach.ts";
import { columns } from "../actors/text.ts";
import { bytesText } from "./memory.ts";

/** Writes the page. @throws {SystemError} USAGE, CLUSTER_NOT_FOUND. */
export async function listObjectsCommand(
  flags: ListFlags,
  write: (text: string) => void,
): Promise<void> {
  const filter = filterOf(flags.filter);
  const page = await withCluster(flags, (cluster) =>
    cluster.objects({ filter, after: flags.after ?? null, limit: flags.limit }),
  );
  write(flags.json === true ? json(page) : objectsText(page));
}

/** Objects as lines. */
export function objectsText({ entries, next, total, silent }: NodeObjectPage): string {
  const head = ["OBJECT", "NODE", "JOB", "STATE", "BYTES"];
  const rows = entries.map(({ object, node, job, state, bytes }) => {
    return [object, node, job, state, bytesText(bytes)];
  });
  const rest = next === null ? "" : `${entries.length} of ${total}; go on with --after ${next}\n`;
  return columns([head, ...rows]) + rest + silentText(silent);
}

/** Who didn't answer, as lines. */
export function silentText(silent: readonly string[]): string {
  return silent.map((node) => `${node} doesn't answer\n`).join("");
}
