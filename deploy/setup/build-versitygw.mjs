/**
 * Builds versitygw with Go, once, in the background: `node build-versitygw.mjs CACHE`. The binary
 * appears whole or not at all; modules and builds, some 2 GB, go afterwards. What went wrong is the
 * last line of `log/versitygw.log` in the cache.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isExecutable, which } from "./process.mjs";
import { writeStamp } from "./stamps.mjs";
import { MODULE, placesOf } from "./steps/versitygw.mjs";

const BUILD_MS = 30 * 60_000;

const places = placesOf(process.argv[2] ?? "");
const log = openSync(places.log, "w");
const folders = ["go-build", "go-modules", "go-bin"].map((name) => join(places.folder, name));
try {
  build();
} catch (error) {
  writeFileSync(log, `${String(error)}\n`);
  writeFileSync(places.failed, "");
  process.exitCode = 1;
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  closeSync(log);
}

function build() {
  const [GOCACHE, GOMODCACHE, GOBIN] = folders;
  const { status, signal, error } = spawnSync(which("go") ?? "go", ["install", MODULE], {
    cwd: places.folder,
    env: { ...process.env, GOCACHE, GOMODCACHE, GOBIN, GOFLAGS: "-modcacherw" },
    stdio: ["ignore", log, log],
    timeout: BUILD_MS,
    killSignal: "SIGKILL",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`the build ended with ${signal ?? status}`);
  const built = join(GOBIN ?? "", "versitygw");
  if (!isExecutable(built)) throw new Error("the build left no program");
  mkdirSync(dirname(places.binary), { recursive: true });
  renameSync(built, places.binary);
  writeStamp(places.stamp, places.stampHash);
}
