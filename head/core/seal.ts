/**
 * Pure core. The manifest of a complete dataset, from its receipts alone.
 */
import { SystemError } from "../../runtime/errors.ts";
import type { Receipt, ReportFile } from "../../runtime/messages.ts";
import type {
  Manifest,
  ManifestShard,
  ManifestSideFile,
  ReadCounts,
} from "../../solver/manifest.ts";
import type { DatasetJob } from "./facts.ts";

/**
 * The manifest, or why there can be none (no row at all; shards that disagree on their encoder). A
 * stage of no dimensions makes no rows: its set is what was counted.
 * @param reports - files that were made of all shards' summaries.
 */
export function manifestOf(
  job: DatasetJob,
  reports: readonly ReportFile[] = [],
): Manifest | SystemError {
  const receipts = job.inputs.map((input) => inOrder(input.receipts));
  const first = receipts.flat()[0];
  const rows = receipts.flat().reduce((sum, receipt) => sum + receipt.rows, 0);
  const isCountedOnly = first?.stage.dimensions === 0;
  if (first === undefined || (rows === 0 && !isCountedOnly)) return noRows(job, receipts.flat());
  const { name, sha256, provider, dimensions, metric } = first.stage;
  for (const { stage, file } of receipts.flat()) {
    if (stage.sha256 !== sha256 || stage.dimensions !== dimensions || stage.metric !== metric) {
      return new SystemError("DETERMINISM_ALARM", "shards of one job differ in their encoder", {
        uri: file,
      });
    }
  }
  return {
    schema: 1,
    jobId: job.id,
    rows,
    dimensions,
    metric,
    encoder: { name, sha256, provider },
    inputs: job.spec.source.inputs.map(({ uri, sample, mate, label }, index) => ({
      uri,
      sample,
      ...(mate === undefined ? {} : { mate: mate.uri }),
      ...(label === undefined ? {} : { label }),
      reads: countReads(receipts[index] ?? []),
      ...countWarnings(receipts[index] ?? []),
    })),
    reads: countReads(receipts.flat()),
    filteredReasons: countReasons(receipts.flat()),
    shards: listShards(receipts),
    ...listSideFiles(receipts),
    ...listSummaries(receipts),
    ...(reports.length === 0 ? {} : { reports: [...reports] }),
  };
}

/** Nothing when no shard has one. */
function listSideFiles(receipts: readonly (readonly Receipt[])[]): {
  readonly quarantine?: ManifestSideFile[];
} {
  const quarantine = receipts.flatMap((ofInput, input) =>
    ofInput.flatMap(({ quarantine: side }) =>
      side === undefined
        ? []
        : [
            {
              file: side.file,
              input,
              records: side.records,
              bytes: side.bytes,
              sha256: side.sha256,
            },
          ],
    ),
  );
  return quarantine.length === 0 ? {} : { quarantine };
}

function listSummaries(receipts: readonly (readonly Receipt[])[]): Pick<Manifest, "summaries"> {
  const summaries = receipts.flatMap((ofInput, input) =>
    ofInput.flatMap(({ summary }) => (summary === undefined ? [] : [{ ...summary, input }])),
  );
  return summaries.length === 0 ? {} : { summaries };
}

/** Nothing when no shard has any. */
function countWarnings(receipts: readonly Receipt[]): {
  readonly warnings?: Record<string, number>;
} {
  const sums = new Map<string, number>();
  for (const { warnings = {} } of receipts) {
    for (const [name, count] of Object.entries(warnings)) {
      sums.set(name, (sums.get(name) ?? 0) + count);
    }
  }
  return sums.size === 0 ? {} : { warnings: Object.fromEntries(sums) };
}

function inOrder(receipts: ReadonlyMap<number, Receipt>): Receipt[] {
  return [...receipts].sort(([a], [b]) => a - b).map(([, receipt]) => receipt);
}

function noRows(job: DatasetJob, receipts: readonly Receipt[]): SystemError {
  const reads = countReads(receipts);
  const reasons = Object.entries(countReasons(receipts)).map(([why, count]) => `${count} ${why}`);
  const what = `none of ${reads.in} reads gave a row (${reasons.join(", ") || "no reads"})`;
  return new SystemError("NO_ROWS", what, { uri: job.spec.source.inputs[0]?.uri ?? "" });
}

/**
 * in = passed + filtered + quarantined + skipped, by record: a sum that doesn't hold is our
 * mistake.
 */
export function countReads(receipts: readonly Receipt[]): ReadCounts {
  const reads = { in: 0, passed: 0, filtered: 0, quarantined: 0, skipped: 0 };
  for (const receipt of receipts) {
    reads.in += receipt.records;
    reads.passed += receipt.passed ?? receipt.rows;
    reads.filtered += Object.values(receipt.filtered).reduce((sum, count) => sum + count, 0);
    reads.quarantined += receipt.quarantined;
    reads.skipped += receipt.skipped;
  }
  return reads;
}

export function countReasons(receipts: readonly Receipt[]): Record<string, number> {
  const reasons = new Map<string, number>();
  for (const receipt of receipts) {
    for (const [reason, count] of Object.entries(receipt.filtered)) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    }
  }
  return Object.fromEntries([...reasons].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function listShards(receipts: readonly (readonly Receipt[])[]): ManifestShard[] {
  let firstRow = 0;
  return receipts.flatMap((ofInput, input) =>
    ofInput.map(({ file, rows, bytes, crc32c, sha256, rowGroups }) => {
      const shard = { file, input, rows, firstRow, bytes, crc32c, sha256, rowGroups };
      firstRow += rows;
      return shard;
    }),
  );
}
