/** Bounds of quality control: each with its unit and its reason. */

/** Reads of a sample that the probe looks at: as many as fastp's evaluator. */
export const PROBE_READS_MAX = 256 * 1024;
/** Bases of those reads, some 40 MB: as many as fastp's evaluator. */
export const PROBE_BASES_MAX = 151 * PROBE_READS_MAX;
/** Reads from which on an adapter is looked for: of fewer, fastp trusts no finding. */
export const ADAPTER_READS_MIN = 10_000;
/** Distinct reads of a sample that are counted exactly, 16 MB; of more, a sample is. */
export const READ_KEYS_MAX = 1_000_000;
/** Distinct ids that are counted exactly: a file that was written twice shows in any sample. */
export const ID_KEYS_MAX = 100_000;
/** Bases of a median read from which on `kmer` tells genomes apart (measured: ARI .38 at 150). */
export const MEDIAN_LENGTH_MIN = 500;
/** Places of a k-mer spectrum's histogram; the last one also counts what is more frequent. */
export const SPECTRUM_MAX = 10_000;
/** Bytes of a summary's header: names and lengths of some 23 arrays. */
export const SUMMARY_HEADER_BYTES_MAX = 64 * 1024;
/** Values of one array of a summary: the cycles of reads of QC_CYCLES_MAX bases, 32 each. */
export const SUMMARY_VALUES_MAX = 2 ** 23;
/** Reads that the probe looks at where no adapter is looked for: lengths and qualities show. */
export const PROBE_FEW_READS = 10_000;
/** Summaries of shards that are added before they are added to all others: small ones add fast. */
export const SUMMARIES_AT_ONCE = 32;
/** Samples whose pictures report.html holds, some 60 KB each; all are in its table. */
export const REPORT_SAMPLES_MAX = 100;
/** Points of a line in a picture: about one each two of its pixels. */
export const PLOT_POINTS_MAX = 300;
/** Rows of a sample sheet, and its characters: more inputs than one job's spec is to hold. */
export const SHEET_ROWS_MAX = 10_000;
export const SHEET_CHARACTERS_MAX = 8 * 1024 * 1024;
