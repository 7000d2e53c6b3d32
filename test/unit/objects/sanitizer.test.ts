/** The addon of shared memory under the address sanitizer: misuse is never a bad access. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { which } from "../../../deploy/setup/process.mjs";
import { sharedFolder } from "./fixture.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const SOURCE = join(ROOT, "runtime", "native");
const CACHE = join(process.env["LIGASE_CACHE"] || join(ROOT, ".cache"), "native");
const NAPI = join(ROOT, "node_modules", "node-addon-api");
const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const SECONDS = LONG ? 120 : 3;
const BUILD_MS = 120_000;
const FLAGS = [
  ...["-std=c++20", "-O1", "-g", "-fPIC", "-shared", "-fsanitize=address,undefined"],
  ...["-fno-sanitize=vptr", "-fno-sanitize-recover=all", "-DNAPI_VERSION=9"],
  ...["-DNODE_ADDON_API_CPP_EXCEPTIONS", "-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
  "-DNODE_GYP_MODULE_NAME=ligase_regions",
];
const run = promisify(execFile);

/** Where the running Node's headers are. */
function headers(): string {
  const own = join(ROOT, "node_modules", `node-linux-${process.arch}`);
  const folder = existsSync(join(own, "include")) ? own : dirname(dirname(process.execPath));
  return join(folder, "include", "node");
}

/** Builds the addon with the sanitizer, unless the cache holds it; @returns its path. */
async function build(): Promise<string> {
  const names = readdirSync(join(SOURCE, "addon")).sort();
  const hash = createHash("sha256").update([process.version, ...FLAGS].join(" "));
  for (const name of names) hash.update(readFileSync(join(SOURCE, "addon", name)));
  const target = join(CACHE, `regions-${hash.digest("hex").slice(0, 16)}.node`);
  if (existsSync(target)) return target;
  mkdirSync(CACHE, { recursive: true });
  const stage = mkdtempSync(join(CACHE, "regions-"));
  cpSync(join(SOURCE, "addon"), stage, { recursive: true });
  const sources = names.filter((name) => name.endsWith(".cpp"));
  const words = [...FLAGS, `-I${headers()}`, `-I${NAPI}`, ...sources, "-o", "out.node"];
  await run("g++", words, { cwd: stage, timeout: BUILD_MS });
  renameSync(join(stage, "out.node"), target);
  rmSync(stage, { recursive: true });
  return target;
}

test.runIf(which("g++") !== undefined)(
  "whatever is done with regions and views, no access is a bad one",
  async () => {
    const addon = await build();
    const { stdout: library } = await run("g++", ["-print-file-name=libasan.so"]);
    const seed = LONG ? String(Date.now() % 1e9) : "7";
    const script = join(import.meta.dirname, "misuse.ts");
    const words = ["--expose-gc", script, addon, sharedFolder(), String(SECONDS), seed];
    const { stdout } = await run(process.execPath, words, {
      // Node itself ends with memory in use, and asks for more than there is where a test does.
      env: {
        ...process.env,
        LD_PRELOAD: library.trim(),
        ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
      },
      timeout: 60_000 + SECONDS * 2000,
    });
    expect(stdout, `seed ${seed}`).toMatch(/^[1-9]\d* calls\n$/);
  },
  BUILD_MS + 60_000 + SECONDS * 2000,
);
