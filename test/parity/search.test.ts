/**
 * The exact search on sets that are hard for it: equal to a brute force, the same bytes on any
 * ranks and threads, in memory that falls with the ranks; and its checkpoint.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  digest,
  factsOf,
  failures,
  PYTHON,
  type RunOptions,
  runAlone,
  runSolver,
  SOLVER,
  start,
} from "./support.ts";

const ORACLE = join(import.meta.dirname, "search_oracle.py");
const KINDS = ["random", "clustered", "cloned", "duplicated", "disconnected"] as const;
type Kind = (typeof KINDS)[number];

const factsSchema = v.object({
  nodes: v.number(),
  threads: v.number(),
  undecided: v.number(),
  restored: v.boolean(),
  memory: v.object({ needed: v.number(), peak: v.number() }),
});

let folder = "";
const inFolder = (...names: string[]) => join(folder, ...names);
const setOf = (kind: Kind | "wide") => inFolder(`${kind}.parquet`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ligase-parity-"));
  await oracle("sets", folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function oracle(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start(PYTHON, [ORACLE, ...args]).ended;
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** Leaves out what stands behind the graph, where only neighbours matter. */
const LEAN = ["--modes", "0", "--fields", "0"];

/** One solve that must succeed: where its result lies, and its facts. */
async function solved(
  name: string,
  ranks: number,
  args: readonly string[],
  options: RunOptions = {},
) {
  const output = inFolder(`${name}.nc`);
  const all = ["--times", "1", ...args, "--output", output];
  const ended = await runSolver(ranks, all, options);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return { output, facts: v.parse(factsSchema, factsOf(ended)) };
}

describe("neighbours", () => {
  const nodes: Readonly<Record<Kind, number>> = {
    ...{ random: 1500, clustered: 5000, cloned: 1300, duplicated: 1691 },
    disconnected: expect.any(Number),
  };

  test("are those of a brute force in fp64, under both metrics", async () => {
    const triples: [output: string, metric: string, file: string][] = [];
    const undecided: Record<string, number> = {};
    for (const kind of KINDS) {
      for (const metric of kind === "disconnected" ? ["l2"] : ["l2", "cosine"]) {
        const args = ["--embeddings", setOf(kind), "--metric", metric, "--threads", "2"];
        const { output, facts } = await solved(`${kind}-${metric}`, 3, [...args, ...LEAN]);
        triples.push([output, metric, setOf(kind)]);
        undecided[`${kind} ${metric}`] = facts.undecided;
      }
    }
    const counts: unknown = JSON.parse(await oracle("check", JSON.stringify(triples)));
    expect(counts).toEqual(triples.map(([, , file]) => nodes[kindOf(file)]));
    // Both ways to a result were gone: fp32 selects where it can, fp64 compares all where it can't.
    expect(undecided).toMatchObject({ "random l2": 0, "clustered cosine": 0, "cloned l2": 1300 });
  });

  test.each([1, 16, 200])("are right for k = %i", async (k) => {
    const args = ["--embeddings", setOf("duplicated"), "--k", String(k)];
    const { output } = await solved(`k-${k}`, 2, [...args, ...LEAN]);
    const checked = await oracle("check", JSON.stringify([[output, "l2", setOf("duplicated")]]));
    expect(JSON.parse(checked)).toEqual([nodes.duplicated]);
  });

  const kindOf = (file: string) => KINDS.find((kind) => setOf(kind) === file) ?? "random";
});

describe.each(["random", "cloned", "disconnected"] as const)("the bytes of a %s set", (kind) => {
  test("are the same on 1, 2, 3, 4, 7 ranks and 1, 2 threads", async () => {
    const digests: Record<string, string> = {};
    for (const ranks of [1, 2, 3, 4, 7]) {
      for (const threads of [1, 2]) {
        const args = ["--embeddings", setOf(kind), "--threads", String(threads)];
        const { output } = await solved(`${kind}-${ranks}-${threads}`, ranks, args);
        digests[`${ranks} x ${threads}`] = digest(output);
      }
    }
    expect(new Set(Object.values(digests)), JSON.stringify(digests)).toHaveProperty("size", 1);
  });
});

test.each(["baseline", "avx2"])("%s instructions give the same bytes", async (isa) => {
  const args = ["--embeddings", setOf("clustered"), ...LEAN];
  const { output } = await solved(`isa-${isa}`, 2, [...args, "--isa", isa]);
  expect(digest(output)).toBe(digest((await solved(`isa-not-${isa}`, 1, args)).output));
});

test("threads are what Slurm grants a rank, unless a flag says more", async () => {
  const options = { env: { SLURM_CPUS_PER_TASK: "2" } };
  const args = ["--embeddings", setOf("random"), ...LEAN];
  expect(await solved("granted", 1, args, options)).toMatchObject({ facts: { threads: 2 } });
  const three = await solved("flag", 1, [...args, "--threads", "3"], options);
  expect(three).toMatchObject({ facts: { threads: 3 } });
});

test("50,000 rows take 4 ranks less than 45 % of the memory each that 1 takes", async () => {
  const args = ["--embeddings", setOf("wide"), ...LEAN];
  const one = await solved("memory-1", 1, args);
  const four = await solved("memory-4", 4, args);
  expect(four.facts.memory.peak / one.facts.memory.peak).toBeLessThan(0.45);
  expect(digest(four.output)).toBe(digest(one.output));
  for (const { needed, peak } of [one.facts.memory, four.facts.memory]) {
    expect(needed).toBeGreaterThan(peak);
    expect(needed).toBeLessThan(3 * peak);
  }
});

