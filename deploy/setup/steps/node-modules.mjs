/**
 * The npm packages, exactly as the lock file says and without their install scripts. Node 24 is one
 * of them, so that every npm script runs it, whatever the machine's own Node is.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { basename, delimiter, join } from "node:path";
import { ask, isExecutable, SetupError, which } from "../process.mjs";
import { fileParts } from "../stamps.mjs";

const BIN_TARGET = "../../head/cli/ligase.mjs";
const NODE_MAJOR_MIN = 24;

/**
 * @param {import("../setup.mjs").Context} context
 * @returns {import("../runner.mjs").Step}
 */
export function nodeModulesStep({ root, cache }) {
  const modules = join(root, "node_modules");
  return {
    name: "node-modules",
    title: "npm packages and Node 24 (npm ci; about 20 s)",
    timeoutMs: 10 * 60_000,
    stamp: join(modules, ".ligase-stamp"),
    inputs: () => fileParts(root, ["package.json", "package-lock.json", ".npmrc"]),
    present: () =>
      existsSync(join(modules, ".package-lock.json")) &&
      (!hasOwnNode() || isExecutable(join(modules, ".bin", "node"))) &&
      isLinked(join(modules, ".bin", "ligase")),
    run: async (tools) => {
      await tools.run(...npmCi(root, cache));
      link(join(modules, ".bin"));
      const node = hasOwnNode() ? join(modules, ".bin", "node") : process.execPath;
      const version = ask(node, ["--version"])?.trim() ?? "nothing";
      if (Number(/^v(\d+)/.exec(version)?.[1]) >= NODE_MAJOR_MIN) return;
      throw new SetupError(`Node ${NODE_MAJOR_MIN} or newer is needed; ${node} says ${version}`);
    },
  };
}

/** Whether the lock file brings a Node for this machine. */
function hasOwnNode() {
  return process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");
}

/**
 * @param {string} root
 * @param {string} cache
 * @returns {[string, string[], import("../runner.mjs").RunOptions]}
 */
function npmCi(root, cache) {
  const words = [
    "ci",
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--engine-strict=false",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    `--cache=${join(cache, "npm")}`,
  ];
  // npm must not run on the very Node that it is about to delete.
  const path = withoutProjectBins(root);
  const env = { PATH: path, ONNXRUNTIME_NODE_INSTALL: "skip", NODE_ENV: "development" };
  const npm = which("npm", path);
  if (npm !== undefined) return [npm, words, { cwd: root, env }];
  const outer = process.env["npm_execpath"] ?? "";
  if (basename(outer) !== "npm-cli.js") throw new SetupError("npm isn't on PATH");
  return [process.execPath, [outer, ...words], { cwd: root, env }];
}

/** @param {string} root */
function withoutProjectBins(root) {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.filter((folder) => !folder.startsWith(join(root, "node_modules"))).join(delimiter);
}

/**
 * The checkout's own command, where npx looks for it.
 * @param {string} folder
 */
function link(folder) {
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, ".ligase.tmp");
  rmSync(temporary, { force: true });
  symlinkSync(BIN_TARGET, temporary);
  renameSync(temporary, join(folder, "ligase"));
}

/** @param {string} path */
function isLinked(path) {
  try {
    return lstatSync(path).isSymbolicLink() && readlinkSync(path) === BIN_TARGET;
  } catch {
    return false;
  }
}
