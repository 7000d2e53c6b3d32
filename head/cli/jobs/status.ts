/** `ligase job status`: one job, with its inputs one by one. */
import type { JobView } from "../../../runtime/client/jobs/status.ts";
import { columns, printableLine } from "../actors/text.ts";
import { describeSolve } from "../watch.ts";
import { type JobFlags, jobNamed, withJobs } from "./source.ts";
import { json, shardsOf, stateOf } from "./text.ts";

type DatasetView = Extract<JobView, { kind: "dataset" }>;
type Rows = readonly (readonly string[])[];

/** Writes one job. @throws {SystemError} JOB_NOT_FOUND, USAGE; as `withJobs`. */
export async function statusCommand(
  id: string | undefined,
  flags: JobFlags,
  write: (text: string) => void,
): Promise<void> {
  const job = await withJobs(flags, async (source) =>
    source.job(jobNamed(await source.status(), id)),
  );
  write(flags.json === true ? json(job) : textOf(job));
}

/** A job as lines for people. */
export function textOf(job: JobView): string {
  const error = job.state.kind === "failed" ? job.state.error : null;
  const head: Rows = [
    ["job", job.id],
    ["kind", job.kind],
    ["state", stateOf(job)],
    ["started", new Date(job.atMs).toISOString().slice(0, 19)],
    ...(job.kind === "dataset" ? datasetRows(job) : programRows(job)),
    ...job.waits.map((what) => ["waits for", what]),
    ...(error === null ? [] : [["error", error.what]]),
    ...Object.entries(error?.where ?? {}).map(([name, value]) => [`  ${name}`, String(value)]),
  ];
  if (job.kind === "program") return columns(head);
  const failures = job.failures.map(({ task, times, error: { code, what } }) =>
    printableLine(`failed ${times} times: ${shortTask(task)}: ${code}: ${what}`),
  );
  return `${columns(head)}\n${inputsText(job)}${linesOf(failures)}`;
}

function programRows({ url, argv }: Extract<JobView, { kind: "program" }>): Rows {
  return [["program", url], ...argv.map((text) => ["argument", text])];
}

function datasetRows(job: DatasetView): Rows {
  const { uri, shards, reads, filteredReasons, encoder, trouble, ofSolves, runtimeVersion } = job;
  const reasons = Object.entries(filteredReasons).map(([why, count]) => `${count} ${why}`);
  const standing = shards.standing === 0 ? "" : `, ${shards.standing} found and not yet looked at`;
  return [
    ["output", uri],
    ["shards", `${shardsOf(shards)}${standing}`],
    ["reads", `${reads.in} in, ${reads.passed} passed, ${reads.filtered} filtered`],
    ...(reasons.length === 0 ? [] : [["filtered", reasons.join(", ")]]),
    ...(reads.quarantined === 0 ? [] : [["quarantined", String(reads.quarantined)]]),
    ...(reads.skipped === 0 ? [] : [["skipped", String(reads.skipped)]]),
    ...(encoder === null ? [] : [["encoder", `${encoder.name} ${encoder.sha256.slice(0, 12)}`]]),
    ["runtime", `${runtimeVersion}, program ${job.program.sha256.slice(0, 12)}`],
    ...trouble.map((what) => ["trouble", what]),
    ...ofSolves.map((solve) => ["solve", `${solve.id.slice(0, 12)} ${solveText(solve)}`]),
  ];
}

function solveText(solve: DatasetView["ofSolves"][number]): string {
  const { state } = solve;
  if (state.kind === "failed") return `${state.error.code}: ${state.error.what}`;
  return describeSolve(solve).line;
}

function inputsText({ inputs, inputsMore }: DatasetView): string {
  const header = ["INPUT", "SHARDS", "READS", "PASSED", "FILTERED", "QUARANTINED"];
  const rows = inputs.map(({ uri, shards, reads }) => [
    uri,
    shardsOf(shards),
    String(reads.in),
    String(reads.passed),
    String(reads.filtered),
    String(reads.quarantined + reads.skipped),
  ]);
  const more = inputsMore === 0 ? "" : `and ${inputsMore} more inputs\n`;
  return `${columns([header, ...rows])}${more}`;
}

/** `shard/<job>/<input>/<shard>` without the job, which all of them have. */
function shortTask(task: string): string {
  const [kind, , ...where] = task.split("/");
  return [kind, ...where].join(" ");
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
