/** The solver, built by CMake against the machine's MPI and NetCDF and the environment's Arrow. */
import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isExecutable, which } from "../process.mjs";
import { fileParts } from "../stamps.mjs";
import { pythonOf, sitePackages } from "./python.mjs";

/** Compilers at once: one needs up to 1 GiB for Arrow's headers. */
const JOBS_MAX = 4;

/**
 * @param {import("../setup.mjs").Context} context
 * @returns {import("../runner.mjs").Step}
 */
export function solverStep({ root, cache }) {
  const source = join(root, "solver");
  const build = join(source, "build");
  const jobs = String(Math.min(JOBS_MAX, availableParallelism()));
  return {
    name: "solver",
    title: "solver (CMake; about 1 min)",
    timeoutMs: 15 * 60_000,
    stamp: join(build, ".stamp"),
    inputs: () => [
      source,
      sitePackages(cache) ?? "",
      ...fileParts(root, ["solver/CMakeLists.txt", "solver/src"]),
    ],
    present: () => isExecutable(join(build, "mpi_dna_seq")),
    run: async (tools) => {
      if (!isBuildOf(build, source)) rmSync(build, { recursive: true, force: true });
      const python = `-DPYTHON=${pythonOf(cache)}`;
      const cmake = which("cmake") ?? "cmake";
      const type = "-DCMAKE_BUILD_TYPE=Release";
      await tools.run(cmake, ["-S", source, "-B", build, type, python]);
      await tools.run(cmake, ["--build", build, "--parallel", jobs]);
    },
  };
}

/**
 * Whether the folder was configured for this very source; CMake refuses a copied one.
 * @param {string} build
 * @param {string} source
 */
function isBuildOf(build, source) {
  try {
    const lines = readFileSync(join(build, "CMakeCache.txt"), "utf8").split("\n");
    return lines.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${source}`);
  } catch {
    return false;
  }
}
