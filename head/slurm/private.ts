/**
 * A private Slurm: munged, slurmctld and slurmd in one folder, for the user who starts it, root or
 * not. The daemons die with this process (setpriv), work in the folder, and so does every
 * slurmstepd they start: that is how `stop`, or the sweep of a later run, finds those that outlive
 * their daemon. Several instances stand side by side: names, ports, keys and sockets are their own.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { totalmem, userInfo } from "node:os";
import { join } from "node:path";
import { SystemError } from "../../runtime/errors.ts";
import {
  SCANCEL_MS,
  SLURM_COMMAND_MS,
  SLURM_FOLDER_BYTES_MAX,
  SLURM_START_MS,
  SLURM_START_TRIES,
  TERM_GRACE_MS,
} from "../../runtime/limits.ts";
import {
  endAll,
  MARK_VARIABLE,
  type ProcessIdentity,
  type Swept,
  sweep,
} from "../../runtime/processes.ts";
import { CLUSTER_VARIABLE, connectionOf, type SlurmConnection } from "./connection.ts";
import { Daemons, freePorts, isListening } from "./daemons.ts";
import { LOOPBACK, type LoopbackNaming, loopbackNaming } from "./loopback.ts";
import { mungeSocket, nodeName, slurmConf } from "./private-conf.ts";
import { checkValue } from "./slurm.ts";
import { runTool, slurmEnvironment } from "./tools.ts";

export interface PrivateSlurmOptions {
  /** Made if absent; absolute, at most SLURM_FOLDER_BYTES_MAX bytes of plain characters. */
  readonly folder: string;
  /** Cores that each node offers to Slurm, whatever the machine has. */
  readonly cpus: number;
  readonly nodes?: number;
  /** LIGASE_MARK of the daemons and of every job. */
  readonly mark: string;
}

export interface PrivateSlurm {
  readonly confPath: string;
  /** `lg` and 8 random hex digits: no earlier record can mean this cluster. */
  readonly clusterName: string;
  /** What `connectSlurm` takes. */
  readonly connection: SlurmConnection;
  /** munged, slurmctld, then each slurmd. */
  readonly processes: readonly ProcessIdentity[];
  /** False where the host's name isn't a loopback one and no name space may be made. */
  readonly loopbackOnly: boolean;
  /** Ends jobs, daemons, and what they left, within SCANCEL_MS + 2 TERM_GRACE_MS. */
  stop(): Promise<Swept>;
}

/**
 * A started private Slurm whose nodes are idle.
 * @throws {SystemError} SLURM_START_FAILED with the log's end; SLURM_MISSING without a daemon.
 */
export async function startPrivateSlurm(options: PrivateSlurmOptions): Promise<PrivateSlurm> {
  checkFolder(options.folder);
  checkValue("mark", options.mark);
  const naming = await loopbackNaming();
  const clusterName = `lg${randomBytes(4).toString("hex")}`;
  await prepareFolder(options.folder, options.nodes ?? 1);
  for (let attempt = 1; ; attempt += 1) {
    const instance = new Instance(options, clusterName, naming);
    try {
      await instance.start();
      return instance.describe();
    } catch (thrown) {
      const portTaken = instance.daemons.logTail().includes("already in use");
      await instance.stop();
      if (!portTaken || attempt === SLURM_START_TRIES) throw thrown;
    }
  }
}

class Instance {
  readonly daemons: Daemons;
  readonly #options: PrivateSlurmOptions;
  readonly #clusterName: string;
  readonly #naming: LoopbackNaming;
  readonly #confPath: string;
  readonly #env: NodeJS.ProcessEnv;
  #stopped: Promise<Swept> | undefined;

