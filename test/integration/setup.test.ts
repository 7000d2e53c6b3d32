/** The set-up of this very checkout, where it made it: nothing to do costs next to nothing. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const SETUP = join(ROOT, "deploy", "setup", "setup.mjs");
const NOTHING_TO_DO_MS = 3_000;
// Elsewhere a run of the set-up would replace the packages under the running tests.
const isOurs = existsSync(join(ROOT, "node_modules", ".ligase-stamp"));

function runSetup(skip: boolean) {
  const startedMs = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [SETUP, "--tests"], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, LIGASE_SETUP: skip ? "skip" : "" },
  });
  return { status, stdout, stderr, tookMs: performance.now() - startedMs };
}

test.skipIf(!isOurs)("a finished set-up says so within three seconds, on stderr alone", () => {
  const { status, stdout, stderr, tookMs } = runSetup(false);
  expect(stderr).toMatch(/^set-up: all \d+ steps up to date \(/);
  expect([status, stdout]).toEqual([0, ""]);
  expect(tookMs).toBeLessThan(NOTHING_TO_DO_MS);
});

test("a skipped set-up does and says nothing", () => {
  expect(runSetup(true)).toMatchObject({ status: 0, stdout: "", stderr: "" });
});
