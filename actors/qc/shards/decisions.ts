/**
 * What planning decided of a sample, as it stands in plan.json with each of its inputs: shards obey
 * it and look at nothing else.
 */
import * as v from "valibot";
import type { JsonObject } from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { qcSettings, settingsSchema } from "../options.ts";
import { SUMMARY_DEFAULTS } from "../summary.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const k = v.pipe(whole, v.maxValue(31));
const scaled = v.pipe(whole, v.minValue(1), v.maxValue(2 ** 31));

/** How quality control is asked for, in the source's options. */
const askedSchema = v.strictObject({
  preset: v.optional(v.string(), "none"),
  /** Single options under fastp's names, over the preset. */
  given: v.optional(v.record(v.string(), v.any()), {}),
  /** Length of the spectrum's k-mers; 0: none, which costs a fifth. */
  spectrum: v.optional(k, 0),
  /** Length of the sketch's k-mers; 0: none. */
  sketch: v.optional(k, SUMMARY_DEFAULTS.sketchK),
  scaled: v.optional(scaled, SUMMARY_DEFAULTS.scaled),
});

const optionsSchema = v.object({
  qc: v.optional(askedSchema),
  /** Of pairs: one row a fragment, or one a mate. */
  mates: v.optional(v.picklist(["fragment", "single"]), "fragment"),
});

/** Quality control as a source's options ask for it; plain JSON. */
export type QcAsked = v.InferInput<typeof askedSchema>;

/** What a source's options say of quality control and of pairs. */
export interface Asked {
  readonly qc: {
    readonly settings: v.InferOutput<typeof settingsSchema>;
    readonly k: number;
    readonly sketchK: number;
    readonly scaled: number;
  } | null;
  readonly mates: "fragment" | "single";
}

/** @throws {SystemError} USAGE for what isn't known. */
export function askedOf(options: JsonObject): Asked {
  const parsed = v.safeParse(optionsSchema, options);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new SystemError("USAGE", `${v.getDotPath(issue) ?? "options"}: ${issue.message}`);
  }
  const { qc, mates } = parsed.output;
  if (qc === undefined) return { qc: null, mates };
  const { preset, given, spectrum, sketch, scaled: oneOf } = qc;
  const settings = qcSettings(preset, given);
  return { qc: { settings, k: spectrum, sketchK: sketch, scaled: oneOf }, mates };
}

const decidedSchema = v.object({
  probed: whole,
  encoding: v.picklist(["phred33", "phred64", "solexa64"]),
  encodingUnsure: v.boolean(),
  phred64: v.boolean(),
  wrapped: v.boolean(),
  twoColour: v.boolean(),
  polyG: v.boolean(),
  readLength: v.pipe(v.object({ most: whole, median: whole }), v.readonly()),
  adapters: v.pipe(v.strictTuple([v.string(), v.string()]), v.readonly()),
  adapterSearch: v.picklist(["given", "off", "too-few-reads", "none", "found"]),
});

const inputSchema = v.object({
  qc: v.optional(
    v.object({
      settings: settingsSchema,
      decisions: decidedSchema,
      shape: v.object({ mates: v.picklist([1, 2]), k, sketchK: k, scaled }),
    }),
  ),
  mates: v.optional(v.literal("single")),
});

/** Decisions of one input: of quality control, and whether mates become rows of their own. */
export type InputDecisions = v.InferOutput<typeof inputSchema>;
export type SampleDecisions = NonNullable<InputDecisions["qc"]>;

/** @throws {SystemError} PLAN_DAMAGED for what planning doesn't write. */
export function decisionsOf(decisions: JsonObject): InputDecisions {
  const parsed = v.safeParse(inputSchema, decisions);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const what = `the plan's decisions: ${v.getDotPath(issue) ?? ""} ${issue.message}`;
  throw new SystemError("PLAN_DAMAGED", what, {});
}
