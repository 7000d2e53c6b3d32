/** The contract of phase 2: manifest bytes, solve specs, arguments, identities, exit codes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERRORS } from "../../runtime/errors.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import type { Continuation } from "../../runtime/messages.ts";
import { type Manifest, manifestBytes, parseManifest } from "../../solver/manifest.ts";
import {
  parseSolveSpec,
  SOLVER_EXITS,
  solve,
  solveId,
  solverArguments,
} from "../../solver/solve.ts";

const GOLDEN = join(import.meta.dirname, "..", "golden", "manifest.json");
const HASH_A = "a".repeat(64);
const HASH_B = "b".repeat(64);

const golden: Manifest = {
  schema: 1,
  jobId: "0123456789abcdef".repeat(4),
  rows: 7,
  dimensions: 136,
  metric: "l2",
  encoder: { name: "kmer", sha256: HASH_A, provider: "cpu" },
  inputs: [
    {
      uri: "/reads/Probe 1 – ö.fq.gz",
      sample: "Probe 1 – ö",
      reads: { in: 8, passed: 5, filtered: 2, quarantined: 1, skipped: 0 },
    },
    {
      uri: "s3://bucket/empty.fq",
      sample: "empty",
      reads: { in: 3, passed: 0, filtered: 3, quarantined: 0, skipped: 0 },
    },
    {
      uri: "/reads/c.fq",
      sample: "c",
      reads: { in: 3, passed: 2, filtered: 0, quarantined: 0, skipped: 1 },
    },
  ],
  reads: { in: 14, passed: 7, filtered: 5, quarantined: 1, skipped: 1 },
  filteredReasons: { too_short_for_encoder: 5 },
  shards: [
    shard("part-00000-000000-0123456789ab.parquet", 0, 0, [3, 1], "00000000"),
    shard("part-00000-000001-0123456789ab.parquet", 0, 4, [1], "ffffffff"),
    shard("part-00001-000000-0123456789ab.parquet", 1, 5, [], "80000001"),
    shard("part-00002-000000-0123456789ab.parquet", 2, 5, [2], "7fffffff"),
  ],
};

function shard(
  file: string,
  input: number,
  firstRow: number,
  rowGroups: number[],
  crc32c: string,
): Manifest["shards"][number] {
  const rows = rowGroups.reduce((sum, n) => sum + n, 0);
  return { file, input, rows, firstRow, bytes: 1000 + rows, crc32c, sha256: HASH_B, rowGroups };
}

describe("manifest", () => {
  test("its bytes are frozen", () => {
    expect(Buffer.from(manifestBytes(golden)).toString()).toBe(readFileSync(GOLDEN, "utf8"));
  });

  test("reading the bytes gives the manifest again", () => {
    expect(parseManifest(readFileSync(GOLDEN))).toEqual(golden);
  });

  test.each<[string, (manifest: Manifest) => Manifest]>([
    ["shards that leave a gap", (m) => ({ ...m, shards: m.shards.slice(1) })],
    ["another number of rows", (m) => ({ ...m, rows: 8 })],
    ["reads that don't add up", (m) => ({ ...m, reads: { ...m.reads, in: 15 } })],
    ["a shard without input", (m) => ({ ...m, inputs: m.inputs.slice(0, 2) })],
    ["another schema", (m) => Object.assign({ ...m }, { schema: 2 })],
    ["an unknown field", (m) => Object.assign({ ...m }, { extra: 1 })],
  ])("it isn't read with %s", (_, change) => {
    const text = JSON.stringify(change(golden));
    expect(() => parseManifest(Buffer.from(text))).toThrow();
  });
});

describe("solve", () => {
  test("without options is the default solve", () => {
    expect(solve()).toEqual({
      kind: "solve",
      spec: {
        ...{ ranks: 2, k: 15, times: [1, 10, 100, 1000], timeLimitMinutes: 60 },
        ...{ fields: 8, modes: 16, seed: 0 },
      },
    });
  });

  test("is a continuation as it crosses the wire", () => {
    const continuation: Continuation = solve({ ranks: 3, metric: "cosine" });
    const received: unknown = JSON.parse(JSON.stringify(continuation.spec));
    expect(parseSolveSpec(received)).toEqual(continuation.spec);
  });

  test.each<[string, unknown]>([
    ["ranks", { ranks: 0 }],
    ["ranks", { ranks: 1.5 }],
    ["k", { k: 0 }],
    ["k", { k: 1001 }],
    ["times", { times: [] }],
    ["times", { times: [10, 1] }],
    ["times", { times: [1, 1] }],
    ["times", { times: [0] }],
    ["times", { times: [Number.NaN] }],
    ["fields", { fields: -1 }],
    ["fields", { fields: 257 }],
    ["modes", { modes: 65 }],
    ["clusters", { clusters: 0 }],
    ["clusters", { clusters: 1001 }],
    ["seed", { seed: 0.5 }],
    ["seed", { seed: 2 ** 53 }],
    ["timeLimitMinutes", { timeLimitMinutes: 0 }],
    ["metric", { metric: "dot" }],
    ["unknown", { unknown: 1 }],
  ])("refuses a bad %s: %j", (field, options) => {
    expect(() => parseSolveSpec(options)).toThrow(
      expect.objectContaining({ code: "USAGE", what: expect.stringContaining(field) }),
    );
  });
});

describe("solver arguments", () => {
  const paths = { embeddings: "/o/my embeddings/manifest.json", output: "/o/x.nc" };

  test("are flags and values, one element each, without ranks and time limit", () => {
    const heat = { k: 9, times: [0.5, 1e-7 + 2], fields: 0, seed: 2 ** 53 - 1 };
    const { spec } = solve({ ranks: 4, ...heat, metric: "cosine", modes: 4, clusters: 3 });
    expect(solverArguments(spec, paths)).toEqual([
      ...["--embeddings", "/o/my embeddings/manifest.json", "--output", "/o/x.nc"],
      ...["--metric", "cosine", "--k", "9", "--times", "0.5,2.0000001"],
      ...["--fields", "0", "--modes", "4", "--clusters", "3", "--seed", "9007199254740991"],
    ]);
  });

  test("leave out metric, output and clusters where none is given", () => {
    expect(solverArguments(solve().spec, { embeddings: "m.json" })).toEqual([
      ...["--embeddings", "m.json", "--k", "15", "--times", "1,10,100,1000"],
      ...["--fields", "8", "--modes", "16", "--seed", "0"],
    ]);
  });
});

describe("solve id", () => {
  const id = solveId(HASH_A, solve().spec, HASH_B);

  test("is the hash of what changes the bytes, in a pinned form", () => {
    const form = `{"fields":8,"k":15,"manifestSha256":"${HASH_A}","modes":16,"schema":2,"seed":0,`;
    const rest = `"solverSha256":"${HASH_B}","times":[1,10,100,1000]}`;
    expect(id).toBe(sha256Hex(form + rest));
  });

  test("doesn't depend on ranks or time limit, nor on how defaults were given", () => {
    expect(solveId(HASH_A, solve({ ranks: 7, timeLimitMinutes: 5 }).spec, HASH_B)).toBe(id);
    expect(solveId(HASH_A, { times: [1, 10, 100, 1000], k: 15 }, HASH_B)).toBe(id);
  });

  test.each<[string, () => string]>([
    ["manifest", () => solveId(HASH_B, solve().spec, HASH_B)],
    ["solver", () => solveId(HASH_A, solve().spec, HASH_A)],
    ["k", () => solveId(HASH_A, solve({ k: 14 }).spec, HASH_B)],
    ["metric", () => solveId(HASH_A, solve({ metric: "l2" }).spec, HASH_B)],
    ["times", () => solveId(HASH_A, solve({ times: [1] }).spec, HASH_B)],
    ["fields", () => solveId(HASH_A, solve({ fields: 7 }).spec, HASH_B)],
    ["modes", () => solveId(HASH_A, solve({ modes: 15 }).spec, HASH_B)],
    ["clusters", () => solveId(HASH_A, solve({ clusters: 2 }).spec, HASH_B)],
    ["seed", () => solveId(HASH_A, solve({ seed: 1 }).spec, HASH_B)],
  ])("changes with the %s", (_, other) => {
    expect(other()).not.toBe(id);
  });
});

test("every exit code has a name and stays clear of signals and the command's own", () => {
  const codes = Object.keys(SOLVER_EXITS).map(Number);
  expect(new Set(Object.values(SOLVER_EXITS).map(({ name }) => name)).size).toBe(codes.length);
  const command = new Set<number>(Object.values(ERRORS).map(({ exit }) => exit));
  for (const code of codes.filter((one) => one !== 0)) {
    expect(code).toBeGreaterThanOrEqual(64);
    expect(code).toBeLessThan(90);
    expect(command).not.toContain(code);
  }
});
