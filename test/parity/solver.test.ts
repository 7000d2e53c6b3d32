/**
 * The solver against numpy, and against itself: the result's numbers are right, its bytes don't
 * depend on ranks, instruction set or division into row groups.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manifestBytes, parseManifest } from "../../solver/manifest.ts";
import { SOLVER_EXITS, solve, solverArguments } from "../../solver/solve.ts";
import { digest, factsOf, failures, makeSets, oracle, runAlone, runSolver } from "./support.ts";

const GOLDEN = join(import.meta.dirname, "..", "golden", "manifest.json");

let folder = "";
const inFolder = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ligase-parity-"));
  await makeSets(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The shards of a set, in the manifest's order. */
function shardsOf(set: string): string[] {
  const { shards } = parseManifest(readFileSync(inFolder(set, "manifest.json")));
  return shards.map(({ file }) => inFolder(set, file));
}

/** The result's path of one solve that must succeed. */
async function solved(name: string, ranks: number, args: readonly string[]): Promise<string> {
  const output = inFolder(`${name}.nc`);
  const ended = await runSolver(ranks, [...args, "--output", output]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return output;
}

describe.each([
  { set: "small", ranks: [1, 2, 3, 5] },
  { set: "large", ranks: [1, 2, 3, 5] },
])("the bytes of set $set", ({ set, ranks }) => {
  let reference = "";
  beforeAll(async () => {
    reference = digest(await solved(`${set}-ref`, 1, ["--embeddings", inFolder(set)]));
  });

  test.each(ranks)("are the same on %i ranks, with and without rows to own", async (r) => {
    const args = ["--embeddings", inFolder(set, "manifest.json")];
    expect(digest(await solved(`${set}-${r}`, r, args))).toBe(reference);
  });

  test.each(["baseline", "avx2", "avx512"])("are the same with %s instructions", async (isa) => {
    const args = ["--embeddings", inFolder(set), "--isa", isa];
    if (!hasInstructions(isa)) {
      const refused = await runAlone([...args, "--output", inFolder("never.nc")]);
      expect(refused.code).toBe(64);
      return;
    }
    expect(digest(await solved(`${set}-${isa}`, 2, args))).toBe(reference);
  });
});

/** Whether this machine's CPU has the instruction set, by the kernel's word. */
function hasInstructions(isa: string): boolean {
  if (isa === "baseline") return true;
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  return flags.split(" ").includes(isa === "avx512" ? "avx512f" : isa);
}

test("the bytes are the same however a file's pages are cut and coded", async () => {
  const files = v.parse(v.array(v.string()), await oracle("paged", inFolder("paged")));
  const digests = await Promise.all(
    files.map(async (file, at) => digest(await solved(`paged-${at}`, 2, ["--embeddings", file]))),
  );
  expect(files.length).toBeGreaterThan(5);
  expect(new Set(digests).size).toBe(1);
});

describe("numpy finds the same", () => {
  test("neighbours, graph, components and heat of several inputs with duplicates", async () => {
    const output = await solved("small", 2, ["--embeddings", inFolder("small")]);
    const report = await oracle("check", output, "l2", ...shardsOf("small"));
    // 45 rows collapse; input 1 has no rows, so no field; two outliers stand alone.
    expect(report).toMatchObject({ nodes: 695, fields: [0, 2], fieldRows: [0, 350] });
    expect(report).toMatchObject({ isolated: 2, k: 15, times: [1, 10, 100, 1000] });
  });

  test("over several chunks of nodes", async () => {
    const output = await solved("large", 3, [
      "--embeddings",
      inFolder("large"),
      "--times",
      "0.5,3,40",
    ]);
    const report = await oracle("check", output, "l2", ...shardsOf("large"));
    expect(report).toMatchObject({ nodes: 8900, fields: [0, 1], times: [0.5, 3, 40] });
  });

  test("under cosine, with the flags that the contract writes", async () => {
    const { spec } = solve({ metric: "cosine", k: 6, times: [2] });
    const output = inFolder("cosine.nc");
    const args = solverArguments(spec, { embeddings: inFolder("large"), output });
    expect(await runSolver(2, args)).toMatchObject({ code: 0 });
    const report = await oracle("check", output, "cosine", ...shardsOf("large"));
    expect(report).toMatchObject({ k: 6, times: [2] });
  });

  test("for one Parquet file, whose default result lies beside it", async () => {
    const [file = ""] = shardsOf("small");
    expect(await runSolver(2, ["--embeddings", file])).toMatchObject({ code: 0 });
    const report = await oracle("check", file.replace(/\.parquet$/, "_sim.nc"), "l2", file);
    expect(report).toMatchObject({ fields: [0], fieldRows: [0] });
  });
});

describe("the command line", () => {
  test("gives a folder's result its stem, beside the folder", async () => {
    const ended = await runAlone(["--embeddings", `${inFolder("small")}/`]);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(readdirSync(folder)).toContain("small_sim.nc");
  });

  test("takes settings from a file, and flags before it", async () => {
    const settings = inFolder("settings.json");
    writeFileSync(settings, JSON.stringify({ k: 3, times: [2, 4], metric: "cosine" }));
    const args = [settings, "--embeddings", inFolder("small"), "--k=4"];
    const ended = await runAlone([...args, "--output", inFolder("settings.nc")]);
    expect(factsOf(ended)).toMatchObject({ k: 4, times: [2, 4], metric: "cosine" });
  });

  test("leaves run facts beside the result, and prints them", async () => {
    const output = await solved("facts", 2, ["--embeddings", inFolder("small")]);
    const facts: unknown = JSON.parse(readFileSync(`${output}.run.json`, "utf8"));
    expect(facts).toMatchObject({ ranks: 2, rows: 740, nodes: 695, dimensions: 24, fields: 10 });
  });

  test("prints its help", async () => {
    const ended = await runAlone(["--help"]);
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("--embeddings") });
  });
});