  constructor(options: PrivateSlurmOptions, clusterName: string, naming: LoopbackNaming) {
    this.#options = options;
    this.#clusterName = clusterName;
    this.#naming = naming;
    this.#confPath = join(options.folder, "slurm.conf");
    const marks = { [MARK_VARIABLE]: options.mark, [CLUSTER_VARIABLE]: clusterName };
    this.#env = { ...slurmEnvironment(this.#confPath), ...marks };
    this.daemons = new Daemons(options.folder, this.#env);
  }

  async start(): Promise<void> {
    const { folder, nodes = 1 } = this.#options;
    const deadline = performance.now() + SLURM_START_MS;
    const [controllerPort = 0, ...nodePorts] = await freePorts(nodes + 1, LOOPBACK);
    await writeFile(this.#confPath, this.#confText(controllerPort, nodePorts), { mode: 0o600 });
    this.daemons.start("munged", mungedArguments(folder), []);
    await this.daemons.until(() => isListening({ path: mungeSocket(folder) }), "munged", deadline);
    const { wrapper } = this.#naming;
    this.daemons.start("slurmctld", ["-D", "-f", this.#confPath], wrapper);
    for (const index of nodePorts.keys()) {
      this.daemons.start("slurmd", ["-D", "-N", nodeName(index), "-f", this.#confPath], wrapper);
    }
    const answers = () => isListening({ host: LOOPBACK, port: controllerPort });
    await this.daemons.until(answers, "slurmctld", deadline);
    await this.daemons.until(() => this.#isIdle(), "slurmd", deadline);
  }

  describe(): PrivateSlurm {
    const access = { confPath: this.#confPath, clusterName: this.#clusterName };
    return {
      ...access,
      connection: connectionOf(access, this.#options.mark),
      processes: this.daemons.identities,
      loopbackOnly: this.#naming.loopbackOnly,
      stop: () => this.stop(),
    };
  }

  stop(): Promise<Swept> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<Swept> {
    await this.#cancelJobs();
    const identities = [...this.daemons.identities].reverse();
    const termUntil = performance.now() + TERM_GRACE_MS;
    for (const identity of identities) await endAll([identity], termUntil);
    const { folder } = this.#options;
    const left = { folder, entry: `${CLUSTER_VARIABLE}=${this.#clusterName}` };
    const swept = await sweep(left, { graceMs: TERM_GRACE_MS / 5 });
    return { ended: [...identities, ...swept.ended], remaining: swept.remaining };
  }

  /** Best effort: what doesn't end in time, or has no daemon any more, is swept. */
  async #cancelJobs(): Promise<void> {
    if (!this.daemons.areAlive()) return;
    const deadline = performance.now() + SCANCEL_MS;
    const who = `--user=${process.getuid?.() ?? 0}`;
    if (!(await this.#hasJobs(who, deadline))) return;
    await this.#tool("scancel", [who], deadline).catch(() => undefined);
    const ended = async () => !(await this.#hasJobs(who, deadline));
    await this.daemons.until(ended, "slurmctld", deadline).catch(() => undefined);
  }

  async #hasJobs(who: string, deadline: number): Promise<boolean> {
    const result = await this.#tool("squeue", ["--noheader", who, "--format=%A"], deadline);
    return result.exitCode === 0 && result.stdout.trim() !== "";
  }

  async #isIdle(): Promise<boolean> {
    const asked = ["--noheader", "--states=idle", "--format=%D"];
    const result = await this.#tool("sinfo", asked, performance.now() + SLURM_COMMAND_MS);
    const idle = result.stdout.split("\n").reduce((sum, line) => sum + Number(line), 0);
    return result.exitCode === 0 && idle === (this.#options.nodes ?? 1);
  }

  #tool(name: string, args: readonly string[], deadline: number) {
    const timeoutMs = Math.max(1, Math.floor(deadline - performance.now()));
    return runTool(name, args, { env: this.#env, timeoutMs });
  }

  #confText(controllerPort: number, nodePorts: readonly number[]): string {
    return slurmConf({
      folder: this.#options.folder,
      clusterName: this.#clusterName,
      user: userName(),
      naming: this.#naming,
      cpus: this.#options.cpus,
      memoryMegabytes: Math.floor(totalmem() / 1024 ** 2),
      controllerPort,
      nodePorts,
    });
  }
}

/** --force: the folder is closed to other users, which munged takes for a mistake of ours. */
function mungedArguments(folder: string): readonly string[] {
  const files = { "key-file": "key", socket: "sock", "pid-file": "pid", "seed-file": "seed" };
  const places = Object.entries(files).map(([name, file]) => `--${name}=${folder}/munge/${file}`);
  return ["--foreground", "--force", "--num-threads=2", ...places];
}

async function prepareFolder(folder: string, nodes: number): Promise<void> {
  const nodeFolders = Array.from({ length: nodes }, (_, index) => nodeName(index));
  const inside = ["munge", "state", "run", "log"];
  for (const name of nodeFolders) inside.push(`spool/${name}`, `tmp/${name}`);
  for (const name of inside) {
    await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  }
  const key = join(folder, "munge", "key");
  await rm(key, { force: true });
  await writeFile(key, randomBytes(128), { mode: 0o400, flag: "wx" });
  await writeFile(join(folder, "cgroup.conf"), "CgroupPlugin=cgroup/v1\n");
}

function checkFolder(folder: string): void {
  if (Buffer.byteLength(folder) > SLURM_FOLDER_BYTES_MAX) {
    const what = `its folder's name is over ${SLURM_FOLDER_BYTES_MAX} bytes, too long for sockets`;
    throw new SystemError("SLURM_START_FAILED", what, { uri: folder });
  }
  if (!/^\/[A-Za-z0-9._/-]+$/.test(folder)) {
    const what = "its folder needs an absolute path of letters, digits and . _ / -";
    throw new SystemError("SLURM_START_FAILED", what, { uri: folder });
  }
}

/** A user without a line in passwd is known to Slurm by number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? 0);
  }
}
