/** Jobs in words. */
import type { ClusterStatus, DatasetStatus, JobView } from "../../../runtime/client/jobs/status.ts";

type ProgramStatus = ClusterStatus["programs"][number];

/** One word: a failed job's is its error's code. */
export function stateOf({ state }: Pick<DatasetStatus | ProgramStatus | JobView, "state">): string {
  return state.kind === "failed" ? state.error.code : state.kind;
}

/** Such as `3/5`; `3/?` while nobody knows how many there will be. */
export function shardsOf({
  done,
  total,
}: {
  readonly done: number;
  readonly total: number | null;
}) {
  return `${done}/${total ?? "?"}`;
}

export function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
