/**
 * One solve over a fake Slurm: the head's decisions, the real runner and the real wrapper, and from
 * a seed whatever may go wrong between them: misbehaving commands, jobs that nodes, administrators
 * and Slurm take away, heads that die or sleep between any two steps while others go on.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { Effect } from "../../head/core/events.ts";
import type { SolveState } from "../../head/core/facts.ts";
import { SolveRunner } from "../../head/daemon/solve-runner.ts";
import { connectSlurm } from "../../head/slurm/commands.ts";
import type { WrapperTimes } from "../../head/slurm/solve-attempt.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import { parseSolveSpec } from "../../solver/solve.ts";
import { CALLER, TestHead } from "../unit/head/support.ts";
import { type FakeSlurm, MISBEHAVIOURS } from "./fake.ts";
import type { FakeJob } from "./jobs.ts";

const TIMES: WrapperTimes = { fenceMs: 400, beatMs: 50, leaseMs: 1_000, stallMs: 60_000 };
/** Milliseconds for each of the fake's commands: a bash of ~5 ms, on a busy machine. */
const COMMAND_MS = 600;
/** Real milliseconds for a solve to end. */
const END_MS = 120_000;

type SlurmEffect = Extract<Effect, { type: "slurm" }>;

/** What befalls a job, by name. */
const BLOWS: Readonly<Record<string, (fake: FakeSlurm, job: FakeJob) => void>> = {
  "a node fails": (fake, job) => fake.jobs.failNode(job),
  "a node is cut off": (fake, job) => fake.jobs.failNode(job, true),
  "an administrator requeues": (fake, job) => fake.jobs.requeue(job),
  "another job preempts": (fake, job) => fake.jobs.end(job, "PREEMPTED"),
  "an administrator holds": (fake, job) => fake.jobs.hold(job, "JobHeldAdmin"),
  "somebody releases a copy": (fake, job) => fake.jobs.letGo(job),
  "Slurm forgets": (fake, job) => fake.jobs.forget(job),
  "numbers begin anew": (fake) => fake.jobs.cycleIds(),
};
export const BLOW_NAMES: readonly string[] = Object.keys(BLOWS);

export class Play {
  readonly fake: FakeSlurm;
  readonly output: string;
  /** What happened, for whoever looks at a seed that failed. */
  readonly story: string[] = [];
  #head = new TestHead();
  #runner: SolveRunner;
  /** The step that the present head wants done. */
  #wanted: SlurmEffect | undefined;
  readonly #sleepers: Promise<unknown>[] = [];

  constructor(fake: FakeSlurm) {
    this.fake = fake;
    mkdirSync(join(fake.folder, "out"));
    this.output = join(fake.folder, "out", "x_sim.nc");
    this.#runner = this.#newRunner();
  }

  get state(): SolveState {
    return [...this.#head.state.durable.solves.values()][0]?.state ?? { kind: "requested" };
  }

  get attempts(): number {
    return [...this.#head.state.durable.solves.values()][0]?.attempts ?? 0;
  }

  /** Asks for the solve, once more if it failed. */
  ask(): void {
    const manifest = join(this.fake.folder, "manifest.json");
    writeFileSync(manifest, "{}");
    const spec = parseSolveSpec({ ranks: 1, output: this.output });
    const request = { op: "solve", manifest, manifestSha256: sha256Hex("{}"), spec } as const;
    this.#take(this.#head.feed({ type: "api", caller: CALLER, request }).effects);
  }

  cancel(): void {
    const [solveId = ""] = this.#head.state.durable.solves.keys();
    const request = { op: "solve-cancel", solveId } as const;
    this.#take(this.#head.feed({ type: "api", caller: CALLER, request }).effects);
  }

  /** To the solve's end; until it has had `blows` of them, `random` says what goes wrong. */
  async toEnd(random: () => number, blows: number): Promise<void> {
    let left = blows;
    const deadline = performance.now() + END_MS;
    while (this.state.kind !== "succeeded" && this.state.kind !== "failed") {
      if (performance.now() > deadline) throw new Error("no end");
      if (left > 0 && random() < 0.3) {
        left -= 1;
        this.#befall(random);
      }
      if (left === 0) this.#mend();
      await this.#step(left > 0 ? random() : 1);
    }
    this.story.push(`ended as ${JSON.stringify(this.state)}`);
    this.fake.behave();
    await Promise.allSettled(this.#sleepers);
  }

  #mend(): void {
    const { fake } = this;
    fake.behave();
    for (const job of fake.jobs.known) {
      if (job.reason === "JobHeldAdmin") fake.jobs.letGo(job);
    }
  }

  #befall(random: () => number): void {
    const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
    const job = pick(this.fake.jobs.known.filter(({ name }) => name.startsWith("ligase-")));
    const blow = pick(BLOW_NAMES) ?? "";
    if (job !== undefined && random() < 0.5) {
      this.story.push(`${blow}: ${job.name} (${job.id}) ${job.state}`);
      BLOWS[blow]?.(this.fake, job);
      return;
    }
    const how = pick(MISBEHAVIOURS);
    if (how === undefined) return;
    const times = 1 + Math.floor(random() * 3);
    this.story.push(`${times} x ${how}`);
    this.fake.misbehave(how, times);
  }

  /** One step of the head that leads; `fate` under 0.3 is the end of it. */
  async #step(fate: number): Promise<void> {
    const effect = this.#wanted;
    if (effect === undefined) {
      // Jobs go on in real time, waits of the head in its own.
      await delay(10);
      this.#take(this.#head.tick(1_000).effects);
      return;
    }
    if (fate < 0.05) return this.#succeed(`before ${effect.step.op}`);
    const runner = this.#runner;
    const work = runner.run(effect, effect.step);
    if (fate < 0.2) {
      // It sleeps, wakes when another leads, and finds its log fenced.
      this.#sleepers.push(work);
      await turn();
      return this.#succeed(`during ${effect.step.op}`);
    }
    const result = await work;
    if (fate < 0.3) return this.#succeed(`after ${effect.step.op}: ${result.kind}`);
    this.story.push(`${effect.step.op}: ${JSON.stringify(result).slice(0, 160)}`);
    this.#wanted = undefined;
    const { solveId } = effect;
    this.#take(this.#head.feed({ type: "slurm", solveId, result }).effects);
  }

  #succeed(when: string): void {
    this.story.push(`the head ends ${when}`);
    this.#head = this.#head.successor();
    this.#runner = this.#newRunner();
    this.#wanted = undefined;
  }

  #take(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.type === "slurm") this.#wanted = effect;
  }

  #newRunner(): SolveRunner {
    const { folder, env } = this.fake;
    const connection = { confPath: "/fake.conf", jobEnvironment: null };
    const head = () => this.#head.nowMs;
    return new SolveRunner({
      stateFolder: join(folder, "state"),
      mark: "00112233445566ff",
      access: async () => ({ confPath: null, clusterName: "fake1", launcher: "srun-pmix" }),
      setActive: () => undefined,
      clock: { now: head, after: () => () => undefined, soon: () => undefined },
      connect: () => connectSlurm(connection, { env, timeoutMs: COMMAND_MS }),
      times: TIMES,
    });
  }
}

/** Numbers in [0, 1) that follow from a seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
