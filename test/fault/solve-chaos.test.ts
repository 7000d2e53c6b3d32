/**
 * A solve over a fake Slurm that misbehaves, and heads that die between any two steps: never two
 * released slurm jobs of it, never two solvers, and in the end a result or the right error.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { isEnded } from "../../head/slurm/slurm.ts";
import { FakeSlurm } from "../slurm/fake.ts";
import { Play, randomOf } from "../slurm/play.ts";

const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const SEEDS = Number(process.env["LIGASE_TEST_SEEDS"] ?? (LONG ? 400 : 24));
/** Solves at a time: most of a play's time is waiting for processes. */
const AT_ONCE = 4;
const BLOWS = 8;
/** What may end a solve for which machines, Slurm and people were that bad. */
const FAIR = ["SOLVE_LOST", "SLURM_FAILED", "SLURM_REFUSED", "SOLVE_CANCELLED"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lgc-"));
  const solver = join(folder, "solver");
  const said = `echo '{"progress":{"phase":"knn","fraction":0.5,"steps":1,"seconds":1}}'`;
  // Some run long enough to be still there when another attempt would be.
  const work = `read -rt $((SLURM_JOB_ID % 3 == 1 ? 1 : 0)).2 <> <(:)`;
  const text = `#!/bin/bash\nfor out; do :; done\n${said}\n${work}\necho x >"$out"\n`;
  writeFileSync(solver, text);
  chmodSync(solver, 0o755);
  vi.stubEnv("LIGASE_SOLVER", solver);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function play(seed: number): Promise<ReadonlyMap<string, number>> {
  const fake = await FakeSlurm.start();
  const it = new Play(fake);
  const random = randomOf(seed);
  const told = () => `seed ${seed}\n${it.story.join("\n")}`;
  try {
    it.ask();
    await it.toEnd(random, BLOWS);
    if (it.state.kind === "failed") expect(FAIR, told()).toContain(it.state.error.code);
    expect(fake.violations(), told()).toEqual([]);
    // Whatever it was, it can be asked for again, and then nothing is in its way.
    for (let again = 0; it.state.kind === "failed" && again < 2; again += 1) {
      it.ask();
      await it.toEnd(random, 0);
    }
    expect(it.state.kind, told()).toBe("succeeded");
    expect(readFileSync(it.output, "utf8")).toBe("x\n");
    expect(fake.violations(), told()).toEqual([]);
    const living = fake.jobs.known.filter(
      (job) => job.released && job.name.startsWith("ligase-") && !isEnded(job.state),
    );
    expect(
      living.filter(({ state }) => state !== "COMPLETING"),
      told(),
    ).toEqual([]);
    return fake.counts;
  } catch (thrown) {
    const jobs = fake.jobs.all.map(({ child, script: _, args: __, ...job }) => ({
      ...{ ...job, pid: child?.pid },
    }));
    throw new Error(`${told()}\n${JSON.stringify(jobs)}`, { cause: thrown });
  } finally {
    await fake.close();
  }
}

test("a node that only Slurm lost sight of keeps another attempt from beginning", async () => {
  const fake = await FakeSlurm.start();
  try {
    const it = new Play(fake);
    it.ask();
    const over = it.toEnd(() => 1, 0);
    await vi.waitUntil(() => fake.executions().length === 1, { timeout: 30_000, interval: 5 });
    for (const job of fake.jobs.known) fake.jobs.failNode(job, true);
    await over;
    expect([it.state.kind, it.attempts]).toEqual(["succeeded", 2]);
    expect(fake.executions()).toHaveLength(2);
    expect(fake.violations()).toEqual([]);
  } finally {
    await fake.close();
  }
});

test(`${SEEDS} solves among misbehaving Slurms and dying heads`, {
  timeout: LONG ? 3_600_000 : 240_000,
}, async () => {
  const first = Number(process.env["LIGASE_TEST_SEED"] ?? 1);
  const seeds = Array.from({ length: SEEDS }, (_, i) => first + i);
  const counts = new Map<string, number>();
  const next = async (): Promise<void> => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      for (const [how, count] of await play(seed)) counts.set(how, (counts.get(how) ?? 0) + count);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  expect(seeds).toEqual([]);
  process.stdout.write(`  ${[...counts].map(([how, n]) => `${n} x ${how}`).join(", ")}\n`);
});
