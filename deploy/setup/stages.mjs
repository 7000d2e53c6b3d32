/**
 * The stages of `npm run check` and `npm test`. A check such as the format counts as one test; a
 * vitest run counts what its JSON report says. A stage that dies early is a failure, never silence.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const BIN = join(ROOT, "node_modules", ".bin");
const REPORTS = join(ROOT, ".cache", "log");
const MINUTE = 60_000;
const TERM_GRACE_MS = 5_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} program a file of node_modules/.bin
 * @property {readonly string[]} args
 * @property {number} timeoutMs
 * @property {string} [report] the JSON report of a vitest run
 */

/** @type {readonly Stage[]} */
export const CHECKS = [
  { name: "format", program: "biome", args: ["format", "."], timeoutMs: 5 * MINUTE },
  { name: "lint", program: "oxlint", args: [], timeoutMs: 5 * MINUTE },
  { name: "types", program: "tsc", args: ["-p", "."], timeoutMs: 5 * MINUTE },
];

/** The tidy test, unit tests and the replay test. */
export const UNIT = vitest(["unit"], 15 * MINUTE);
/** Everything on real servers, Slurm, MPI and real processes. */
export const REAL = vitest(["real", "sim"], 60 * MINUTE);

/**
 * @param {readonly string[]} projects
 * @param {number} timeoutMs
 * @returns {Stage}
 */
function vitest(projects, timeoutMs) {
  const name = projects.join(", ");
  const report = join(REPORTS, `vitest-${projects.join("-")}.json`);
  const reporters = ["default", "json", "./test/retried.ts"].map((one) => `--reporter=${one}`);
  const which = projects.flatMap((project) => ["--project", project]);
  const args = ["run", ...which, ...reporters, `--outputFile.json=${report}`];
  return { name: `tests (${name})`, program: "vitest", args, timeoutMs, report };
}

/**
 * Runs all stages, prints a line for each and the sum as the last line.
 * @param {readonly Stage[]} stages
 * @returns {Promise<number>} the exit code: 0 only when nothing failed
 */
export async function runStages(stages) {
  if (!existsSync(BIN)) {
    process.stderr.write("node_modules is missing: run `npm start` or `npm test` once.\n");
    process.stdout.write("0 passed, 1 failed\n");
    return 1;
  }
  const lines = [];
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const stage of stages) {
    process.stdout.write(`\n== ${stage.name}\n`);
    const startedMs = performance.now();
    const counts = await runStage(stage);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    lines.push(`${counts.failed === 0 ? "ok  " : "FAIL"} ${stage.name} (${seconds} s)`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  process.stdout.write(`\n${lines.join("\n")}\n${summaryLine(total)}\n`);
  return total.failed === 0 ? 0 : 1;
}

/**
 * @param {Counts} counts
 * @returns {string} such as "12 passed, 0 failed, 1 skipped"
 */
export function summaryLine({ passed, failed, skipped }) {
  const rest = skipped === 0 ? "" : `, ${skipped} skipped`;
  return `${passed} passed, ${failed} failed${rest}`;
}

/**
 * @param {Stage} stage
 * @returns {Promise<Counts>}
 */
async function runStage({ program, args, timeoutMs, report }) {
  if (report !== undefined) {
    mkdirSync(REPORTS, { recursive: true });
    rmSync(report, { force: true });
  }
  const isWell = await runProgram(program, args, timeoutMs);
  if (report !== undefined) return countsOf(readReport(report), isWell);
  return isWell ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * @typedef {object} Report the part of vitest's JSON report that counts
 * @property {{ status: string, assertionResults?: { status: string }[] }[]} [testResults]
 */

/**
 * What a vitest run came to. Files that didn't load and a run that failed beside its tests (an
 * unhandled rejection, a crash, no report at all) count as one failure each.
 * @param {Report | undefined} report undefined: there is none
 * @param {boolean} isWell whether vitest ended with exit code 0
 * @returns {Counts}
 */
export function countsOf(report, isWell) {
  let [passed, failed, skipped] = [0, 0, 0];
  for (const file of report?.testResults ?? []) {
    const statuses = (file.assertionResults ?? []).map(({ status }) => status);
    const fails = statuses.filter((status) => status === "failed").length;
    const passes = statuses.filter((status) => status === "passed").length;
    passed += passes;
    skipped += statuses.length - passes - fails;
    failed += file.status === "failed" ? Math.max(1, fails) : fails;
  }
  return { passed, failed: isWell ? failed : Math.max(1, failed), skipped };
}

/**
 * @param {string} path
 * @returns {Report | undefined}
 */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {number} timeoutMs
 * @returns {Promise<boolean>} whether it ended with exit code 0 in time
 */
function runProgram(program, args, timeoutMs) {
  return new Promise((settle) => {
    const PATH = `${BIN}${delimiter}${process.env["PATH"] ?? ""}`;
    const child = spawn(join(BIN, program), args, {
      cwd: ROOT,
      env: { ...process.env, PATH },
      stdio: ["ignore", "inherit", "inherit"],
    });
    /** @type {NodeJS.Timeout | undefined} */
    let killer;
    const timer = setTimeout(() => {
      process.stdout.write(`\n${program}: over its limit of ${timeoutMs / MINUTE} min\n`);
      child.kill("SIGTERM");
      killer = setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS);
    }, timeoutMs);
    /** @param {boolean} isWell */
    const end = (isWell) => {
      clearTimeout(timer);
      clearTimeout(killer);
      settle(isWell);
    };
    child.once("error", (error) => {
      process.stdout.write(`${program}: ${error.message}\n`);
      end(false);
    });
    child.once("close", (code) => end(code === 0));
  });
}
