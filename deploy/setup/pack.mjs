/**
 * `npm run pack`: the package as it ships, `dist/ligase-<version>.tgz`. Node strips no types under
 * node_modules, so the package holds emitted JavaScript and declarations in the checkout's own
 * layout, and a package.json that points at them. `-- --out FOLDER` puts all of it elsewhere.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
const FOLDERS = ["runtime", "worker", "head", "solver", "actors"];
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"];
const COMMAND_LIMIT_MS = 5 * 60_000;

/**
 * Packs into a folder, which is emptied first.
 * @param {string} out
 * @returns {string} path of the tarball
 */
function pack(out) {
  const staging = join(out, "package");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  run(join(ROOT, "node_modules", ".bin", "tsc"), [
    "-p",
    "tsconfig.build.json",
    "--outDir",
    staging,
  ]);
  for (const folder of FOLDERS) copyOthers(folder, staging);
  for (const document of DOCUMENTS) cpSync(join(ROOT, document), join(staging, document));
  for (const file of filesUnder(staging).filter((path) => /\.(js|mjs|d\.ts)$/.test(path))) {
    writeFileSync(file, toEmitted(readFileSync(file, "utf8")));
  }
  const manifest = shippedManifest(readJson(join(ROOT, "package.json")));
  writeFileSync(join(staging, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const args = ["pack", staging, "--ignore-scripts", "--json", "--pack-destination", out];
  /** @type {{ filename: string }[] | Record<string, { filename: string }>} */
  const packed = JSON.parse(run("npm", args));
  return join(out, Object.values(packed)[0]?.filename ?? "");
}

/**
 * All that isn't TypeScript: models, scripts, the solver's sources; builds and tests stay behind.
 * @param {string} folder
 * @param {string} staging
 */
function copyOthers(folder, staging) {
  cpSync(join(ROOT, folder), join(staging, folder), {
    recursive: true,
    filter: (source) => {
      const path = relative(ROOT, source);
      const isBuild = path === join("solver", "build") || path.endsWith(join("native", "build"));
      return !isBuild && !path.endsWith(".ts") && !/__pycache__/.test(path);
    },
  });
}

/**
 * Emitted text whose relative names point at what was emitted. tsc rewrites the imports of
 * JavaScript; it leaves those of declarations, and names in `new URL(...)`.
 * @param {string} text
 */
export function toEmitted(text) {
  return text.replaceAll(/(["'`])(\.{1,2}\/[\w./-]+)(?<!\.d)\.ts\1/g, "$1$2.js$1");
}

/** What only the checkout needs: its scripts, its tools, its own Node. */
const OWN_FIELDS = ["scripts", "devDependencies", "optionalDependencies", "overrides"];

/** @typedef {Record<string, unknown> & { exports: Record<string, string> }} Manifest */

/**
 * The package.json that ships.
 * @param {Manifest} manifest the checkout's
 */
export function shippedManifest(manifest) {
  const exports = Object.entries(manifest.exports).map(([name, path]) => {
    const stem = path.replace(/\.ts$/, "");
    return [name, stem === path ? path : { types: `${stem}.d.ts`, default: `${stem}.js` }];
  });
  const shipped = Object.entries(manifest).filter(([field]) => !OWN_FIELDS.includes(field));
  return { ...Object.fromEntries(shipped), exports: Object.fromEntries(exports) };
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function filesUnder(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

/**
 * @param {string} path
 * @returns {Manifest}
 */
function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {string} its stdout
 * @throws {Error} with its output when it fails
 */
function run(command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    timeout: COMMAND_LIMIT_MS,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args[0]} failed: ${error?.message ?? ""}\n${stdout}${stderr}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--out");
  const out = at === -1 ? join(ROOT, "dist") : resolve(process.argv[at + 1] ?? "dist");
  process.stdout.write(`${pack(out)}\n`);
}
