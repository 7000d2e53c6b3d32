/** `ligase summary tasks|actors`: how many there are, by name and state. */
import type { Cluster } from "../../../runtime/client/cluster.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { json } from "./list.ts";
import { type ReachFlags, withCluster } from "./reach.ts";
import { actorSummaryRows, taskSummaryRows } from "./rows.ts";
import { columns } from "./text.ts";

export interface SummaryFlags extends ReachFlags {
  readonly json?: boolean;
}

/** Writes it. @throws {SystemError} USAGE, CLUSTER_NOT_FOUND. */
export async function summaryCommand(
  what: string,
  flags: SummaryFlags,
  write: (text: string) => void,
): Promise<void> {
  if (what !== "tasks" && what !== "actors") {
    throw new SystemError("USAGE", `summary knows tasks and actors, not ${what}`);
  }
  const { value, rows } = await withCluster(flags, (cluster) => summaryOf(cluster, what));
  write(flags.json === true ? json(value) : columns(rows));
}

async function summaryOf(
  cluster: Cluster,
  what: "tasks" | "actors",
): Promise<{ readonly value: object; readonly rows: string[][] }> {
  if (what === "tasks") {
    const value = await cluster.summary("tasks");
    return { value, rows: taskSummaryRows(value) };
  }
  const value = await cluster.summary("actors");
  return { value, rows: actorSummaryRows(value) };
}
