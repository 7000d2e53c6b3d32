/** The summary that a person sees at the end of a run. */
import type { RunResult } from "./result.ts";

/** Lines of name and value; ends with a newline. */
export function resultTable(result: RunResult): string {
  const { reads, seconds, slurm, dimensions } = result;
  const reasons = Object.entries(result.filteredReasons).map(([why, n]) => `${n} ${why}`);
  const rows: (readonly [string, string])[] = [
    ["job", result.jobId.slice(0, 12)],
    ["reads", readsLine(reads)],
    ...(reasons.length === 0 ? [] : [["filtered", reasons.join(", ")] as const]),
    ...(dimensions === 0 ? [] : embeddingRows(result)),
    ...(result.quarantine.length === 0
      ? []
      : [["quarantine", quarantineLine(result.quarantine)] as const]),
    ...result.reports.map(reportRow),
    ["manifest", result.manifest],
    ...(dimensions === 0 ? [] : [["netcdf", result.netcdf ?? "not asked for"] as const]),
    ...(slurm === null ? [] : [["slurm job", slurmLine(slurm)] as const]),
    ["seconds", secondsLine(seconds)],
    ...result.warnings.map((warning) => ["warning", warning] as const),
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join("");
}

/** Quality control alone has none. */
function embeddingRows({ rows, dimensions, shards, encoder }: RunResult) {
  return [
    ["embeddings", `${rows} x ${dimensions} float32 in ${counted(shards, "shard")}`] as const,
    ["encoder", `${encoder.name} ${encoder.sha256.slice(0, 12)} on ${encoder.provider}`] as const,
  ];
}

function reportRow({ kind, sample, uri }: RunResult["reports"][number]): readonly [string, string] {
  return ["report", sample === undefined ? `${uri} (${kind})` : `${uri} (${kind} of ${sample})`];
}

function readsLine({
  passed,
  filtered,
  quarantined,
  skipped,
  ...reads
}: RunResult["reads"]): string {
  const aside = [
    ...(quarantined === 0 ? [] : [`${quarantined} quarantined`]),
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
  ];
  return [`${reads.in} in`, `${passed} passed`, `${filtered} filtered`, ...aside].join(", ");
}

function quarantineLine(files: readonly string[]): string {
  return files.length === 1 ? (files[0] ?? "") : `${files[0]} and ${files.length - 1} more`;
}

/** Such as "1 shard", "2 shards". */
export function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function slurmLine({
  slurmJobId,
  state,
  exitCode,
  launcher,
}: NonNullable<RunResult["slurm"]>): string {
  return `${slurmJobId} ${state}, exit code ${exitCode ?? "unknown"}, ${launcher}`;
}

/** A run that found everything standing took no time for it, and says so. */
function secondsLine({ start, phase1, solve, total }: RunResult["seconds"]): string {
  const parts = `start ${start}, phase 1 ${phase1}, solve ${solve}`;
  return `${total} (${phase1 + solve === 0 ? "this job was finished already" : parts})`;
}
