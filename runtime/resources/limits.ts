/** Bounds of what nodes have and work asks for. */

/** Processors or pieces of a custom resource of one node; a million times UNITS is an exact sum. */
export const AMOUNT_MAX = 1_000_000;
/** GPUs of one node: 16 is the most that a machine of today has, and they are looked at singly. */
export const GPUS_MAX = 1_024;
/** Bytes: a pebibyte, which is still exact when 8 of them are added up. */
export const MEMORY_BYTES_MAX = 2 ** 50;
/** Kinds of custom resources in one request or of one node: every placement looks at each. */
export const CUSTOM_RESOURCES_MAX = 32;
/** Labels of one node or in one selector: every placement looks at each. */
export const LABELS_MAX = 32;
/** Values of one label in a selector. */
export const LABEL_VALUES_MAX = 32;
/** Shards of one dataset under way at once: all slots of a thousand of the largest nodes. */
export const SHARDS_AT_ONCE_MAX = 1_000_000;
