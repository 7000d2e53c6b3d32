/**
 * The stage of `ligase qc`: it takes each record that quality control let pass, makes no row of it
 * and counts it. What was found out is in the summaries that the source leaves for every shard.
 */
import { actor } from "../runtime/actor/registry.ts";
import type { Batch, DescribedStage, StageDescription, Table } from "../runtime/dataset/types.ts";
import { sha256Hex } from "../runtime/ids.ts";

class QcOnlyStage implements DescribedStage {
  readonly deterministic = true;

  /** No rows, and all records of the batch passed. */
  count({ records }: Batch): Table {
    return { rows: 0, columns: {}, filtered: {}, passed: records };
  }

  describe(): StageDescription {
    const name = "none";
    // No model is behind it: its name stands for the bytes that one would have.
    const sha256 = sha256Hex("no encoder");
    return { name, sha256, provider: "cpu", variant: "none", dimensions: 0, metric: "l2" };
  }
}

/** Counts records and makes no rows. */
export const QcOnly = actor("qc-only", QcOnlyStage);
