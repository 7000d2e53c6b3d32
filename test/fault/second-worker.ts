/** A second worker of an embedded cluster, whose way to nats-server can be cut. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { joinCluster } from "../../runtime/bus/join.ts";
import type { Connection } from "../../runtime/bus/key.ts";
import { leaveConfig } from "../../runtime/config-file.ts";
import { identityOf, type ProcessIdentity } from "../../runtime/processes.ts";
import type { ActorCluster } from "../e2e/actors.ts";
import { statusWhen } from "../e2e/cluster.ts";
import { environment, until } from "../e2e/support.ts";

const MAIN = fileURLToPath(new URL("../../worker/main.ts", import.meta.url));

/** Its agent is started anew for each test, with one identity. */
export class SecondWorker {
  readonly #actors: ActorCluster;
  readonly #connection: Connection;
  readonly #proxy: Proxy;
  #child: ChildProcess | undefined;
  #starts = 0;

  private constructor(actors: ActorCluster, connection: Connection, proxy: Proxy) {
    this.#actors = actors;
    this.#connection = connection;
    this.#proxy = proxy;
  }

  /** Joins a cluster that was started with `join`. */
  static async of(actors: ActorCluster): Promise<SecondWorker> {
    const connection = await joinCluster(actors.own.embedded.joinUrl ?? "");
    return new SecondWorker(actors, connection, await Proxy.to(connection.natsUrl));
  }

  /** The agent's process, once the head knows of it. */
  async start(): Promise<ProcessIdentity> {
    this.#proxy.mend();
    const { place, client } = this.#actors;
    this.#starts += 1;
    // Sockets lie below, whose paths are short.
    const runtimeDir = place.path(`w${this.#starts}`);
    await mkdir(runtimeDir, { mode: 0o700 });
    const config = place.path(`w${this.#starts}.json`);
    const own = { natsUrl: this.#proxy.url, runtimeDir, mark: "00ffeeddccbbaa99", executors: 1 };
    await leaveConfig(config, { ...this.#connection, ...own });
    const child = spawn(process.execPath, [MAIN, config], {
      stdio: ["pipe", "ignore", "inherit"],
      env: environment(place),
    });
    this.#child = child;
    await statusWhen(client, "two workers", ({ workers }) => workers === 2);
    const identity = identityOf(child.pid ?? 0);
    if (identity === undefined) throw new Error("the second worker ended");
    return identity;
  }

  cut(): void {
    this.#proxy.cut();
  }

  /** What it says is lost on the way; it goes on to hear. */
  mute(): void {
    this.#proxy.mute();
  }

  mend(): void {
    this.#proxy.mend();
  }

  /** Ends its agent, if it hasn't, and waits until the head misses it. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGKILL");
    await until("the agent ends", () => child.exitCode !== null || child.signalCode !== null);
    this.#child = undefined;
    await statusWhen(this.#actors.client, "one worker", ({ workers }) => workers === 1);
  }

  async close(): Promise<void> {
    const child = this.#child;
    child?.kill("SIGKILL");
    await this.#proxy.close();
    if (child === undefined) return;
    await until("it ends", () => child.exitCode !== null || child.signalCode !== null);
  }
}

/** TCP to nats-server and back, until it is cut. */
class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #isMute = false;

  private constructor(port: number) {
    this.#server = createServer((near) => this.#join(near, port));
  }

  static async to(url: string): Promise<Proxy> {
    const made = new Proxy(Number(new URL(url).port));
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    return made;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it doesn't listen");
    return `nats://127.0.0.1:${address.port}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mute(): void {
    this.#isMute = true;
  }

  mend(): void {
    this.#isCut = false;
    this.#isMute = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket, port: number): void {
    if (this.#isCut) return void near.destroy();
    const far = connect(port, "127.0.0.1");
    const end = (): void => {
      for (const socket of [near, far]) this.#sockets.delete(socket.destroy());
    };
    for (const socket of [near, far]) this.#sockets.add(socket.on("error", end).on("close", end));
    near.on("data", (bytes) => void (this.#isMute || far.write(bytes)));
    far.pipe(near);
  }
}
