/**
 * The parts of an embedded cluster, in the order in which they start and end. Up: nats-server
 * with its keys, then head and agent. Down: head and agent, slurm jobs, Slurm, join server,
 * nats-server, then whatever is left with our mark or in our runtime folder, then that folder.
 */
import { join } from "node:path";
import type { Connection } from "../../runtime/bus/key.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import {
  HEAD_RESTARTS_MAX,
  SHUTDOWN_FORCED_MS,
  WORKER_RESTARTS_MAX,
} from "../../runtime/limits.ts";
import { sweepObjects } from "../../runtime/objects/owners.ts";
import { sweep } from "../../runtime/processes.ts";
import { isIdentity } from "../../runtime/bus/subjects.ts";
import { type ChildOptions, isReplaced, KeptChild } from "./child.ts";
import { freshLog, removeRuntimeFolder } from "./folders.ts";
import type { JoinServer } from "./join.ts";
import { Keyring } from "./keys.ts";
import { type KeptNatsServer, keepNatsServer } from "./nats-server.ts";
import type { ChildMessage, HeadConfig, JoinedHead, SlurmMode, WorkerConfig } from "./protocol.ts";
import type { SlurmService } from "./slurm-service.ts";

export interface ClusterOptions {
  readonly stateDir: string;
  /** Exists, 0700; removed by `stop`. */
  readonly runtimeDir: string;
  /** The cluster's id and LIGASE_MARK of all its processes: 16 hex digits. */
  readonly mark: string;
  readonly env: NodeJS.ProcessEnv;
  readonly executors: number;
  /** Heads that stand by beside the first one. */
  readonly standbyHeads: number;
  /** Log, snapshots and jobs; `stateDir` unless they lie elsewhere. */
  readonly stateUri: string;
  readonly natsPort: number | undefined;
  readonly slurmMode: SlurmMode;
  readonly slurm: SlurmService;
  readonly headMain: string;
  readonly workerMain: string;
  readonly log: (line: string) => void;
  /** A part ended for good; called at most once a part, and the cluster should be stopped. */
  readonly onFailed: (error: SystemError) => void;
}

