/** What the command line of `npm run sim` says. */
import { parseArgs } from "node:util";

export interface SimOptions {
  /** Seeds to run, from `from` on. */
  readonly seeds: number;
  readonly from: number;
  /** Ends after so many minutes, however many seeds have run. */
  readonly minutes: number;
  /** Prints every line of the trace. */
  readonly trace: boolean;
  /** Runs on after a breach, up to so many. */
  readonly failures: number;
  /** The guard that is switched off. */
  readonly guard: string | null;
  /** Prints one line of JSON at the end, for a program. */
  readonly json: boolean;
}

export function parseOptions(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string" },
      from: { type: "string" },
      seed: { type: "string" },
      minutes: { type: "string" },
      trace: { type: "boolean", default: false },
      failures: { type: "string" },
      guard: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { seed } = values;
  return {
    seeds: seed === undefined ? numberOf(values.seeds, 1_000) : 1,
    from: numberOf(seed ?? values.from, 1),
    minutes: numberOf(values.minutes, Number.POSITIVE_INFINITY),
    trace: values.trace,
    failures: numberOf(values.failures, 1),
    guard: values.guard ?? null,
    json: values.json,
  };
}

function numberOf(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isNaN(value) || value < 0) throw new Error(`${text} is no number`);
  return value;
}
