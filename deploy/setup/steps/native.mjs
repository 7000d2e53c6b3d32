/**
 * The native addons, built by node-gyp with the pinned Node's own headers, in a folder of the cache
 * named by the hash of all that goes in; the finished file is copied beside its sources. They make
 * things faster, never possible: where one can't be built it is said aloud, and the TypeScript
 * forms with the same results are used.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { ask, isExecutable, which } from "../process.mjs";
import { fileParts, hashParts } from "../stamps.mjs";
import { pythonOf } from "./python.mjs";

/** One addon: its folder in the checkout, its target, and what of the folder is built. */
const ADDONS = [
  {
    folder: "actors/native",
    target: "ligase_native",
    sources: ["binding.gyp", "addon", "gzip", "kmers", "qc", "text"],
  },
  { folder: "runtime/native", target: "ligase_regions", sources: ["binding.gyp", "addon"] },
];

/** This file: what it asks of node-gyp goes into what is built. */
const STEP = "deploy/setup/steps/native.mjs";
const GYP = "node_modules/node-gyp/bin/node-gyp.js";
const NAPI = "node_modules/node-addon-api";

/** @typedef {import("../setup.mjs").Context} Context */
/** @typedef {typeof ADDONS[number]} Addon */

/**
 * @param {Context} context
 * @param {object} [machine] what the step asks of the machine; the tests give their own
 * @param {() => boolean} [machine.hasCompiler]
 * @returns {import("../runner.mjs").Step}
 */
export function nativeStep(
  context,
  { hasCompiler = () => ["g++", "make"].every((program) => which(program) !== undefined) } = {},
) {
  const { root } = context;
  return {
    name: "native",
    title: "native addons (node-gyp; about 30 s)",
    timeoutMs: 10 * 60_000,
    stamp: join(root, "actors", "native", "build", ".stamp"),
    inputs: () => [String(hasCompiler()), ...ADDONS.flatMap((one) => partsOf(context, one))],
    present: () => ADDONS.every((one) => existsSync(builtFile(root, one)) || isRefused(root, one)),
    run: async (tools) => {
      for (const one of ADDONS) {
        const refuse = refusal(root, one, tools);
        if (!hasCompiler()) refuse("there is no C++ compiler");
        else await build(context, one, tools).catch(refuse);
      }
    },
  };
}

/**
 * Builds one addon, unless the cache holds it.
 * @param {Context} context
 * @param {Addon} one
 * @param {import("../runner.mjs").Tools} tools
 */
async function build(context, one, tools) {
  const { root, cache } = context;
  const stage = join(cache, "native", hashParts(partsOf(context, one)).slice(0, 16));
  const built = join(stage, "build", "Release", `${one.target}.node`);
  if (!existsSync(join(stage, ".done"))) {
    rmSync(stage, { recursive: true, force: true });
    mkdirSync(stage, { recursive: true });
    for (const name of one.sources) {
      cpSync(join(root, one.folder, name), join(stage, name), { recursive: true });
    }
    const words = [join(root, GYP), "rebuild", ...options(context)];
    await tools.run(nodeOf(root), words, { cwd: stage, env: ownSettings(root, stage) });
    writeFileSync(join(stage, ".done"), "");
  }
  const target = builtFile(root, one);
  mkdirSync(dirname(target), { recursive: true });
  // By rename: a process that has the old one open keeps it.
  copyFileSync(built, `${target}.tmp`);
  renameSync(`${target}.tmp`, target);
  rmSync(`${target}.refused`, { force: true });
}

/**
 * node-gyp takes settings of npm's environment over its own arguments: a person's `nodedir` there
 * would build for another Node without a word. These come before both.
 * @param {string} root
 * @param {string} stage
 */
function ownSettings(root, stage) {
  const prefix = "npm_package_config_node_gyp_";
  return { [`${prefix}nodedir`]: headersOf(root), [`${prefix}devdir`]: stage };
}

/** @param {Context} context */
function options({ root, cache }) {
  const jobs = String(Math.min(4, availableParallelism()));
  return [
    `--python=${pythonOf(cache)}`,
    `--napi_include=${join(root, NAPI)}`,
    `--isal=${hasIsal() ? "yes" : "no"}`,
    "--jobs",
    jobs,
  ];
}

/**
 * What the built file depends on.
 * @param {Context} context
 * @param {Addon} one
 */
function partsOf({ root }, { folder, sources }) {
  const paths = [STEP, ...sources.map((name) => `${folder}/${name}`)];
  const compiler = ask("g++", ["--version"]) ?? "none";
  const packages = [NAPI, "node_modules/node-gyp", `node_modules/node-linux-${process.arch}`];
  const tools = fileParts(
    root,
    packages.map((folder) => `${folder}/package.json`),
  );
  return [root, compiler, String(hasIsal()), ...tools, ...fileParts(root, paths)];
}

/**
 * Says why there is no addon, and notes it so that the step isn't run again for the same reason.
 * @param {string} root
 * @param {Addon} one
 * @param {import("../runner.mjs").Tools} tools
 */
function refusal(root, one, tools) {
  /** @param {unknown} why */
  return (why) => {
    const text = why instanceof Error ? why.message : String(why);
    const target = builtFile(root, one);
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { force: true });
    writeFileSync(`${target}.refused`, `${text}\n`);
    tools.say(`${one.folder} isn't built (${text}): its slower TypeScript forms are used`);
  };
}

/**
 * @param {string} root
 * @param {Addon} one
 */
function builtFile(root, { folder, target }) {
  return join(root, folder, "build", `${target}.node`);
}

/**
 * @param {string} root
 * @param {Addon} one
 */
function isRefused(root, one) {
  return existsSync(`${builtFile(root, one)}.refused`);
}

/** Whether ISA-L's header and library are there. */
function hasIsal() {
  return ask("pkg-config", ["--exists", "libisal"]) !== undefined;
}

/** @param {string} root */
function nodeOf(root) {
  const own = join(root, "node_modules", ".bin", "node");
  return isExecutable(own) ? own : process.execPath;
}

/**
 * The folder whose `include/node` holds the headers of the Node that loads the addon.
 * @param {string} root
 */
function headersOf(root) {
  const own = join(root, "node_modules", `node-linux-${process.arch}`);
  return existsSync(join(own, "include", "node")) ? own : dirname(dirname(process.execPath));
}
