/**
 * Python with packages that only long suites and benches compare with: a virtual environment in the
 * ignored cache, made at first use and kept.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const ROOT = resolve(import.meta.dirname, "..");
const CACHE = resolve(ROOT, process.env["LIGASE_CACHE"] || ".cache");
/** MultiQC brings tens of packages along. */
const INSTALL_MS = 600_000;
const run = promisify(execFile);

/**
 * The folder of the environment's programs, or undefined where the packages can't be had.
 * @param packages - as pip takes them, pinned.
 */
export async function pythonWith(...packages: readonly string[]): Promise<string | undefined> {
  const name = createHash("sha256").update(packages.join(" ")).digest("hex").slice(0, 12);
  const folder = join(CACHE, "rivals", name);
  const bin = join(folder, "bin");
  const done = join(folder, ".done");
  if (existsSync(done)) return bin;
  try {
    await rm(folder, { recursive: true, force: true });
    await run("python3", ["-m", "venv", folder], { timeout: INSTALL_MS });
    const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages];
    await run(join(bin, "python"), words, { timeout: INSTALL_MS });
    await writeFile(done, "");
    return bin;
  } catch {
    // No network, no venv, no such package: whoever asked says that it didn't run.
    return undefined;
  }
}
