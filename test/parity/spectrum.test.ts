/**
 * Heat, spectrum and clusters: closed forms on graphs, scipy on sets, and whole results that are
 * the same bytes on any ranks and threads.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseManifest } from "../../solver/manifest.ts";
import {
  digest,
  factsOf,
  makeSets,
  oracle,
  ranksOf,
  runSolver,
  SOLVER_TESTS,
  start,
} from "./support.ts";

/** One rank, fewer and more ranks than chunks of nodes, even and odd. */
const RANKS = [1, 2, 3, 4, 7];
const SETS = ["manifold", "clones", "apart"];
const MINUTE = 60_000;

let folder = "";
let runs = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ligase-spectrum-"));
  await makeSets(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A solve of a set that must succeed: its result's path and its run facts. */
async function solved(set: string, args: readonly string[], ranks = 2) {
  runs += 1;
  const output = join(folder, `${set}-${runs}.nc`);
  const all = ["--embeddings", join(folder, set), "--output", output, ...args];
  // A pool of BLAS threads must change nothing either.
  const env = { OPENBLAS_NUM_THREADS: "2", OMP_NUM_THREADS: "2" };
  const ended = await runSolver(ranks, all, { env });
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return { output, facts: factsOf(ended) };
}

/** The shards of a set, in the manifest's order. */
function shardsOf(set: string): string[] {
  const { shards } = parseManifest(readFileSync(join(folder, set, "manifest.json")));
  return shards.map(({ file }) => join(folder, set, file));
}

const caseSchema = v.strictObject({
  case: v.string(),
  passed: v.boolean(),
  error: v.number(),
  tolerance: v.number(),
  digest: v.string(),
});

/** What the closed-form cases say on r ranks. */
async function cases(ranks: number): Promise<v.InferOutput<typeof caseSchema>[]> {
  const ended = await start("mpirun", [...ranksOf(ranks), SOLVER_TESTS]).ended;
  const lines = ended.stdout.split("\n").filter((line) => line.startsWith("{"));
  const found = lines.map((line) => v.parse(caseSchema, JSON.parse(line)));
  expect(found.filter(({ passed }) => !passed)).toEqual([]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return found;
}

describe("graphs in closed form", () => {
  test("have their spectrum, heat, coordinates and clusters, of the same bits on any ranks", {
    timeout: 5 * MINUTE,
  }, async () => {
    const alone = await cases(1);
    const graphs = ["cycle", "path", "complete", "hypercube", "star", "grid", "two cliques"];
    for (const graph of [...graphs, "five cycles"]) {
      expect(alone.some((one) => one.case.includes(graph))).toBe(true);
    }
    for (const ranks of RANKS.slice(1)) expect(await cases(ranks)).toEqual(alone);
  });
});

describe.each(SETS)("the set %s", (set) => {
  test("gives the same bytes on 1, 2, 3, 4, 7 ranks with 1 and 2 threads", {
    timeout: 5 * MINUTE,
  }, async () => {
    const { output } = await solved(set, ["--threads", "1"], 1);
    const reference = digest(output);
    for (const ranks of RANKS) {
      for (const threads of ["1", "2"]) {
        const again = await solved(set, ["--threads", threads], ranks);
        expect(digest(again.output), `${ranks} ranks, ${threads} threads`).toBe(reference);
      }
    }
  });

  test("has the modes, clusters, samples and outliers that scipy finds", {
    timeout: 3 * MINUTE,
  }, async () => {
    const { output } = await solved(set, []);
    const report = await oracle("check", output, "l2", ...shardsOf(set));
    expect(report).toMatchObject({ probes: 8, samples: true, times: [1, 10, 100, 1000] });
  });
});

describe("settings", () => {
  test("the number of clusters can be chosen", async () => {
    const { output, facts } = await solved("manifold", ["--clusters", "5", "--k", "10"]);
    expect(facts).toMatchObject({ clusters: 5, parts: 1 });
    await oracle("check", output, "l2:5", ...shardsOf("manifold"));
  });

  test("without modes there are neither modes nor clusters", async () => {
    const { output, facts } = await solved("apart", ["--modes", "0", "--fields", "0"]);
    expect(facts).toMatchObject({ modes: 0, clusters: 0, fields: 3 });
    const report = await oracle("check", output, "l2:0", ...shardsOf("apart"));
    expect(report).toMatchObject({ probes: 0, fields: [0, 1, 2] });
  });

  test("another seed gives other probes and clusters as good", async () => {
    const first = await solved("manifold", ["--times", "2"]);
    const second = await solved("manifold", ["--times", "2", "--seed", "5"]);
    expect(digest(second.output)).not.toBe(digest(first.output));
    await oracle("check", second.output, "l2", ...shardsOf("manifold"));
  });

  test("a set without a large component says so", async () => {
    const { facts } = await solved("apart", []);
    expect(facts).toMatchObject({ components: 4, parts: 3 });
    expect(facts).toMatchObject({ warnings: [expect.stringContaining("under half")] });
  });
});
