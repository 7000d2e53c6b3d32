/**
 * System packages: Slurm, MPI, parallel NetCDF, BLAS, ISA-L, a compiler. Only what is missing is
 * installed. Daemons that the packages bring are left alone: neither started nor stopped here.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, SetupError, which } from "../process.mjs";

/**
 * @typedef {object} Requirement
 * @property {string} name of the Debian package
 * @property {readonly string[]} [programs] that show it is there without the package
 * @property {string} [library] the pkg-config name that shows it
 */

/** @type {readonly Requirement[]} */
export const REQUIREMENTS = [
  { name: "slurmctld", programs: ["slurmctld"] },
  { name: "slurmd", programs: ["slurmd"] },
  { name: "slurm-client", programs: ["sbatch", "srun", "scontrol", "squeue", "sinfo"] },
  { name: "munge", programs: ["munged"] },
  { name: "openmpi-bin", programs: ["mpirun"] },
  { name: "libopenmpi-dev", programs: ["mpicc", "mpicxx"] },
  { name: "libnetcdf-mpi-dev", library: "netcdf-mpi" },
  { name: "libopenblas-dev", library: "openblas" },
  { name: "nlohmann-json3-dev", library: "nlohmann_json" },
  { name: "libisal-dev", library: "libisal" },
  { name: "g++", programs: ["g++"] },
  { name: "cmake", programs: ["cmake"] },
  { name: "make", programs: ["make"] },
  { name: "pkg-config", programs: ["pkg-config"] },
  { name: "python3-venv" },
  { name: "util-linux", programs: ["setpriv"] },
];

/**
 * Programs that tests compare ours with; a test of one that isn't there is skipped, and counted.
 * @type {readonly Requirement[]}
 */
const RIVALS = [
  { name: "fastp", programs: ["fastp"] },
  { name: "seqkit", programs: ["seqkit"] },
];

/** Seconds that apt waits for another package manager. */
const LOCK_WAIT_S = 300;

/**
 * The step.
 * @param {object} [machine] what the step asks of the machine; the tests give their own
 * @param {() => readonly Requirement[]} [machine.missing]
 * @param {() => string[] | undefined} [machine.prefix]
 * @param {() => boolean} [machine.hasApt]
 * @returns {import("../runner.mjs").Step}
 */
export function aptStep({
  missing = () => missingOf(REQUIREMENTS),
  prefix = rightsPrefix,
  hasApt = () => which("apt-get") !== undefined && which("dpkg-query") !== undefined,
} = {}) {
  return {
    name: "apt",
    title: "system packages (Slurm, MPI, NetCDF, compiler; about 1 min)",
    timeoutMs: 15 * 60_000,
    inputs: () => [],
    present: () => missing().length === 0,
    run: async (tools) => {
      const names = missing().map(({ name }) => name);
      if (!hasApt()) {
        throw new SetupError(
          "This system has no apt. Install what these Debian packages hold, then run this " +
            `again:\n  ${names.join(" ")}`,
          { showLog: false },
        );
      }
      const rights = prefix();
      if (rights === undefined) {
        throw new SetupError(
          `Packages are missing and neither root nor passwordless sudo is there. Run this line, ` +
            `then the command again:\n  ${installLine(names)}`,
          { showLog: false },
        );
      }
      await install(names, rights, tools);
    },
  };
}

/**
 * What tests compare with, as far as this machine can have it.
 * @returns {import("../runner.mjs").Step}
 */
export function rivalsStep() {
  const step = aptStep({ missing: () => missingOf(RIVALS) });
  let isTried = false;
  return {
    ...step,
    name: "rivals",
    title: "programs that tests compare with (fastp, seqkit)",
    present: () => isTried || step.present(),
    run: async (tools) => {
      isTried = true;
      await step.run(tools).catch((error) => tools.log(String(error)));
    },
  };
}

/**
 * @param {readonly string[]} names
 * @returns {string} the line that a person runs
 */
export function installLine(names) {
  const install = `apt-get install -y --no-install-recommends ${names.join(" ")}`;
  return `sudo apt-get update && sudo ${install}`;
}

/**
 * @param {readonly string[]} names
 * @param {readonly string[]} rights
 * @param {import("../runner.mjs").Tools} tools
 */
async function install(names, rights, tools) {
  // A shared temporary folder may be cleaned while dpkg unpacks in it: seen once.
  const temporary = mkdtempSync(join(tmpdir(), "ligase-apt-"));
  chmodSync(temporary, 0o755);
  const environment = ["env", "DEBIAN_FRONTEND=noninteractive", `TMPDIR=${temporary}`, "LC_ALL=C"];
  /** @param {string[]} words */
  const asRoot = async (...words) => {
    const [command = "", ...args] = [...rights, ...environment, ...words];
    await tools.run(command, args, { elevated: rights.length > 0, unmarked: true });
  };
  const wait = `DPkg::Lock::Timeout=${LOCK_WAIT_S}`;
  const keepOld = "Dpkg::Options::=--force-confold";
  /** @param {string[]} words */
  const apt = (...words) => asRoot("apt-get", "-o", wait, "-o", keepOld, "-q", "-y", ...words);
  const wanted = ["install", "--no-install-recommends", ...names];
  try {
    // One unreachable source of many isn't the end: install decides.
    await apt("update").catch((error) => tools.log(String(error)));
    try {
      await apt(...wanted);
    } catch (error) {
      // An earlier run may have been killed between unpacking and configuring.
      tools.log(`${String(error)}; repairing, then once more`);
      await asRoot("dpkg", "--force-confold", "--configure", "-a").catch((again) =>
        tools.log(String(again)),
      );
      await apt("--fix-broken", "--no-install-recommends", "install");
      await apt(...wanted);
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * What neither dpkg nor the machine itself shows.
 * @param {readonly Requirement[]} all
 */
function missingOf(all) {
  const installed = installedPackages(all);
  return all.filter((one) => !installed.has(one.name) && !isFound(one));
}

/**
 * The names of those packages that dpkg holds for fully installed.
 * @param {readonly Requirement[]} all
 */
function installedPackages(all) {
  const format = `${field("Package")} ${field("db:Status-Status")}\n`;
  const names = all.map(({ name }) => name);
  // It exits with 1 when one of them is unknown; what it printed counts all the same.
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", format, ...names], {
    encoding: "utf8",
    timeout: 20_000,
  });
  const lines = (stdout ?? "").split("\n").map((line) => line.split(" "));
  return new Set(lines.filter(([, status]) => status === "installed").map(([name]) => name));
}

/**
 * A field in dpkg-query's own format language.
 * @param {string} name
 */
function field(name) {
  return `$\{${name}}`;
}

/** @param {Requirement} requirement */
function isFound({ name, programs, library }) {
  if (programs !== undefined) return programs.every((program) => which(program) !== undefined);
  if (name === "python3-venv")
    return ask("python3", ["-c", "import venv, ensurepip"]) !== undefined;
  return library !== undefined && ask("pkg-config", ["--exists", library]) !== undefined;
}

/** The words before a command that needs root: none as root; undefined without any right. */
function rightsPrefix() {
  if (process.getuid?.() === 0) return [];
  return ask("sudo", ["-n", "true"]) === undefined ? undefined : ["sudo", "-n"];
}