const progressLine = v.strictObject({
  progress: v.strictObject({
    phase: v.string(),
    fraction: v.number(),
    steps: v.number(),
    seconds: v.number(),
  }),
});

test("a solve says a line a second what it does, and its facts at the end", async () => {
  // The slowest instructions, so that there are seconds to tell of.
  const args = ["--embeddings", setOf("wide"), "--isa", "baseline", ...LEAN];
  const ended = await runAlone([...args, "--output", inFolder("slow.nc")]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  const said = ended.stdout.trimEnd().split("\n").slice(0, -1);
  const lines = said.map((line) => v.parse(progressLine, JSON.parse(line)).progress);
  expect(lines.map(({ phase }) => phase)).toContain("knn");
  // What its watchdog goes by: they grow as long as it gets on.
  const steps = lines.map((line) => line.steps);
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  expect(steps.at(-1)).toBeGreaterThan(0);
  for (const [at, { fraction, seconds }] of lines.entries()) {
    expect(fraction).toBeGreaterThanOrEqual(0);
    expect(fraction).toBeLessThanOrEqual(1);
    expect(seconds).toBeGreaterThanOrEqual(at + 1);
  }
});

describe("a checkpoint", () => {
  const args = (set = setOf("clustered")) => [
    ...["--embeddings", set],
    ...["--times", "20000", "--k", "30"],
  ];
  const saved = () => inFolder("saved.checkpoint");
  let output = "";
  let work = "";
  let runs = 0;

  beforeAll(async () => {
    // A solve that is killed once its neighbours are known.
    const killed = inFolder("killed");
    const all = [...args(), "--work", killed, "--output", inFolder("killed.nc")];
    const running = start(SOLVER, all);
    const file = join(killed, "neighbors.checkpoint");
    await vi.waitUntil(() => existsSync(file), { timeout: 50_000 });
    running.child.kill("SIGKILL");
    const { signal } = await running.ended;
    if (signal !== "SIGKILL" || existsSync(inFolder("killed.nc"))) throw new Error("not killed");
    copyFileSync(file, saved());
  });

  beforeEach(() => {
    runs += 1;
    work = inFolder(`work-${runs}`);
    output = inFolder(`restart-${runs}.nc`);
    mkdirSync(work);
    copyFileSync(saved(), join(work, "neighbors.checkpoint"));
  });

  const restart = (more: readonly string[] = [], set?: string) => [
    ...[...args(set), ...more],
    ...["--work", work, "--restart", "--output", output],
  ];

  test("is gone on from, on other ranks, to the bytes of an undisturbed solve", async () => {
    const whole = await runAlone([...args(), "--output", inFolder("whole.nc")]);
    expect(whole, whole.stderr).toMatchObject({ code: 0 });
    const ended = await runSolver(3, restart());
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(factsOf(ended)).toMatchObject({ restored: true, nodes: 5000 });
    expect(digest(output)).toBe(digest(inFolder("whole.nc")));
    expect(readdirSync(work)).toEqual([]);
  });

  test("that isn't there changes nothing", async () => {
    rmSync(join(work, "neighbors.checkpoint"));
    const { facts } = await solved("absent", 2, [
      ...["--embeddings", setOf("random")],
      ...["--work", work, "--restart"],
    ]);
    expect(facts).toMatchObject({ restored: false });
    expect(readdirSync(work)).toEqual([]);
  });

  test("isn't looked at without --restart", async () => {
    const random = ["--embeddings", setOf("random"), "--work", work];
    expect(await solved("anew", 2, random)).toMatchObject({ facts: { restored: false } });
  });

  /** Runs a restart that must be refused; nothing may be left but the checkpoint. */
  async function refused(what: RegExp, more: readonly string[] = [], set?: string): Promise<void> {
    const ended = await runSolver(2, restart(more, set));
    const said = failures(ended.stderr);
    expect(said, ended.stderr).toHaveLength(1);
    expect(said[0]).toMatchObject({
      ...{ code: "BAD_CHECKPOINT", what: expect.stringMatching(what) },
      where: { uri: join(work, "neighbors.checkpoint") },
    });
    expect(ended.code).toBe(78);
    expect(existsSync(output)).toBe(false);
    expect(existsSync(`${output}.partial`)).toBe(false);
    expect(readdirSync(work)).toEqual(["neighbors.checkpoint"]);
  }

  test.each([0, 4095, 4096, 90_000, 1_000_000])(
    "with a changed byte at %i is refused",
    async (at) => {
      const file = await open(join(work, "neighbors.checkpoint"), "r+");
      try {
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
        await file.write(Buffer.from([buffer.readUInt8(0) ^ 4]), 0, 1, at);
      } finally {
        await file.close();
      }
      await refused(/damaged/);
    },
  );

  test.each([100, 500_000])("cut to %i bytes is refused", async (bytes) => {
    const file = await open(join(work, "neighbors.checkpoint"), "r+");
    try {
      await file.truncate(bytes);
    } finally {
      await file.close();
    }
    await refused(/damaged/);
  });

  test("of another setting or set is refused", async () => {
    await refused(/another set, setting or solver/, ["--metric", "cosine"]);
    await refused(/another set, setting or solver/, [], setOf("random"));
  });
});
