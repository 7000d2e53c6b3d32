/**
 * Options of quality control under fastp's names, with fastp's defaults. What isn't here is refused
 * by name, so that nobody believes in an option that does nothing.
 */
import * as v from "valibot";
import { SystemError } from "../../runtime/errors.ts";
import { QC_DEFAULTS, type QcOptions, type QcWindow } from "../native/qc.ts";

const COUNT_MAX = 2 ** 30;
const flag = v.optional(v.boolean(), false);

function whole(least: number, most: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
}

function count(standard: number, most: number = COUNT_MAX, least = 0) {
  return v.optional(whole(least, most), standard);
}

const adapter = v.optional(
  v.pipe(v.string(), v.regex(/^(auto|[ACGT]{6,1000})$/, "takes ACGT, 6 to 1000 bases, or auto")),
  "auto",
);

/** All options under fastp's names; what is left out has its default. */
export const settingsSchema = v.strictObject({
  phred64: v.optional(v.boolean()),
  disable_adapter_trimming: flag,
  adapter_sequence: adapter,
  adapter_sequence_r2: adapter,
  detect_adapter_for_pe: flag,
  trim_front1: count(0),
  trim_tail1: count(0),
  max_len1: count(0),
  trim_front2: v.optional(whole(0, COUNT_MAX)),
  trim_tail2: v.optional(whole(0, COUNT_MAX)),
  max_len2: v.optional(whole(0, COUNT_MAX)),
  trim_poly_g: flag,
  disable_trim_poly_g: flag,
  poly_g_min_len: count(10, COUNT_MAX, 1),
  trim_poly_x: flag,
  poly_x_min_len: count(10, COUNT_MAX, 1),
  cut_front: flag,
  cut_tail: flag,
  cut_right: flag,
  cut_window_size: count(4, 1000, 1),
  cut_mean_quality: count(20, 36, 1),
  cut_front_window_size: v.optional(whole(1, 1000)),
  cut_front_mean_quality: v.optional(whole(1, 36)),
  cut_tail_window_size: v.optional(whole(1, 1000)),
  cut_tail_mean_quality: v.optional(whole(1, 36)),
  cut_right_window_size: v.optional(whole(1, 1000)),
  cut_right_mean_quality: v.optional(whole(1, 36)),
  disable_quality_filtering: flag,
  qualified_quality_phred: count(15, 93),
  unqualified_percent_limit: count(40, 100),
  n_base_limit: count(5),
  average_qual: count(0, 93),
  disable_length_filtering: flag,
  length_required: count(15),
  length_limit: count(0),
  low_complexity_filter: flag,
  complexity_threshold: count(30, 100),
  correction: flag,
  overlap_len_require: count(30),
  overlap_diff_limit: count(5),
  overlap_diff_percent_limit: count(20, 100),
});

/** All options, each with a value; plain JSON. `phred64` is absent where the probe decides. */
export type QcSettings = v.InferOutput<typeof settingsSchema>;

/** Options that were asked for; the rest are the preset's, then fastp's. */
export type QcGiven = Partial<QcSettings>;

/**
 * Presets. `short` is fastp's own behaviour. `long` keeps reads from 500 bases and mean quality 7
 * on, whatever their bases are one by one. `none` counts and changes nothing.
 */
export const QC_PRESETS = {
  short: {},
  long: {
    disable_adapter_trimming: true,
    disable_trim_poly_g: true,
    average_qual: 7,
    unqualified_percent_limit: 100,
    n_base_limit: COUNT_MAX,
    length_required: 500,
  },
  none: {
    disable_adapter_trimming: true,
    disable_trim_poly_g: true,
    disable_quality_filtering: true,
    disable_length_filtering: true,
    // Where one bound is asked for by name, the others stay without effect.
    unqualified_percent_limit: 100,
    n_base_limit: COUNT_MAX,
    length_required: 0,
  },
} as const satisfies Readonly<Record<string, QcGiven>>;
export type QcPreset = keyof typeof QC_PRESETS;

/** What a preset turns off is on again where one of these is asked for by name. */
const TURNED_ON = {
  disable_adapter_trimming: ["adapter_sequence", "adapter_sequence_r2", "detect_adapter_for_pe"],
  disable_trim_poly_g: ["trim_poly_g", "poly_g_min_len"],
  disable_quality_filtering: [
    "qualified_quality_phred",
    "unqualified_percent_limit",
    "n_base_limit",
    "average_qual",
  ],
  disable_length_filtering: ["length_required", "length_limit"],
} as const satisfies QcGivenNames;
type QcGivenNames = Partial<Record<keyof QcSettings, readonly (keyof QcSettings)[]>>;

