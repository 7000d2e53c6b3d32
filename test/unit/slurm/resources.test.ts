/** What a solve asks of Slurm, and what is read of an attempt's logs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readProgress, readSolverError } from "../../../head/slurm/attempt/left.ts";
import { resourcesOf } from "../../../head/slurm/attempt/resources.ts";
import { LOG_TAIL_BYTES_MAX } from "../../../runtime/limits.ts";
import { memoryOfRank } from "../../../solver/memory.ts";
import { solve } from "../../../solver/solve.ts";
import { manifestBytes, type Manifest } from "../../../solver/manifest.ts";

const HASH = "a".repeat(64);

function manifestOf(rows: number, dimensions: number): Manifest {
  const reads = { in: rows, passed: rows, filtered: 0, quarantined: 0, skipped: 0 };
  const file = { file: "a.parquet", input: 0, rows, firstRow: 0, bytes: 9, crc32c: "00000000" };
  return {
    ...{ schema: 1, jobId: HASH, rows, dimensions, metric: "l2", filteredReasons: {}, reads },
    encoder: { name: "kmer", sha256: HASH, provider: "cpu" },
    inputs: [{ uri: "/a.fq", sample: "a", reads }],
    shards: [{ ...file, sha256: HASH, rowGroups: [rows] }],
  };
}

const BYTES = manifestBytes(manifestOf(50_000, 128));

describe("the resources of a solve", () => {
  test("are estimated from the set's size, asked for by core, and said", () => {
    const spec = solve({ ranks: 4, cpusPerTask: 3 }).spec;
    const bytes = memoryOfRank(manifestOf(50_000, 128), spec);
    const each = Math.ceil(bytes / 2 ** 20 / 3);
    expect(resourcesOf(spec, BYTES, true)).toEqual({
      options: ["--cpus-per-task=3", `--mem-per-cpu=${each}M`],
      said: `4 ranks of 3 cores, ${each * 3} MiB each (estimated), at most 60 min`,
    });
    // What a rank is granted is never less than what the solver refuses a set for.
    expect(each * 3 * 2 ** 20).toBeGreaterThanOrEqual(bytes);
  });

  test("need less memory a rank for more ranks, and more for more rows", () => {
    const of = (rows: number, ranks: number) =>
      memoryOfRank(manifestOf(rows, 128), solve({ ranks }).spec);
    expect(of(50_000, 4)).toBeLessThan(0.6 * of(50_000, 1));
    expect(of(500_000, 4)).toBeGreaterThan(3 * of(50_000, 4));
  });

  test("that are given go before the estimate, each as one argument", () => {
    const spec = solve({
      ...{ ranks: 1, memory: "16G", partition: "a,b", account: "lab", qos: "high" },
      ...{ constraint: "[x|y]&z", gpus: "a100:2", gres: "gpu:1", timeLimitMinutes: 5 },
      sbatchArguments: ["--exclusive", "--mail-user=x y@z"],
    }).spec;
    expect(resourcesOf(spec, BYTES, true)).toEqual({
      options: [
        ...["--mem=16G", "--partition=a,b", "--account=lab", "--qos=high"],
        ...["--constraint=[x|y]&z", "--gpus=a100:2", "--gres=gpu:1"],
        ...["--exclusive", "--mail-user=x y@z"],
      ],
      said: "1 rank, memory 16G a node, at most 5 min",
    });
  });

  test("ask for no memory where Slurm gives none out, and say what it will be all the same", () => {
    const { options, said } = resourcesOf(solve({ ranks: 1 }).spec, BYTES, false);
    expect(options).toEqual([]);
    expect(said).toMatch(/^1 rank, \d+ MiB each \(estimated\), at most 60 min$/);
  });

  test("leave memory to sbatch's own option, and to the site where nothing is known", () => {
    const own = solve({ ranks: 2, sbatchArguments: ["--mem-per-gpu=9G"] }).spec;
    expect(resourcesOf(own, BYTES, true).options).toEqual(["--mem-per-gpu=9G"]);
    for (const bytes of [undefined, Buffer.from("{}")]) {
      const { options, said } = resourcesOf(solve({ ranks: 2 }).spec, bytes, true);
      expect([options, said]).toEqual([[], "2 ranks, memory as the site sets it, at most 60 min"]);
    }
  });
});

describe("an attempt's logs", () => {
  const line = (fraction: number) =>
    `{"progress":{"phase":"knn","fraction":${fraction},"seconds":1.5}}\n`;

  test("tell the last whole progress line, whatever stands around it", async () => {
    const folder = folderWith("stdout.log", `${line(0.25)}${line(0.5)}noise\n{"progress":{"pha`);
    const last = { phase: "knn", fraction: 0.5, seconds: 1.5 };
    expect(await readProgress(folder)).toEqual(last);
  });

  test.each([
    ["no file", undefined],
    ["an empty one", ""],
    ["half a line", '{"progress":{"phase":"knn","frac'],
    ["a fraction that is none", '{"progress":{"phase":"knn","fraction":7,"seconds":1}}\n'],
  ])("with %s tell no progress", async (_what, text) => {
    expect(await readProgress(folderWith("stdout.log", text))).toBeUndefined();
  });

  test("are read at their ends alone", async () => {
    const filler = "x".repeat(LOG_TAIL_BYTES_MAX);
    expect(await readProgress(folderWith("stdout.log", `${line(0.5)}${filler}\n`))).toBeUndefined();
    const folder = folderWith("stdout.log", `${filler}\n${line(0.5)}`);
    expect(await readProgress(folder)).toMatchObject({ fraction: 0.5 });
  });

  test("keep an error's place, whatever its fields are", async () => {
    const where = { uri: "/x", ranks: 2, list: [1], none: null };
    const said = JSON.stringify({ error: { code: "NOT_FINITE", what: "a NaN", where } });
    expect(await readSolverError(folderWith("stderr.log", `${said}\n`))).toEqual({
      code: "NOT_FINITE",
      what: "a NaN",
      where: { uri: "/x", ranks: 2, list: "[1]", none: "null" },
    });
  });
});

function folderWith(name: string, text: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), "lgl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  if (text !== undefined) writeFileSync(join(folder, name), text);
  return folder;
}
