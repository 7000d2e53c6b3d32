/** Bounds of reading sequences, of quality control and of translation: value, unit, reason. */

/** Inflated bytes between restart points of gzip: what a shard inflates in vain is no more. */
export const POINT_SPACING_BYTES = 1024 * 1024;
/** Bytes of deflate's window, which a restart point keeps. */
export const POINT_WINDOW_BYTES = 32 * 1024;
/**
 * Bytes of an input beyond which not every shard has a mark: some 4,000 shards of text that
 * deflates to a quarter, whose marks take ~12 KB each.
 */
export const POINT_STRIDE_BYTES = 8 * 1024 * 1024 * 1024;
/** Bytes for which blocks of BGZF follow each other where one is believed: two of the largest. */
export const BGZF_CHAIN_BYTES = 128 * 1024;
/** Read positions with curves of their own; 256 bytes each, and no report shows more. */
export const QC_CYCLES_MAX = 100_000;
/** Adapters of a table: each is looked for at every place of every read. */
export const QC_ADAPTERS_MAX = 1_000;
/** k-mers that are counted exactly, some 64 MB; of more, a sample is. */
export const KMER_KEYS_MAX = 1_000_000;
/** Residues of the shortest reading frame that is encoded: shorter ones are mostly chance. */
export const ORF_LENGTH_MIN = 30;
/** Records from whose mean size a one-stream input's records per shard are computed. */
export const PROBE_RECORDS = 1_000;
/** Bytes after which that probe stops, however few its records. */
export const PROBE_BYTES_MAX = 4 * 1024 * 1024;
