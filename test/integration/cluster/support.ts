/** What the tests of the cluster share: folders, a server with a keyring, waiting. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectBus } from "../../../runtime/bus/nats.ts";
import type { Credentials } from "../../../runtime/bus/key.ts";
import { Keyring } from "../../../head/cluster/keys.ts";
import { type NatsServer, startNatsServer } from "../../../head/cluster/nats-server.ts";

export const CLUSTER = "00112233445566ff";

const cleanups: (() => Promise<unknown>)[] = [];

/** Runs `work` when the test ends, last one first; call `cleanUp` in afterEach. */
export function onEnd(work: () => Promise<unknown>): void {
  cleanups.push(work);
}

export async function cleanUp(): Promise<void> {
  for (let work = cleanups.pop(); work !== undefined; work = cleanups.pop()) await work();
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgt-"));
  onEnd(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Waits until `condition` gives a value that isn't undefined or false. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    await delay(5);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}

export interface TestServer {
  readonly folder: string;
  readonly keyring: Keyring;
  readonly server: NatsServer;
}

export async function startTestServer(port?: number): Promise<TestServer> {
  const folder = await temporaryFolder();
  const keyring = new Keyring({ cluster: CLUSTER, folder });
  await keyring.mint("client");
  const logPath = join(folder, "nats.log");
  const server = await startNatsServer({ cluster: CLUSTER, folder, logPath, port });
  onEnd(() => server.stop());
  keyring.attach(server);
  return { folder, keyring, server };
}

/** A bus that ends with the test. */
export async function busOf(url: string, credentials: Credentials) {
  const bus = await connectBus({ url, cluster: CLUSTER, name: "test", ...credentials });
  onEnd(() => bus.close());
  return bus;
}
