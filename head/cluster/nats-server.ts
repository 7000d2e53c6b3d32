/**
 * The embedded nats-server: one process bound to this one's life, on loopback, with named accounts
 * and keys only. Its configuration and users file lie in the runtime folder; the users file is the
 * Keyring's. A restarted server keeps its port, so that every client comes back by itself.
 */
import type { ChildProcess } from "node:child_process";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import {
  NATS_RESTARTS_MAX,
  NATS_START_MS,
  RESTART_DELAY_MS,
  TERM_GRACE_MS,
} from "../../runtime/limits.ts";
import { spawnBound } from "../../runtime/processes.ts";
import { findNatsServer } from "./nats-binary.ts";

/** Name of the included file that holds the keys. */
export const USERS_FILE = "users.conf";
const HOST = "127.0.0.1";
const POLL_MS = 10;

export interface NatsServerOptions {
  readonly cluster: string;
  /** 0700; holds configuration, keys and the file that tells the port. */
  readonly folder: string;
  /** File that gets what the server says. */
  readonly logPath: string;
  /** A port, or undefined for any free one. */
  readonly port?: number | undefined;
  /** Environment of the server; the mark of our processes stands in it. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A running nats-server. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Reads the users file again; connections whose key is still in it stay. */
  reload(): void;
  /** SIGTERM, then SIGKILL after TERM_GRACE_MS; settles when it has ended. */
  stop(): Promise<void>;
}

/**
 * A nats-server that listens; `USERS_FILE` must stand in the folder and hold a key.
 *
 * @throws {SystemError} NATS_SERVER_MISSING, NATS_PORT_TAKEN, CLUSTER_START_FAILED with its last
 * words.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const binary = await findNatsServer(options.env === undefined ? {} : { env: options.env });
  const configPath = join(options.folder, "nats.conf");
  await writeFile(configPath, configuration(options), { mode: 0o600 });
  const log = await open(options.logPath, "a", 0o600);
  const logStart = (await log.stat()).size;
  const { child } = spawnBound(binary, ["-c", configPath], {
    env: options.env ?? process.env,
    cwd: options.folder,
    stdio: ["ignore", log.fd, log.fd],
    deathSignal: "KILL",
  });
  const exited = new Promise<void>((settle) => {
    child.once("exit", () => settle());
    child.once("error", () => settle());
  });
  await log.close();
  const pid = child.pid ?? 0;
  try {
    const port = await listeningPort(join(options.folder, `nats-server_${pid}.ports`), child);
    const url = `nats://${HOST}:${port}`;
    const reload = () => void child.kill("SIGHUP");
    return { url, port, pid, exited, reload, stop: () => stop(child, exited) };
  } catch (thrown) {
    await stop(child, exited);
    throw await startError(options, logStart, thrown);
  }
}

/** A nats-server that is started again, on its port, when it ends by itself. */
export interface KeptNatsServer {
  readonly url: string;
  readonly pid: number;
  reload(): void;
  stop(): Promise<void>;
}

/**
 * Like `startNatsServer`, and keeps it: up to NATS_RESTARTS_MAX restarts, then `onFailed` is
 * told once.
 */
export async function keepNatsServer(
  options: NatsServerOptions,
  watch: { readonly log: (line: string) => void; readonly onFailed: (error: SystemError) => void },
): Promise<KeptNatsServer> {
  let server = await startNatsServer(options);
  const { url, port } = server;
  const stopping = new AbortController();
  const keep = async () => {
    for (let restarts = 0; ; restarts += 1) {
      await server.exited;
      if (stopping.signal.aborted) return;
      watch.log("nats-server ended");
      if (restarts >= NATS_RESTARTS_MAX)
        throw new SystemError("CLUSTER_FAILED", "nats-server ended");
      const waitMs = RESTART_DELAY_MS * 2 ** restarts;
      await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      server = await startNatsServer({ ...options, port });
      watch.log("nats-server is back");
    }
  };
  const kept = keep().catch((thrown: unknown) => watch.onFailed(toSystemError(thrown)));
  return {
    url,
    get pid() {
      return server.pid;
    },
    reload: () => server.reload(),
    stop: async () => {
      stopping.abort();
      await server.stop();
      await kept;
      await server.stop();
    },
  };
}

function configuration(options: NatsServerOptions): string {
  // No `no_auth_user`, no JetStream, no monitoring port: what isn't named here is off.
  return [
    `server_name: ${JSON.stringify(`lg-${options.cluster}`)}`,
    `host: ${HOST}`,
    `port: ${options.port ?? -1}`,
    `ports_file_dir: ${JSON.stringify(options.folder)}`,
    "max_payload: 1048576",
    "max_connections: 4096",
    'ping_interval: "5s"',
    "system_account: SYS",
    "accounts {",
    "  SYS {}",
    `  LG { include ${JSON.stringify(USERS_FILE)} }`,
    "}",
    "",
  ].join("\n");
}

async function listeningPort(portsPath: string, child: ChildProcess): Promise<number> {
  const deadline = performance.now() + NATS_START_MS;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    const port = portIn(await readFile(portsPath, "utf8").catch(() => ""));
    if (port !== undefined) return port;
    await delay(POLL_MS);
  }
  throw new Error(`it didn't listen within ${NATS_START_MS} ms`);
}

function portIn(text: string): number | undefined {
  const [, port] = /"nats:\/\/[^"]*:(\d+)"/.exec(text) ?? [];
  return port === undefined ? undefined : Number(port);
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS);
  await exited;
  clearTimeout(timer);
}

async function startError(
  options: NatsServerOptions,
  logStart: number,
  cause: unknown,
): Promise<SystemError> {
  const said = (await readFile(options.logPath)).subarray(logStart).toString("utf8").trim();
  const where = { uri: options.logPath, port: options.port };
  if (options.port !== undefined && said.includes("address already in use")) {
    const taken = `port ${options.port} of ${HOST} is taken`;
    return new SystemError("NATS_PORT_TAKEN", taken, { port: options.port }, cause);
  }
  const lastWords = said.split("\n").slice(-3).join(" | ");
  return new SystemError(
    "CLUSTER_START_FAILED",
    `nats-server: ${String(cause)}: ${lastWords}`,
    where,
    cause,
  );
}
