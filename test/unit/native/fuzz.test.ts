/** The core under the address sanitizer, on random and cut bytes: no step beyond what is given. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { which } from "../../../deploy/setup/process.mjs";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const CORE = join(ROOT, "actors", "native");
const CACHE = join(process.env["LIGASE_CACHE"] || join(ROOT, ".cache"), "native");
const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const SECONDS = LONG ? 120 : 3;
const BUILD_MS = 300_000;
const hasIsal = existsSync("/usr/include/isa-l.h");
const FLAGS = [
  ...["-std=c++20", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
  ...["-Wno-maybe-uninitialized", ...(hasIsal ? ["-DLIGASE_ISAL"] : [])],
];
const run = promisify(execFile);

function sources(): readonly string[] {
  const folders = ["text", "qc", "kmers", "fuzz", ...(hasIsal ? ["gzip"] : [])];
  return folders.flatMap((folder) =>
    readdirSync(join(CORE, folder))
      .sort()
      .map((name) => join(folder, name)),
  );
}

/** Builds the driver, unless the cache holds the one of these very sources; @returns its path. */
async function build(): Promise<string> {
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const file of sources()) hash.update(file).update(readFileSync(join(CORE, file)));
  const driver = join(CACHE, `fuzz-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(driver)) return driver;
  mkdirSync(CACHE, { recursive: true });
  const objects = mkdtempSync(join(CACHE, "fuzz-objects-"));
  const files = sources().filter((file) => file.endsWith(".cpp"));
  const compile = async (some: readonly string[]): Promise<void> => {
    for (const file of some) {
      const object = join(objects, `${file.replaceAll(/[./]/g, "-")}.o`);
      await run("g++", [...FLAGS, "-c", file, "-o", object], { cwd: CORE, timeout: BUILD_MS });
    }
  };
  // Two at a time: as many cores as a test machine has.
  await Promise.all([0, 1].map((half) => compile(files.filter((_, i) => i % 2 === half))));
  const parts = readdirSync(objects).map((name) => join(objects, name));
  const libraries = hasIsal ? ["-lisal"] : [];
  const linked = join(objects, "fuzz");
  await run("g++", [...FLAGS, ...parts, "-o", linked, ...libraries], { timeout: BUILD_MS });
  renameSync(linked, driver);
  rmSync(objects, { recursive: true });
  return driver;
}

test.runIf(which("g++") !== undefined)(
  "the core keeps within its bounds, and its levels agree",
  async () => {
    const seed = LONG ? String(Date.now()) : "1";
    const driver = await build();
    const options = { timeout: 60_000 + SECONDS * 2000 };
    const { stdout } = await run(driver, [String(SECONDS), seed], options);
    expect(stdout, `seed ${seed}`).toMatch(/^[1-9]\d* rounds\n$/);
  },
  BUILD_MS + SECONDS * 2000,
);
