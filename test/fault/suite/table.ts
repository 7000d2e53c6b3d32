/** What many runs of the suite come to: a Markdown table, one row a fault. */
import { median, quantile } from "../../bench/bench.ts";
import type { Outcome } from "./one-run.ts";

export interface Row {
  readonly fault: string;
  readonly runs: number;
  /** Runs that lost a read; that hold one twice; of which anything else is wrong. */
  readonly lost: number;
  readonly doubled: number;
  readonly wrong: number;
  readonly recoveryP50: number | null;
  readonly recoveryP99: number | null;
  /** How many commands ended with which code. */
  readonly said: Readonly<Record<string, number>>;
}

/** One row a fault, in the order in which they first ran. */
export function rowsOf(outcomes: readonly Outcome[]): Row[] {
  const names = [...new Set(outcomes.map(({ fault }) => fault))];
  return names.map((fault) => {
    const runs = outcomes.filter((one) => one.fault === fault);
    const recovered = runs.map((one) => one.recoverySeconds).filter((one) => one !== undefined);
    const said: Record<string, number> = {};
    for (const code of runs.flatMap((one) => one.said)) said[code] = (said[code] ?? 0) + 1;
    return {
      ...{ fault, runs: runs.length, said },
      lost: runs.filter(({ lost }) => lost > 0).length,
      doubled: runs.filter(({ doubled }) => doubled > 0).length,
      wrong: runs.filter(({ wrong }) => wrong.length > 0).length,
      recoveryP50: recovered.length === 0 ? null : median(recovered),
      recoveryP99: recovered.length === 0 ? null : quantile(recovered, 0.99),
    };
  });
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const counts = [row.runs, row.lost, row.doubled, row.wrong].join(" | ");
    const recovery = `${rounded(row.recoveryP50)} / ${rounded(row.recoveryP99)}`;
    return `| ${row.fault} | ${counts} | ${recovery} | ${saidOf(row.said)} |`;
  });
  return [
    "| fault | runs | lost | doubled | else wrong | recovery p50 / p99, s | commands ended with |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

function saidOf(said: Row["said"]): string {
  const parts = Object.entries(said).map(([code, count]) => `${code} x ${count}`);
  return parts.length === 0 ? "-" : parts.join(", ");
}

function rounded(value: number | null): string {
  return value === null ? "-" : value.toFixed(2);
}
