/** The manifest of a complete dataset, from its receipts alone. */
import { describe, expect, test } from "vitest";
import type { DatasetJob } from "../../../head/core/facts.ts";
import { manifestOf } from "../../../head/core/seal.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { Receipt } from "../../../runtime/messages.ts";
import { type Manifest, manifestBytes, parseManifest } from "../../../solver/manifest.ts";
import { receiptOf, specOf } from "./support.ts";

/** A job with these receipts, per input, put in from the last shard to the first. */
function jobOf(inputs: readonly (readonly Receipt[])[]): DatasetJob {
  return {
    kind: "dataset",
    id: "2".repeat(64),
    spec: specOf("x", inputs.length),
    atMs: 0,
    state: { kind: "running" },
    planSha256: "e".repeat(64),
    inputs: inputs.map((receipts) => ({
      shards: receipts.length,
      receipts: new Map(receipts.map((receipt, shard) => [shard, receipt] as const).reverse()),
    })),
    continuations: [],
    solves: [],
  };
}

function manifest(inputs: readonly (readonly Receipt[])[]): Manifest {
  const made = manifestOf(jobOf(inputs));
  if (made instanceof SystemError) throw made;
  return made;
}

describe("a manifest", () => {
  test("lists shards in the order of input and shard, with the rows before each", () => {
    const { shards, rows } = manifest([
      [receiptOf(0, 0, { rows: 4 }), receiptOf(0, 1, { rows: 2 })],
      [receiptOf(1, 0, { rows: 5 })],
    ]);
    expect(shards.map(({ file, input, firstRow }) => [file, input, firstRow])).toEqual([
      ["part-0-0.parquet", 0, 0],
      ["part-0-1.parquet", 0, 4],
      ["part-1-0.parquet", 1, 6],
    ]);
    expect(rows).toBe(11);
  });

  test("adds up what each input's source met", () => {
    const met = [{ warnings: { marks: 1, twice: 3 } }, {}, { warnings: { twice: 4 } }];
    const made = manifest([
      met.map((said, shard) => receiptOf(0, shard, said)),
      [receiptOf(1, 0, { rows: 5 })],
    ]);
    expect(made.inputs.map(({ warnings }) => warnings)).toEqual([
      { marks: 1, twice: 7 },
      undefined,
    ]);
    expect(parseManifest(manifestBytes(made))).toEqual(made);
  });

  test("counts reads of each input and of all, and why some were filtered, by name", () => {
    const short = { filtered: { too_short: 2, ambiguous: 1 }, records: 6 };
    const rest = { filtered: { too_short: 4 }, quarantined: 1, skipped: 2, records: 10 };
    const made = manifest([[receiptOf(0, 0, short)], [receiptOf(1, 0, rest)]]);
    expect(made.reads).toEqual({ in: 16, passed: 6, filtered: 7, quarantined: 1, skipped: 2 });
    expect(made.inputs.map(({ reads }) => reads.in)).toEqual([6, 10]);
    expect(Object.entries(made.filteredReasons)).toEqual([
      ["ambiguous", 1],
      ["too_short", 6],
    ]);
    expect(parseManifest(manifestBytes(made))).toEqual(made);
  });

  test("whose reads don't add up is never written", () => {
    const off = manifest([[receiptOf(0, 0, { records: 4 })]]);
    expect(() => manifestBytes(off)).toThrow("reads don't add up");
  });

  test("isn't made of shards that differ in encoder, width or metric", () => {
    const { stage } = receiptOf(0, 0);
    for (const other of [
      { sha256: "0".repeat(64) },
      { dimensions: 8 },
      { metric: "cosine" } as const,
    ]) {
      const receipts = [receiptOf(0, 0), receiptOf(0, 1, { stage: { ...stage, ...other } })];
      const made = manifestOf(jobOf([receipts]));
      expect(made).toMatchObject({ code: "DETERMINISM_ALARM", where: { uri: "part-0-1.parquet" } });
    }
  });

  test("isn't made of no rows, and says where the reads went", () => {
    const receipts = [receiptOf(0, 0, { rows: 0, records: 7, filtered: { too_short: 7 } })];
    const made = manifestOf(jobOf([receipts]));
    expect(made).toMatchObject({
      code: "NO_ROWS",
      what: "none of 7 reads gave a row (7 too_short)",
      where: { uri: "/in/0.fq" },
    });
    expect(manifestOf(jobOf([[]]))).toMatchObject({ code: "NO_ROWS" });
  });
});
