/** `ligase job list`. */
import type { ClusterStatus } from "../../../runtime/client/jobs/status.ts";
import type { ErrorData } from "../../../runtime/errors.ts";
import { columns } from "../actors/text.ts";
import { type JobFlags, withJobs } from "./source.ts";
import { json, shardsOf, stateOf } from "./text.ts";

/** A job as the list shows it. */
export interface JobEntry {
  readonly id: string;
  readonly kind: "program" | "dataset";
  readonly state: string;
  readonly startedMs: number;
  /** Null for a program. */
  readonly shards: { readonly done: number; readonly total: number | null } | null;
  readonly rows: number | null;
  readonly uri: string | null;
  readonly error: ErrorData | null;
}

const HEADER = ["ID", "KIND", "STATE", "SHARDS", "ROWS", "STARTED", "OUTPUT", "ERROR"];

/** Writes all jobs that the status holds. @throws {SystemError} as `withJobs`. */
export async function listCommand(flags: JobFlags, write: (text: string) => void): Promise<void> {
  const jobs = entriesOf(await withJobs(flags, (source) => source.status()));
  if (flags.json === true) write(json({ jobs }));
  else if (jobs.length === 0) write("no jobs\n");
  else write(columns([HEADER, ...jobs.map(rowOf)]));
}

/** Oldest first; of two that began at once the program, which began the other. */
export function entriesOf({ programs, datasets }: ClusterStatus): JobEntry[] {
  const ofPrograms = programs.map((job): JobEntry => {
    const none = { shards: null, rows: null, uri: null };
    return { id: job.id, kind: "program", ...commonOf(job), ...none };
  });
  const ofDatasets = datasets.map((job): JobEntry => {
    const { done, total } = job.shards;
    const made = { shards: { done, total }, rows: job.reads.passed, uri: job.uri };
    return { id: job.id, kind: "dataset", ...commonOf(job), ...made };
  });
  return [...ofPrograms, ...ofDatasets].sort((a, b) => a.startedMs - b.startedMs);
}

function commonOf(job: ClusterStatus["programs"][number] | ClusterStatus["datasets"][number]) {
  const error = job.state.kind === "failed" ? job.state.error : null;
  return { state: stateOf(job), startedMs: job.atMs, error };
}

function rowOf({ id, kind, state, shards, rows, startedMs, uri, error }: JobEntry): string[] {
  return [
    id.slice(0, 12),
    kind,
    state,
    shards === null ? "-" : shardsOf(shards),
    rows === null ? "-" : String(rows),
    new Date(startedMs).toISOString().slice(0, 19),
    uri ?? "-",
    error?.what ?? "-",
  ];
}