describe("the contract", () => {
  test("names the same exit codes on both sides", async () => {
    const ended = await runAlone(["--exit-codes"]);
    const expected = Object.entries(SOLVER_EXITS).filter(([code]) => code !== "0");
    const table = Object.fromEntries(expected.map(([code, { name }]) => [name, Number(code)]));
    expect(JSON.parse(ended.stdout)).toEqual(table);
  });

  test("reads the golden manifest alike on both sides", async () => {
    const manifest = parseManifest(readFileSync(GOLDEN));
    const ended = await runAlone(["--check-manifest", GOLDEN]);
    expect(JSON.parse(ended.stdout)).toEqual({
      ...{ rows: manifest.rows, dimensions: manifest.dimensions, metric: manifest.metric },
      samples: manifest.inputs.map(({ sample }) => sample),
      shards: manifest.shards.map(({ sha256: _, crc32c, ...shard }) => ({
        ...shard,
        crc32c: Number.parseInt(crc32c, 16),
      })),
    });
  });

  test("reads one with side files as one without, on both sides", async () => {
    const golden = parseManifest(readFileSync(GOLDEN));
    const digest = { bytes: 9, sha256: "a".repeat(64) };
    const quarantine = [{ file: "quarantine-0.jsonl", input: 0, records: 1, ...digest }];
    const path = inFolder("aside.json");
    writeFileSync(path, manifestBytes({ ...golden, quarantine }));
    const [plain, aside] = await Promise.all(
      [GOLDEN, path].map((file) => runAlone(["--check-manifest", file])),
    );
    expect(JSON.parse(aside?.stdout ?? "")).toEqual(JSON.parse(plain?.stdout ?? "{}"));
  });

  const text = readFileSync(GOLDEN, "utf8");
  test.each([
    ["is no JSON", "{"],
    ["is no object", "[]"],
    ["has another schema", text.replace('"schema": 1', '"schema": 2')],
    ["has an unknown field", text.replace('"schema": 1', '"schema": 1, "more": 1')],
    ["lacks a field", text.replace('"dimensions": 136,', "")],
    ["has another metric", text.replace('"l2"', '"dot"')],
    ["has no dimensions", text.replace('"dimensions": 136', '"dimensions": 0')],
    ["has half a row", text.replace('"rows": 7', '"rows": 7.5')],
    ["has a negative count", text.replace('"skipped": 0', '"skipped": -1')],
    ["has a count as text", text.replace('"bytes": 1004', '"bytes": "1004"')],
    ["has rows that don't add up", text.replace('"rows": 7', '"rows": 8')],
    ["has a wrong first row", text.replace('"firstRow": 4', '"firstRow": 3')],
    ["has row groups that don't add up", text.replace(/\[\s+3,/, "[2,")],
    ["has reads that don't add up", text.replace('"in": 14', '"in": 15')],
    ["has a shard of no input", text.replace('"input": 2', '"input": 3')],
    ["points out of its folder", text.replace("part-00000-000001", "../part-1")],
    ["has a hidden shard", text.replace("part-00000-000001", ".part-1")],
    ["has a short digest", text.replace('"ffffffff"', '"fffffff"')],
    ["has a digest in capitals", text.replace('"ffffffff"', '"FFFFFFFF"')],
    ["has an unknown shard field", text.replace('"input": 2', '"input": 2, "x": 1')],
  ])("refuses a manifest on both sides that %s", async (_, bad) => {
    expect(bad).not.toBe(text);
    expect(() => parseManifest(Buffer.from(bad))).toThrow();
    const path = inFolder("bad-manifest.json");
    writeFileSync(path, bad);
    const ended = await runAlone(["--check-manifest", path]);
    expect(ended.code).toBe(65);
    expect(failures(ended.stderr)).toMatchObject([{ code: "BAD_DATA", where: { uri: path } }]);
  });
});
