/**
 * The machines of a simulation and what runs on them: heads under supervisors, agents with their
 * executors, clients. Each is the project's own class over simulated ports; what ends is started
 * again after a while, as a new process.
 */
import { Head } from "../../../head/daemon/head.ts";
import type { SystemError } from "../../../runtime/errors.ts";
import type { Identity, ProcessId } from "../../../runtime/ids.ts";
import { BUS_LOST_MS, REPORT_FIRST_MAX } from "../../../runtime/limits.ts";
import { Agent } from "../../../worker/agent.ts";
import { type Machine, SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import type { SimBus } from "../ports/bus.ts";
import { SimCrew } from "../ports/crew.ts";
import { SimClient, type Wish } from "./client.ts";
import type { Ground } from "./ground.ts";

/** Milliseconds before a supervisor starts what has ended. */
const RESTART_MS = 300;
const SNAPSHOT_SEGMENTS = 6;

interface RunningHead {
  readonly process: SimProcess;
  readonly bus: SimBus;
  readonly head: Head;
}

/** A machine with a head, and its supervisor. */
export class HeadNode {
  readonly #ground: Ground;
  readonly #machine: Machine;
  readonly #identity: Identity;
  readonly #standby: boolean;
  readonly #random: Random;
  readonly #running = new Set<RunningHead>();
  #starts = 0;
  /** What its supervisor was told last. */
  #tail = 0;

  constructor(ground: Ground, machine: Machine, standby: boolean) {
    this.#ground = ground;
    this.#machine = machine;
    this.#standby = standby;
    this.#random = ground.random.fork(machine.name);
    this.#identity = `h-${this.#random.hex(12)}` as Identity;
  }

  get running(): readonly RunningHead[] {
    return [...this.#running];
  }

  /** Starts one process more. */
  start(): void {
    const ground = this.#ground;
    const random = this.#random;
    this.#starts += 1;
    const name = `${this.#machine.name}.${this.#starts}`;
    const process = new SimProcess(ground.scheduler, this.#machine, name);
    const bus = ground.server.connect(process, this.#identity);
    const options = {
      cluster: ground.cluster,
      stateUri: ground.state,
      stateDir: ground.state,
      solverSha256: ground.solver,
      slurmMode: ground.solver === null ? "none" : "system",
      standby: this.#standby,
      tail: this.#tail,
      snapshotSegments: SNAPSHOT_SEGMENTS,
    } as const;
    const head = new Head(options, {
      clock: process,
      nowMs: () => this.#machine.wallMs(),
      wallMs: () => this.#machine.wallMs(),
      bus,
      storage: ground.storageOf(process),
      newId: () => random.uuid(),
      slurm: ground.slurmOf(process),
      warn: (line) => ground.warned(process.name, line),
      fatal: (error) => this.#fatal(running, error),
      onTail: (tail) => {
        if (process.isAlive) this.#tail = Math.max(this.#tail, tail);
      },
    });
    const running = { process, bus, head };
    this.#running.add(running);
    process.whenKilled(() => this.#gone(running));
    ground.note(name, "starts");
    head.start().catch((thrown: unknown) => this.#fatal(running, thrown as SystemError));
  }

  #fatal(running: RunningHead, error: SystemError): void {
    const { process } = running;
    if (!process.isAlive) return;
    this.#ground.note(process.name, "ends:", error.message);
    const isMended = error.code !== "LOG_CORRUPT" && error.code !== "INTERNAL";
    if (!isMended) this.#ground.oracle.breach("a head ends for a reason", error.message);
    // From its own turn: what follows in it must reach nobody.
    process.kill();
  }

  #gone(running: RunningHead): void {
    this.#running.delete(running);
    const waitMs = RESTART_MS * (0.5 + this.#random.unit());
    this.#ground.scheduler.after(waitMs, () => {
      if (this.#running.size === 0) this.start();
    });
  }
}

/** A machine with an agent and its executors. */
export class AgentNode {
  readonly #ground: Ground;
  readonly #machine: Machine;
  readonly #identity: Identity;
  readonly #random: Random;
  readonly slots: number;
  #starts = 0;
  #process: SimProcess | undefined;
  #bus: SimBus | undefined;
  #crew: SimCrew | undefined;
  #agent: Agent | undefined;
  /** Until when its machine is away; null for good. */
  #awayMs: number | null = 0;

  constructor(ground: Ground, machine: Machine) {
    this.#ground = ground;
    this.#machine = machine;
    this.#random = ground.random.fork(machine.name);
    this.#identity = `w-${this.#random.hex(12)}` as Identity;
    this.slots = 1 + this.#random.below(2);
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }

  get bus(): SimBus | undefined {
    return this.#bus;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  get executors(): readonly SimProcess[] {
    return this.#crew?.processes ?? [];
  }

  /** Whether it never comes back. */
  get isGone(): boolean {
    return this.#awayMs === null;
  }

  /** The machine stops at once, for a while or (null) for good. */
  leave(forMs: number | null): void {
    if (this.isGone) return;
    this.#awayMs = forMs === null ? null : this.#ground.scheduler.nowMs + forMs;
    this.#process?.kill();
  }

  /** An executor ends by itself. */
  lose(executor: SimProcess): void {
    this.#crew?.lose(executor, "ACTOR_DIED");
  }

  start(): void {
    const ground = this.#ground;
    const random = this.#random;
    this.#starts += 1;
    const process = new SimProcess(
      ground.scheduler,
      this.#machine,
      `${this.#machine.name}.${this.#starts}`,
    );
    const bus = ground.server.connect(process, this.#identity);
    const agent = new Agent({
      bus,
      cluster: ground.cluster,
      runtimeDir: "/run",
      slots: this.slots,
      mark: "sim",
      ports: {
        clock: process,
        bootMs: () => this.#machine.bootMs(),
        crew: (ports) => {
          this.#crew = new SimCrew({ ...ground.crewPorts(), agent: process, random }, ports);
          return this.#crew;
        },
        process: random.hex(16) as ProcessId,
        host: this.#machine.name,
        number: 1 + random.below(REPORT_FIRST_MAX),
        warn: (line) => ground.warned(process.name, line),
      },
    });
    [this.#process, this.#bus, this.#agent] = [process, bus, agent];
    process.whenKilled(() => this.#gone());
    this.#endWithout(process, bus);
    ground.note(process.name, "starts");
    agent.start().catch(() => process.kill());
  }

  /** As the agent's `main` does. */
  #endWithout(process: SimProcess, bus: SimBus): void {
    let cancel = (): void => {};
    bus.onState((state) => {
      cancel();
      if (state === "disconnected") cancel = process.after(BUS_LOST_MS, () => process.kill());
    });
  }

  #gone(): void {
    if (this.#awayMs === null) return;
    const { scheduler } = this.#ground;
    const waitMs = RESTART_MS * (0.5 + this.#random.unit());
    scheduler.at(Math.max(this.#awayMs, scheduler.nowMs + waitMs), () => {
      if (!this.isGone) this.start();
    });
  }
}

/** A machine with a client. */
export class ClientNode {
  readonly #ground: Ground;
  readonly #machine: Machine;
  readonly #identity: Identity;
  readonly #random: Random;
  readonly #wishes: readonly Wish[];
  readonly names: readonly string[];
  #starts = 0;
  #process: SimProcess | undefined;
  #bus: SimBus | undefined;
  #client: SimClient | undefined;

  constructor(
    ground: Ground,
    machine: Machine,
    wants: { readonly wishes: readonly Wish[]; readonly names: readonly string[] },
  ) {
    this.#ground = ground;
    this.#machine = machine;
    this.#random = ground.random.fork(machine.name);
    this.#identity = `c-${this.#random.hex(12)}` as Identity;
    this.#wishes = wants.wishes;
    this.names = wants.names;
  }

  get process(): SimProcess | undefined {
    return this.#process;
  }

  get bus(): SimBus | undefined {
    return this.#bus;
  }

  get client(): SimClient | undefined {
    return this.#client;
  }

  start(): void {
    const { scheduler, server, cluster, oracle } = this.#ground;
    this.#starts += 1;
    const name = `${this.#machine.name}.${this.#starts}`;
    const process = new SimProcess(scheduler, this.#machine, name);
    const bus = server.connect(process, this.#identity);
    const [wishes, names, random] = [this.#wishes, this.names, this.#random];
    const client = new SimClient({ process, bus, cluster, random, oracle, wishes, names });
    [this.#process, this.#bus, this.#client] = [process, bus, client];
    process.whenKilled(() => {
      scheduler.after(RESTART_MS * (1 + random.unit()), () => this.start());
    });
    client.start();
  }
}
