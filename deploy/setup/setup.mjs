/**
 * The set-up: what `npm start` and `npm test` run first. It needs nothing but Node 20 and npm,
 * brings every part up to date and says so on stderr. `--tests` adds what only the tests need;
 * LIGASE_SETUP=skip leaves everything as it is; LIGASE_CACHE moves downloads and builds. Exit
 * codes: 0 all is there, 4 a part isn't, 130 interrupted.
 */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setUp } from "./runner.mjs";
import { hashParts } from "./stamps.mjs";
import { aptStep, rivalsStep } from "./steps/apt.mjs";
import { nativeStep } from "./steps/native.mjs";
import { natsStep } from "./steps/nats.mjs";
import { nodeModulesStep } from "./steps/node-modules.mjs";
import { arrowStep, environmentStep, testPackagesStep } from "./steps/python.mjs";
import { solverStep } from "./steps/solver.mjs";
import { versitygwStep } from "./steps/versitygw.mjs";

/**
 * @typedef {object} Context
 * @property {string} root the checkout
 * @property {string} cache downloads, builds, logs
 */

/**
 * The steps of this checkout, in the order they need each other.
 * @param {Context} context
 * @param {boolean} withTests
 */
function stepsOf(context, withTests) {
  const tests = withTests ? [rivalsStep(), testPackagesStep(context)] : [];
  return [
    aptStep(),
    nodeModulesStep(context),
    environmentStep(context),
    natsStep(context),
    arrowStep(context),
    ...tests,
    nativeStep(context),
    solverStep(context),
    // A build beside measurements would be measured too.
    ...(withTests && process.env["npm_lifecycle_event"] !== "prebench"
      ? [versitygwStep(context)]
      : []),
  ];
}

/** @returns {Promise<number>} the exit code */
async function main() {
  if (process.env["LIGASE_SETUP"] === "skip") return 0;
  const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
  const local = join(root, ".cache");
  const cache = resolve(root, process.env["LIGASE_CACHE"] || local);
  const controller = new AbortController();
  for (const name of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.once(name, () => controller.abort());
  }
  return setUp(stepsOf({ root, cache }, process.argv.includes("--tests")), {
    // The checkout's lock guards node_modules and the build, the cache's the rest.
    lockFolders: new Set([join(local, "lock"), join(cache, "lock")]),
    logFolder: join(cache, "log"),
    mark: hashParts([root, cache]).slice(0, 16),
    signal: controller.signal,
    write: (text) => void process.stderr.write(text),
  });
}

process.exitCode = await main();