export class EmbeddedCluster {
  readonly #options: ClusterOptions;
  readonly #keyring: Keyring;
  #starting: Promise<Connection> | undefined;
  #stopping = false;
  /** The log's end, as the head told last. */
  #tail = 0;
  #nats: KeptNatsServer | undefined;
  #join: Promise<JoinServer> | undefined;
  #children: KeptChild[] = [];
  /** Kept heads that haven't ended for good. */
  #heads = 0;
  readonly #hurried = Promise.withResolvers<void>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#keyring = new Keyring({ cluster: options.mark, folder: options.runtimeDir });
  }

  /**
   * A client's connection to the cluster, once head and agent are ready.
   *
   * @throws {SystemError} NATS_SERVER_MISSING, NATS_PORT_TAKEN, CLUSTER_START_FAILED, or what
   * the head or the agent gave as its reason; CANCELLED when stopped meanwhile. `stop` is due in
   * each case.
   */
  start(): Promise<Connection> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Ends everything and removes the runtime folder; forced after SHUTDOWN_FORCED_MS, or by
   * `hurry`. Never throws.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { log, mark, runtimeDir } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const forced = new Promise<void>((settle) => {
      timer = setTimeout(settle, SHUTDOWN_FORCED_MS);
    });
    const orderly = this.#stopParts().catch((thrown: unknown) => log(`end: ${String(thrown)}`));
    await Promise.race([orderly, forced, this.#hurried.promise]);
    clearTimeout(timer);
    const { remaining } = await sweep({ mark, folder: runtimeDir }, { graceMs: 0 });
    for (const { pid } of remaining) log(`process ${pid} can't be ended`);
    await removeRuntimeFolder(runtimeDir);
    sweepObjects();
  }

  /** Makes `stop` wait for nobody: all that still runs is killed. */
  hurry(): void {
    this.#hurried.resolve();
  }

  /** `http://127.0.0.1:PORT/#TOKEN` for one more worker; the first call opens the port. */
  async mintJoinUrl(): Promise<string> {
    this.#join ??= this.#openJoin();
    return (await this.#join).mintUrl();
  }

  /** A connection for one more client, with a key of its own, once the cluster is ready. */
  async mintClient(): Promise<Connection> {
    const { natsUrl, cluster } = await this.start();
    if (this.#stopping) throw new SystemError("CLUSTER_NOT_FOUND", "the cluster is ending");
    return { natsUrl, cluster, ...(await this.#keyring.mint("client")) };
  }

  /** What a head of another supervisor needs to stand by here. */
  async mintHead(): Promise<JoinedHead> {
    const { natsUrl, cluster } = await this.start();
    if (this.#stopping) throw new SystemError("CLUSTER_NOT_FOUND", "the cluster is ending");
    const { stateUri, stateDir, slurmMode, mark } = this.#options;
    const key = await this.#keyring.mint("head");
    return { natsUrl, cluster, ...key, stateUri, stateDir, slurmMode, mark };
  }

  /** Shuts a client's or a joined head's key out: its connections end. */
  async revoke({ identity }: Pick<Connection, "identity">): Promise<void> {
    if (!this.#stopping) await this.#keyring.remove(identity);
  }

  async #start(): Promise<Connection> {
    const { stateDir, runtimeDir, mark: cluster, env, natsPort, log, onFailed } = this.#options;
    const { standbyHeads } = this.#options;
    const heads = await Promise.all(
      Array.from({ length: 1 + standbyHeads }, () => this.#keyring.mint("head")),
    );
    const worker = await this.#keyring.mint("worker");
    const client = await this.#keyring.mint("client");
    const logPath = await freshLog(stateDir, "nats");
    this.#nats = await keepNatsServer(
      { cluster, folder: runtimeDir, logPath, port: natsPort, env },
      { log, onFailed },
    );
    this.#keyring.attach(this.#nats);
    const { natsUrl } = { natsUrl: this.#nats.url };
    const shared = { natsUrl, cluster, runtimeDir, mark: cluster };
    const { executors, workerMain } = this.#options;
    const workerConfig: WorkerConfig = { ...shared, ...worker, executors };
    const [first, ...others] = heads;
    await Promise.all([
      first === undefined ? undefined : this.#startHead("head", { ...shared, ...first }),
      this.#startChild("worker", {
        script: workerMain,
        config: () => workerConfig,
        restartsMax: WORKER_RESTARTS_MAX,
        onFailed,
      }),
    ]);
    // The cluster is there; who stands by isn't waited for.
    for (const [index, head] of others.entries()) {
      const name = `head-${index + 2}`;
      this.#startHead(name, { ...shared, ...head }).catch((thrown: unknown) => {
        if (!this.#stopping) log(`${name} doesn't stand by: ${toSystemError(thrown).message}`);
      });
    }
    return { natsUrl, cluster, ...client };
  }

  /**
   * One head, kept. Started again it stands by where others are: one of them may lead by then. The
   * cluster fails with the last of its heads.
   */
  async #startHead(
    name: string,
    own: Connection & { readonly runtimeDir: string; readonly mark: string },
  ): Promise<void> {
    const { stateDir, stateUri, slurmMode, headMain, log, onFailed } = this.#options;
    const isFirst = this.#heads === 0;
    this.#heads += 1;
    let starts = 0;
    const config = (): HeadConfig => {
      const standby = !isFirst || (starts > 0 && this.#hasOtherHeads());
      starts += 1;
      return { ...own, stateDir, stateUri, slurmMode, standby, tail: this.#tail };
    };
    const lost = (error: SystemError): void => {
      this.#heads -= 1;
      if (this.#heads === 0) onFailed(error);
      else log(`${name} is given up: ${error.message}`);
    };
    await this.#startChild(name, {
      ...{ script: headMain, config, restartsMax: HEAD_RESTARTS_MAX, onFailed: lost },
      mends: isReplaced,
    }).catch((thrown: unknown) => {
      this.#heads -= 1;
      throw thrown;
    });
  }

  #hasOtherHeads(): boolean {
    return this.#keyring.identities().filter((one) => isIdentity(one, "head")).length > 1;
  }

  async #startChild(
    name: string,
    how: Pick<ChildOptions, "script" | "config" | "restartsMax" | "onFailed" | "mends">,
  ): Promise<void> {
    const { stateDir, runtimeDir, env, log } = this.#options;
    const logPath = await freshLog(stateDir, name);
    if (this.#stopping) throw new SystemError("CANCELLED", "stopped while starting");
    const child = new KeptChild({
      ...how,
      ...{ name, logPath, env, log },
      configPath: join(runtimeDir, `${name}.json`),
      onMessage: (message, reply) => this.hear(name, message, reply),
    });
    this.#children.push(child);
    await child.start();
  }

  async #openJoin(): Promise<JoinServer> {
    const { mark: cluster, log } = this.#options;
    if (this.#nats === undefined || this.#stopping) {
      throw new SystemError("NATS_UNREACHABLE", "the cluster doesn't run");
    }
    const natsUrl = this.#nats.url;
    // Node's HTTP takes 8 MiB, and most clusters are joined by nobody.
    const { JoinServer } = await import("./join.ts");
    const server = new JoinServer({ keyring: this.#keyring, cluster, natsUrl, log });
    await server.listen();
    return server;
  }

  /** Takes what a head or the agent says. */
  hear(name: string, message: ChildMessage, reply: (answer: object) => void): void {
    switch (message.op) {
      case "slurm.ensure":
        return void answer(message.id, reply, () => this.#options.slurm.ensure());
      case "slurm.active":
        return this.#options.slurm.setActive(message.jobs);
      case "join.mint":
        return void answer(message.id, reply, () => this.mintJoinUrl());
      case "tail":
        this.#tail = Math.max(this.#tail, message.tail);
        return;
      case "leads":
        return this.#options.log(`${name} leads epoch ${message.epoch}`);
      case "ready":
      case "fatal":
        return;
      default:
        message satisfies never;
    }
  }

  async #stopParts(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await this.#starting?.catch(() => undefined);
    await this.#options.slurm.stop();
    await this.#join?.then(
      (server) => server.close(),
      () => undefined,
    );
    await this.#nats?.stop();
  }
}

async function answer(
  id: number,
  reply: (answer: object) => void,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    reply({ id, ok: await work() });
  } catch (thrown) {
    reply({ id, error: toSystemError(thrown).toData() });
  }
}