/** Names of all options, as fastp has them. */
export const QC_OPTION_NAMES: readonly string[] = Object.keys(settingsSchema.entries);

/**
 * All options: what is given, over the preset, over fastp's defaults.
 * @throws {SystemError} USAGE for an unknown preset, name or value, and for contradictions.
 */
export function qcSettings(preset: string, given: Readonly<Record<string, unknown>>): QcSettings {
  const base = Object.entries(QC_PRESETS).find(([name]) => name === preset)?.[1];
  if (base === undefined) {
    const known = Object.keys(QC_PRESETS).join(", ");
    throw new SystemError("USAGE", `no preset of quality control "${preset}"; there are ${known}`);
  }
  const parsed = v.safeParse(settingsSchema, { ...base, ...turnedOn(given), ...given });
  if (!parsed.success) throw new SystemError("USAGE", said(parsed.issues[0]));
  const settings = parsed.output;
  if (settings.trim_poly_g && settings.disable_trim_poly_g) {
    throw new SystemError("USAGE", "trim_poly_g and disable_trim_poly_g exclude each other");
  }
  return settings;
}

/** What of a preset gives way to what is asked for by name, which else would do nothing. */
function turnedOn(given: Readonly<Record<string, unknown>>): Partial<QcSettings> {
  const isAsked = (name: string): boolean => given[name] !== undefined && given[name] !== false;
  const on = Object.entries(TURNED_ON).filter(([, names]) => names.some(isAsked));
  // Qualified bases count by their share: a preset that allows of any has none.
  const share = isAsked("qualified_quality_phred") ? { unqualified_percent_limit: 40 } : {};
  return { ...Object.fromEntries(on.map(([name]) => [name, false])), ...share };
}

function said(issue: v.InferIssue<typeof settingsSchema>): string {
  const key = issue.path?.[0]?.key;
  const name = typeof key === "string" ? key : "";
  if (issue.expected === "never") {
    return `quality control has no option "${name}"; it has ${QC_OPTION_NAMES.join(", ")}`;
  }
  return `quality control's option ${name}: ${issue.message}`;
}

/** What the probe of a sample decided for the counter. */
export interface CounterDecisions {
  readonly phred64: boolean;
  readonly polyG: boolean;
  /** Of mates 1 and 2; empty: none. */
  readonly adapters: readonly [string, string];
}

/** The counter's options: a pure function of settings and decisions, so that shards obey. */
export function counterOptions(settings: QcSettings, decisions: CounterDecisions): QcOptions {
  const s = settings;
  return {
    ...QC_DEFAULTS,
    qualityFilter: !s.disable_quality_filtering,
    qualifiedPhred: s.qualified_quality_phred,
    unqualifiedPercent: s.unqualified_percent_limit,
    averageQuality: s.average_qual,
    unknownLimit: s.n_base_limit,
    lengthFilter: !s.disable_length_filtering,
    lengthRequired: s.length_required,
    lengthLimit: s.length_limit,
    complexity: s.low_complexity_filter ? s.complexity_threshold : 0,
    cutFront: windowOf(s, "front"),
    cutTail: windowOf(s, "tail"),
    cutRight: windowOf(s, "right"),
    trimFront: [s.trim_front1, s.trim_front2 ?? s.trim_front1],
    trimTail: [s.trim_tail1, s.trim_tail2 ?? s.trim_tail1],
    maxLength: [s.max_len1, s.max_len2 ?? s.max_len1],
    polyG: decisions.polyG ? s.poly_g_min_len : 0,
    polyX: s.trim_poly_x ? s.poly_x_min_len : 0,
    adapters: !s.disable_adapter_trimming,
    adapter: decisions.adapters,
    correction: s.correction,
    overlapRequired: s.overlap_len_require,
    overlapDifferenceLimit: s.overlap_diff_limit,
    overlapDifferencePercent: s.overlap_diff_percent_limit,
    phred64: decisions.phred64,
  };
}

function windowOf(settings: QcSettings, side: "front" | "tail" | "right"): QcWindow {
  return {
    window: settings[`cut_${side}`]
      ? (settings[`cut_${side}_window_size`] ?? settings.cut_window_size)
      : 0,
    mean: settings[`cut_${side}_mean_quality`] ?? settings.cut_mean_quality,
  };
}
