/** What all nodes of one simulation stand on: time, chance, the server, storage, Slurm. */
import { SolveRunner } from "../../../head/daemon/solve-runner.ts";
import type { HeadPorts } from "../../../head/daemon/head.ts";
import type { Random } from "../core/random.ts";
import { type SimProcess } from "../core/process.ts";
import type { Scheduler } from "../core/scheduler.ts";
import { noBusFaults, SimServer } from "../ports/bus.ts";
import { type CrewFaults, noCrewFaults, type SimCrewPorts } from "../ports/crew.ts";
import { SharedFiles } from "../ports/shared-files.ts";
import { Controller, noSlurmFaults, SimSlurm, type SlurmFaults } from "../ports/slurm.ts";
import { noStorageFaults, SimStorage, Vault } from "../ports/storage.ts";
import { Oracle } from "./oracle.ts";

export class Ground {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly cluster: string;
  readonly state = "/state";
  readonly solver: string | null;
  readonly oracle: Oracle;
  readonly vault: Vault;
  readonly server: SimServer;
  readonly faults = {
    storage: noStorageFaults(),
    bus: noBusFaults(),
    crew: noCrewFaults(),
    slurm: noSlurmFaults(),
  };
  /** Records that end their executors, as `<job>/<number>`. */
  readonly poison = new Set<string>();
  readonly files: SharedFiles;
  readonly controller: Controller;
  readonly #tokens: Random;
  /** Milliseconds that a batch takes here on average; share of slurm jobs whose node fails. */
  #pace = { batchMs: 30, nodeFail: 0 };
  readonly #storageRandom: Random;

  constructor(scheduler: Scheduler, options: { readonly solver: string | null }) {
    this.scheduler = scheduler;
    this.random = scheduler.random;
    this.cluster = this.random.fork("cluster").hex(16);
    this.solver = options.solver;
    this.oracle = new Oracle(this.state);
    this.vault = new Vault(this.oracle);
    this.server = new SimServer(this.faults.bus, this.random.fork("server"));
    this.#storageRandom = this.random.fork("storage");
    this.#tokens = this.random.fork("tokens");
    this.files = new SharedFiles(this.faults.storage, this.random.fork("files"));
    this.controller = new Controller({
      scheduler,
      random: this.random.fork("slurm"),
      faults: this.faults.slurm,
      files: this.files,
      watch: this.oracle,
    });
  }

  note(...values: readonly (string | number)[]): void {
    this.scheduler.trace.note(this.scheduler.nowMs, ...values);
  }

  /** Whether work is over in a moment or spans all faults, and how good nodes are. */
  setPace(random: Random): void {
    const nodeFail = random.chance(0.4) ? 0.5 : 0;
    this.#pace = { batchMs: random.between(20, 500), nodeFail };
    Object.assign(this.faults.crew, this.calmCrew());
    Object.assign(this.faults.slurm, this.calmSlurm());
  }

  calmCrew(): CrewFaults {
    return { ...noCrewFaults(), batchMs: this.#pace.batchMs };
  }

  calmSlurm(): SlurmFaults {
    return { ...noSlurmFaults(), nodeFail: this.#pace.nodeFail };
  }

  /** A line for people; no process says that it made a mistake. */
  warned(name: string, line: string): void {
    this.note(name, "warns", line.trim());
    if (line.includes("INTERNAL")) this.oracle.breach("nothing throws", `${name}: ${line}`);
  }

  storageOf(process: SimProcess): SimStorage {
    const { vault } = this;
    return new SimStorage({
      vault,
      faults: this.faults.storage,
      random: this.#storageRandom,
      process,
    });
  }

  slurmOf(process: SimProcess): HeadPorts["slurm"] {
    const { clusterName } = this.controller;
    return new SolveRunner({
      stateFolder: this.state,
      mark: "sim",
      access: () => Promise.resolve({ confPath: null, clusterName, launcher: "srun-pmix" }),
      setActive: () => undefined,
      clock: process,
      storage: this.storageOf(process),
      removeWork: () => Promise.resolve(),
      connect: () => Promise.resolve(new SimSlurm(this.controller, process)),
      filesOf: (folder) => this.files.in(folder, process),
      newToken: () => this.#tokens.hex(16),
    });
  }

  crewPorts(): Omit<SimCrewPorts, "agent" | "random"> {
    return {
      faults: this.faults.crew,
      storageOf: (process) => this.storageOf(process),
      lives: this.oracle,
      poisonOf: (jobId, { numbers }) => {
        if (this.poison.size === 0) return null;
        return numbers.some((n) => this.poison.has(`${jobId}/${n}`)) ? "ACTOR_DIED" : null;
      },
    };
  }
}
