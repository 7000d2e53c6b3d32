/** `ligase job cancel`. */
import { setTimeout as delay } from "node:timers/promises";
import type { JobView } from "../../../runtime/client/jobs/status.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { API_TIMEOUT_MS, JOB_POLL_MS } from "../../../runtime/limits.ts";
import { type JobFlags, type JobSource, jobNamed, withJobs } from "./source.ts";
import { json, stateOf } from "./text.ts";

/**
 * Ends a job, and waits until it has ended. One that is over stays as it is.
 * @throws {SystemError} JOB_NOT_FOUND, USAGE; CLUSTER_NOT_FOUND where none works on it.
 */
export async function cancelCommand(
  id: string,
  flags: JobFlags,
  write: (text: string) => void,
): Promise<void> {
  const job = await withJobs(flags, async (source) => {
    const known = await source.job(jobNamed(await source.status(), id));
    if (isOver(known)) return known;
    if (source.cluster === undefined) {
      throw new SystemError("CLUSTER_NOT_FOUND", "no cluster works on it: it isn't running");
    }
    await source.cluster.cancel(known.id);
    return await endOf(source, known);
  });
  if (flags.json === true) write(json({ id: job.id, state: stateOf(job) }));
  else write(`${job.id.slice(0, 12)} ${stateOf(job)}\n`);
}

/** The command whose job it was ends its cluster with it, perhaps before it can be asked again. */
async function endOf(source: JobSource, known: JobView): Promise<JobView> {
  const deadline = performance.now() + API_TIMEOUT_MS;
  const error = { code: "CANCELLED", what: "the job was cancelled", where: {} } as const;
  const cancelled = { ...known, state: { kind: "failed" as const, error } };
  while (performance.now() < deadline) {
    const now = await source.job(known.id).catch(() => cancelled);
    if (isOver(now)) return now;
    await delay(JOB_POLL_MS);
  }
  throw new SystemError("DEADLINE_EXCEEDED", "it was told to end, and hasn't ended yet");
}

function isOver({ state }: JobView): boolean {
  return state.kind !== "running" && state.kind !== "planning";
}
