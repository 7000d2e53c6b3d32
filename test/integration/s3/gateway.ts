/**
 * versitygw for tests: an S3 server on loopback over a folder, with credentials of its own. Where
 * it isn't built yet, a build that is under way is waited for; where there is none, tests that need
 * it are left out, counted and said aloud.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive, type ProcessIdentity } from "../../../runtime/processes.ts";
import { until } from "../../e2e/support.ts";

const NAME = "versitygw";
const ROOT = join(import.meta.dirname, "..", "..", "..");
/** Milliseconds from a build's begin until nobody waits for it: it takes 3 to 6 minutes alone. */
const BUILD_WAIT_MS = 12 * 60_000;
export const BUCKET = "ligase-test";

export interface Gateway {
  readonly url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What a client's environment needs, and nothing of the person's own. */
  readonly env: NodeJS.ProcessEnv;
  /** The bucket as a folder. */
  readonly folder: string;
  close(): Promise<void>;
}

/** Path of the server, or undefined; then a line on stderr says why. */
export async function findGateway(): Promise<string | undefined> {
  const cache = resolve(ROOT, process.env["LIGASE_CACHE"] || ".cache");
  for (;;) {
    const asked = process.env["VERSITYGW"];
    const folders = [join(cache, "bin"), ...(process.env["PATH"] ?? "").split(delimiter)];
    const candidates = asked === undefined ? folders.map((at) => join(at, NAME)) : [asked];
    const found = candidates.find(isExecutable);
    if (found !== undefined) return found;
    if (!isBeingBuilt(cache)) break;
    await delay(500);
  }
  process.stderr.write(`\nS3 tests are left out: ${NAME} isn't there (${whyNot(cache)})\n`);
  return undefined;
}

/** A server on a free port over a new folder. */
export async function startGateway(binary: string): Promise<Gateway> {
  const root = await mkdtemp(join(tmpdir(), "lg3-"));
  const data = join(root, "data");
  await mkdir(join(data, BUCKET), { recursive: true });
  const port = await freePort();
  const [id, secret] = ["test-key-id", "test-secret-not-a-secret"];
  const child = spawn(
    binary,
    ["--port", `127.0.0.1:${port}`, "-q", "--keep-alive", "posix", data],
    {
      cwd: root,
      env: { PATH: process.env["PATH"], ROOT_ACCESS_KEY: id, ROOT_SECRET_KEY: secret },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  // A line for each request that a fault cut; only a start that fails has something to say.
  let said = "";
  child.stderr?.on("data", (text) => (said = `${said}${String(text)}`.slice(-2_000)));
  const close = async (): Promise<void> => {
    await end(child);
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await until(`${NAME} listens`, async () => {
      if (child.exitCode !== null) throw new Error(`${NAME} ended: ${said}`);
      const isThere = await canConnect(port).then(
        () => true,
        () => false,
      );
      return isThere;
    });
  } catch (thrown) {
    await close();
    throw thrown;
  }
  const url = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: id, secretAccessKey: secret };
  const env = environmentOf(url, id, secret);
  return { url, credentials, env, folder: join(data, BUCKET), close };
}

/** The environment of a client of a server with these credentials. */
function environmentOf(url: string, id: string, secret: string): NodeJS.ProcessEnv {
  return {
    AWS_ACCESS_KEY_ID: id,
    AWS_SECRET_ACCESS_KEY: secret,
    LIGASE_S3_ENDPOINT: url,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether the process that the set-up started to build it lives, and not for too long. */
function isBeingBuilt(cache: string): boolean {
  const path = join(cache, NAME, "builder.json");
  try {
    const isLate = Date.now() - statSync(path).mtimeMs > BUILD_WAIT_MS;
    return !isLate && isAlive(JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity);
  } catch {
    return false;
  }
}

function whyNot(cache: string): string {
  try {
    const log = readFileSync(join(cache, "log", `${NAME}.log`), "utf8").trim();
    return log.split("\n").at(-1) ?? "no reason was left";
  } catch {
    return "it was never built: `npm test` does, where Go is";
  }
}

/** A port that nobody has; another may take it, and then the server says so. */
function freePort(): Promise<number> {
  return new Promise((settle, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => settle(port));
    });
  });
}

function canConnect(port: number): Promise<void> {
  return new Promise((settle, fail) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.destroy();
      settle();
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((settle) => void child.once("exit", () => settle()));
  child.kill("SIGKILL");
  await ended;
}
