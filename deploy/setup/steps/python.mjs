/**
 * A Python environment of the project's own. Its pyarrow wheel brings Arrow's C++ headers and
 * libraries to the solver; with `tests` it also holds what the tests compare with.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { ask, SetupError, which } from "../process.mjs";
import { fileParts } from "../stamps.mjs";

/** The Python versions whose wheels are pinned by hash; others are pinned by version alone. */
const HASHED = /^3\.1[1-4]$/;
const MINOR_MIN = 10;

/** @typedef {import("../setup.mjs").Context} Context */
/** @typedef {import("../runner.mjs").Step} Step */
/** @typedef {import("../runner.mjs").Tools} Tools */

/**
 * @param {Context} context
 * @returns {Step}
 */
export function environmentStep({ cache }) {
  const folder = join(cache, "python");
  return {
    name: "python",
    title: "Python environment",
    timeoutMs: 3 * 60_000,
    stamp: join(folder, ".stamp-environment"),
    inputs: () => [folder],
    present: () => sitePackages(cache) !== undefined,
    run: async (tools) => {
      await tools.run(findPython(), ["-m", "venv", "--clear", folder], { env: PIP_ENVIRONMENT });
    },
  };
}

/**
 * @param {Context} context
 * @returns {Step}
 */
export function arrowStep(context) {
  const create = "import pyarrow; pyarrow.create_library_symlinks()";
  return {
    ...packagesStep(context, "requirements-solver.txt"),
    name: "arrow",
    title: "Arrow C++ (pinned pyarrow wheel; about 15 s)",
    present: () => existsSync(join(sitePackages(context.cache) ?? "", "pyarrow", "libarrow.so")),
    run: async (tools) => {
      await pipInstall(context, "requirements-solver.txt", [], tools);
      await tools.run(pythonOf(context.cache), ["-c", create], { env: PIP_ENVIRONMENT });
    },
  };
}

/**
 * @param {Context} context
 * @returns {Step}
 */
export function testPackagesStep(context) {
  return {
    ...packagesStep(context, "requirements-test.txt"),
    name: "test-packages",
    title: "Python packages that the tests compare with (about 30 s)",
    present: () => existsSync(join(sitePackages(context.cache) ?? "", "xarray")),
  };
}

/**
 * What the two package steps share.
 * @param {Context} context
 * @param {string} file
 */
function packagesStep(context, file) {
  return {
    timeoutMs: 10 * 60_000,
    stamp: join(context.cache, "python", `.stamp-${file}`),
    inputs: () => [sitePackages(context.cache) ?? "", ...fileParts(context.root, [at(file)])],
    /** @param {Tools} tools */
    run: (tools) => pipInstall(context, file, [], tools),
  };
}

/**
 * Installs a pinned list with the environment's pip, from wheels alone.
 * @param {Context} context
 * @param {string} file under deploy/setup
 * @param {readonly string[]} options
 * @param {Tools} tools
 */
export async function pipInstall({ root, cache }, file, options, tools) {
  let list = join(root, at(file));
  const folder = basename(join(sitePackages(cache) ?? "", ".."));
  const isHashed = HASHED.test(folder.replace("python", "")) || file === "requirements-nats.txt";
  if (!isHashed) {
    tools.say(`${folder} has no pinned hashes: packages are pinned by version alone`);
    const text = readFileSync(list, "utf8").replaceAll(/ \\\n {4}--hash=\S+/g, "");
    list = join(cache, "python", file);
    writeFileSync(list, text);
  }
  const words = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"];
  const source = ["--only-binary", ":all:", ...(isHashed ? ["--require-hashes"] : [])];
  mkdirSync(join(cache, "pip"), { recursive: true });
  await tools.run(pythonOf(cache), [...words, ...source, ...options, "-r", list], {
    env: { ...PIP_ENVIRONMENT, PIP_CACHE_DIR: join(cache, "pip") },
  });
}

/** A person's own Python settings must not lead installs elsewhere. */
const PIP_ENVIRONMENT = {
  PIP_DISABLE_PIP_VERSION_CHECK: "1",
  PIP_USER: undefined,
  PIP_TARGET: undefined,
  PIP_PREFIX: undefined,
  PYTHONPATH: undefined,
  PYTHONHOME: undefined,
};

/** @param {string} file */
function at(file) {
  return `deploy/setup/${file}`;
}

/**
 * @param {string} cache
 * @returns {string} the environment's interpreter
 */
export function pythonOf(cache) {
  return join(cache, "python", "bin", "python");
}

/**
 * The environment's package folder, which names its Python version; undefined when the environment
 * is absent, half made, or its interpreter went away or on to another version.
 * @param {string} cache
 * @returns {string | undefined}
 */
export function sitePackages(cache) {
  try {
    const lib = join(cache, "python", "lib");
    const name = readdirSync(lib).find((entry) => /^python3\.\d+$/.test(entry)) ?? "";
    const interpreter = basename(realpathSync(pythonOf(cache)));
    const folder = join(lib, name, "site-packages");
    const isSame = interpreter === name || !/^python3\.\d+$/.test(interpreter);
    return isSame && existsSync(join(folder, "pip")) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** A Python with venv, the system's first: its package python3-venv is what apt brought. */
function findPython() {
  const test = `import sys, venv, ensurepip; assert sys.version_info >= (3, ${MINOR_MIN})`;
  const candidates = ["/usr/bin/python3", which("python3")];
  for (const candidate of candidates) {
    if (candidate !== undefined && ask(candidate, ["-c", test]) !== undefined) return candidate;
  }
  throw new SetupError(`No Python 3.${MINOR_MIN} or newer with its venv module was found.`);
}
