/**
 * versitygw, the S3 server of the tests, at `bin/versitygw` in the cache. There is no binary to be
 * had, and Go takes minutes to build it: so this step only starts the build, at the lowest
 * priority, and tests that need it wait for it. Where there is no Go they are left out and say so.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isExecutable, which } from "../process.mjs";
import { hashParts, hasStamp } from "../stamps.mjs";

export const MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
/** Milliseconds for which a build that failed isn't tried again. */
const FAILED_MS = 60 * 60_000;
const BUILDER = fileURLToPath(new URL("../build-versitygw.mjs", import.meta.url));

/**
 * Where its parts lie.
 * @param {string} cache
 */
export function placesOf(cache) {
  const folder = join(cache, "versitygw");
  return {
    folder,
    binary: join(cache, "bin", "versitygw"),
    stamp: join(cache, "bin", ".stamp-versitygw"),
    stampHash: hashParts(["versitygw", MODULE]),
    /** Who builds it: {pid, startTicks, bootId}. */
    builder: join(folder, "builder.json"),
    failed: join(folder, "failed"),
    log: join(cache, "log", "versitygw.log"),
  };
}

/**
 * @param {import("../setup.mjs").Context} context
 * @returns {import("../runner.mjs").Step}
 */
export function versitygwStep({ cache }) {
  const places = placesOf(cache);
  const isBuilt = () => hasStamp(places.stamp, places.stampHash) && isExecutable(places.binary);
  return {
    name: "versitygw-start",
    title: "versitygw (built in the background; ~5 min)",
    timeoutMs: 60_000,
    inputs: () => [MODULE],
    present: () =>
      isBuilt() || own() || isBuilding(places.builder) || hasFailed(places.failed) || !hasGo(),
    run: async () => {
      mkdirSync(places.folder, { recursive: true });
      mkdirSync(join(cache, "log"), { recursive: true });
      rmSync(places.failed, { force: true });
      const nice = ["-n", "19", process.execPath, BUILDER, cache];
      const child = spawn("nice", nice, { detached: true, stdio: "ignore", cwd: places.folder });
      await new Promise((settle, fail) => {
        child.once("error", fail);
        child.once("spawn", settle);
      });
      writeFileSync(places.builder, JSON.stringify(identityOf(child.pid ?? 0)));
      child.unref();
    },
  };
}

/** Whether the person names one of their own. */
function own() {
  return process.env["VERSITYGW"] !== undefined || which("versitygw") !== undefined;
}

function hasGo() {
  return which("go") !== undefined;
}

/** @param {string} path */
function isBuilding(path) {
  try {
    const builder = JSON.parse(readFileSync(path, "utf8"));
    return JSON.stringify(identityOf(builder.pid)) === JSON.stringify(builder);
  } catch {
    return false;
  }
}

/** @param {string} path */
function hasFailed(path) {
  try {
    return Date.now() - statSync(path).mtimeMs < FAILED_MS;
  } catch {
    return false;
  }
}

/**
 * One life of a process; `nice` becomes what it starts, so that it keeps its own.
 * @param {number} pid
 */
function identityOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return { pid, startTicks: Number(fields[19]), bootId };
}
