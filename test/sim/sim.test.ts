/**
 * Seeds of the simulator, in processes of their own: fresh ones for LIGASE_SIM_SECONDS, those that
 * found something once, and guards that are switched off one at a time and must be missed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { GUARDS } from "./guards.ts";

const RUN = fileURLToPath(new URL("run.ts", import.meta.url));
const FOUND = JSON.parse(readFileSync(new URL("seeds.json", import.meta.url), "utf8")) as {
  readonly seeds: readonly { readonly seed: number; readonly found: string }[];
};
/** Seconds of fresh seeds, on two processors at once. */
const SECONDS = Number(process.env["LIGASE_SIM_SECONDS"] ?? 120);
const PROCESSES = 2;
const NICE = 10;
/** Where fresh seeds begin: elsewhere at each run, and said where they fail. */
const FRESH_FROM = 1_000_000 + (process.pid % 1_000_000) * 1_000;
const FRESH_APART = 500_000_000;
/** Guards that are switched off here, in how many seeds at most; the long form has all. */
const IN_SHORT = ["fence", "facts-first", "receipt-once", "all-shards", "release-after-id"];
const SHORT_SEEDS = 500;
const LONG_SEEDS = 2_000;
const isLong = process.env["LIGASE_TEST_LONG"] === "1";
const MINUTE_MS = 60_000;

interface Said {
  readonly ran: number;
  readonly seconds: number;
  readonly clusterSeconds: number;
  readonly hash: string;
  readonly failed: readonly { readonly seed: number; readonly what: string }[];
}

/** What a run of the command says at its end. */
async function simulate(args: readonly (string | number)[]): Promise<Said> {
  const child: ChildProcess = spawn(process.execPath, [RUN, "--json", ...args.map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  if (child.pid !== undefined) setPriority(child.pid, NICE);
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk) => (out += String(chunk)));
  child.stderr?.on("data", (chunk) => (err += String(chunk)));
  await new Promise((resolve) => child.on("close", resolve));
  const line = out.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) throw new Error(`no result: ${err}${out}`);
  return JSON.parse(line) as Said;
}

test(
  "a seed gives the same trace each time, and another seed another one",
  async () => {
    const [one, again, other] = await Promise.all([
      simulate(["--from", 1, "--seeds", 12]),
      simulate(["--from", 1, "--seeds", 12]),
      simulate(["--from", 2, "--seeds", 12]),
    ]);
    expect(one.ran).toBe(12);
    expect([again.hash, again.failed]).toEqual([one.hash, []]);
    expect(other.hash).not.toBe(one.hash);
  },
  5 * MINUTE_MS,
);

test(
  "what seeds found once stays mended",
  async () => {
    for (const { seed, found } of FOUND.seeds) {
      const { failed } = await simulate(["--seed", seed]);
      expect(failed, found).toEqual([]);
    }
  },
  5 * MINUTE_MS,
);

test(
  "no promise is broken in fresh seeds",
  async () => {
    const runs = Array.from({ length: PROCESSES }, (_, index) => {
      const from = FRESH_FROM + index * FRESH_APART;
      const minutes = SECONDS / 60;
      return simulate(["--from", from, "--seeds", FRESH_APART, "--minutes", minutes]);
    });
    const said = await Promise.all(runs);
    const sum = (of: (one: Said) => number): number => said.reduce((all, it) => all + of(it), 0);
    const hours = (sum((it) => it.clusterSeconds) / 3_600).toFixed(0);
    process.stdout.write(`${sum((it) => it.ran)} seeds, ${hours} hours of clusters\n`);
    expect(said.flatMap(({ failed }) => failed)).toEqual([]);
    expect(sum((it) => it.ran)).toBeGreaterThan(0);
  },
  (SECONDS + 300) * 1_000,
);

const guards = isLong ? GUARDS : GUARDS.filter(({ name }) => IN_SHORT.includes(name));

test.each(guards)(
  "without $name a seed shows it: $what",
  async ({ name }) => {
    const seeds = isLong ? LONG_SEEDS : SHORT_SEEDS;
    const { failed } = await simulate(["--guard", name, "--seeds", seeds]);
    expect(failed.length, `${seeds} seeds have not missed it`).toBe(1);
  },
  isLong ? 30 * MINUTE_MS : 5 * MINUTE_MS,
);

test("every guard's place is where it was", () => {
  const root = new URL("../../", import.meta.url);
  const gone = GUARDS.flatMap(({ edits }) =>
    edits.filter(({ file, find }) => {
      return readFileSync(new URL(file, root), "utf8").split(find).length !== 2;
    }),
  );
  expect(gone).toEqual([]);
  expect(GUARDS.length).toBeGreaterThanOrEqual(14);
});
