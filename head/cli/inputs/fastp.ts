/**
 * Quality control's options as the command line has them: fastp's own long names (with `_` or
 * `-`), their bounds and a line of help. The actors check them once more where they are used.
 */

/** What an option takes: nothing, a whole number of a range, or an adapter's bases. */
export type FastpKind =
  | { readonly kind: "flag" }
  | { readonly kind: "whole"; readonly least: number; readonly most: number }
  | { readonly kind: "adapter" };

export interface FastpOption {
  /** fastp's long name. */
  readonly name: string;
  readonly takes: FastpKind;
  readonly help: string;
}

const COUNT_MAX = 2 ** 30;

const flag = (name: string, help: string): FastpOption => ({ name, takes: { kind: "flag" }, help });
const adapter = (name: string, help: string): FastpOption => ({
  ...{ name, help },
  takes: { kind: "adapter" },
});
const whole = (name: string, help: string, most = COUNT_MAX, least = 0): FastpOption => ({
  ...{ name, help },
  takes: { kind: "whole", least, most },
});

const windows = ["front", "tail", "right"].flatMap((side) => [
  whole(`cut_${side}_window_size`, `of --cut-${side} alone`, 1_000, 1),
  whole(`cut_${side}_mean_quality`, `of --cut-${side} alone`, 36, 1),
]);

/** All options; the defaults that are said are fastp's. */
export const FASTP_OPTIONS: readonly FastpOption[] = [
  flag("phred64", "qualities are 64-based (default: told from the first reads)"),
  flag("disable_adapter_trimming", "leave adapters where they are"),
  adapter("adapter_sequence", "of single reads and first mates (default: detected)"),
  adapter("adapter_sequence_r2", "of second mates"),
  flag("detect_adapter_for_pe", "detect adapters of pairs too, not by overlap alone"),
  whole("trim_front1", "bases cut off the front of reads and first mates"),
  whole("trim_tail1", "bases cut off their tail"),
  whole("max_len1", "bases that are kept of them at most; 0: all"),
  whole("trim_front2", "the same for second mates (default: as for the first)"),
  whole("trim_tail2", "the same"),
  whole("max_len2", "the same"),
  flag("trim_poly_g", "trim poly-G tails (default: by the instrument)"),
  flag("disable_trim_poly_g", "never trim poly-G tails"),
  whole("poly_g_min_len", "shortest poly-G tail (default: 10)", COUNT_MAX, 1),
  flag("trim_poly_x", "trim tails of any one base"),
  whole("poly_x_min_len", "shortest of those tails (default: 10)", COUNT_MAX, 1),
  flag("cut_front", "slide a window from the front, drop it while its mean is poor"),
  flag("cut_tail", "the same from the tail"),
  flag("cut_right", "cut at the first poor window from the front on"),
  whole("cut_window_size", "bases of these windows (default: 4)", 1_000, 1),
  whole("cut_mean_quality", "mean that they must have (default: 20)", 36, 1),
  ...windows,
  flag("disable_quality_filtering", "keep reads of any quality"),
  whole("qualified_quality_phred", "quality from which a base is qualified (default: 15)", 93),
  whole("unqualified_percent_limit", "unqualified bases at most, percent (default: 40)", 100),
  whole("n_base_limit", "N at most (default: 5)"),
  whole("average_qual", "mean quality at least; 0: any", 93),
  flag("disable_length_filtering", "keep reads of any length"),
  whole("length_required", "bases at least (default: 15)"),
  whole("length_limit", "bases at most; 0: any"),
  flag("low_complexity_filter", "drop reads of low complexity"),
  whole("complexity_threshold", "bases that differ from the next, percent (default: 30)", 100),
  flag("correction", "correct poor bases where mates overlap"),
  whole("overlap_len_require", "bases of an overlap at least (default: 30)"),
  whole("overlap_diff_limit", "mismatches of an overlap at most (default: 5)"),
  whole("overlap_diff_percent_limit", "the same in percent (default: 20)", 100),
];
