/** What `<sample>.qc.json` says: all of a sample that fastp's form has no place for. */
import * as v from "valibot";
import { SystemError } from "../../../runtime/errors.ts";
import type { QcSettings } from "../options.ts";
import type { QcDecisions } from "../probe.ts";
import type { SpectrumSummary } from "../spectrum.ts";
import type { Warned } from "../warnings.ts";

/** Reads by length: pairs of a length and a count, lengths rising. */
export type LengthCounts = readonly (readonly [number, number])[];

export interface SampleQc {
  readonly schema: 1;
  readonly sample: string;
  readonly label?: string;
  readonly mates: 1 | 2;
  /** What planning decided, and the options that held. */
  readonly decisions: QcDecisions;
  readonly settings: QcSettings;
  /** Of reads as they came; of pairs both mates are one. Over 1, all but the total is estimated. */
  readonly duplication: {
    readonly rate: number;
    readonly distinct: number;
    readonly sampledOneOf: number;
  };
  /** By mate. */
  readonly lengths: {
    readonly before: readonly LengthCounts[];
    readonly after: readonly LengthCounts[];
  };
  readonly spectrum?: SpectrumSummary;
  readonly warnings: readonly Warned[];
}

/** The file's text; equal values give equal text. */
export function sampleQcJson(qc: SampleQc): string {
  return `${JSON.stringify(qc)}\n`;
}

const lengths = v.array(v.array(v.tuple([v.number(), v.number()])));
const schema = v.looseObject({
  schema: v.literal(1),
  sample: v.string(),
  mates: v.picklist([1, 2]),
  duplication: v.object({ rate: v.number(), distinct: v.number(), sampledOneOf: v.number() }),
  lengths: v.object({ before: lengths, after: lengths }),
  warnings: v.array(v.object({ warning: v.string(), count: v.number(), text: v.string() })),
});

/** @throws {SystemError} SHARD_DAMAGED for what `sampleQcJson` doesn't write. */
export function parseSampleQc(bytes: Uint8Array): SampleQc {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return v.parse(schema, value) as unknown as SampleQc;
  } catch (thrown) {
    throw new SystemError("SHARD_DAMAGED", "not a sample's qc.json", {}, thrown);
  }
}
