/**
 * Clients of a simulation: they submit their jobs, twice and more, look how they do, and name
 * actors. One that is killed is started again and wants the same.
 */
import { apiSubject, hearing } from "../../../runtime/bus/subjects.ts";
import { HeadClient } from "../../../runtime/client/head-client.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import { ERRORS, type SystemError, toSystemError } from "../../../runtime/errors.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import type { ApiRequest, Continuation, DatasetSpec } from "../../../runtime/messages.ts";
import type { SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import type { SimBus } from "../ports/bus.ts";
import type { Oracle } from "./oracle.ts";
import { PROGRAM } from "./program.ts";

/** What a client wants done. */
export interface Wish {
  readonly spec: DatasetSpec;
  readonly jobId: string;
  readonly continuation: Continuation | null;
  /** Milliseconds after the beginning at which it changes its mind; null when it doesn't. */
  readonly cancelMs: number | null;
}

export interface ClientPorts {
  readonly process: SimProcess;
  readonly bus: SimBus;
  readonly cluster: string;
  readonly random: Random;
  readonly oracle: Oracle;
  readonly wishes: readonly Wish[];
  /** Names of actors that it wants to be there. */
  readonly names: readonly string[];
}

/** Milliseconds between two looks at a job, and before a failed request is made again. */
const LOOK_MS = 1_500;
const AGAIN_MS = 400;

/** Milliseconds after the last fault in which heads may still have to find each other. */
const ANSWERED_MS = 20_000;
/** Requests that wait for no worker and no actor. */
const PLAIN: ReadonlySet<ApiRequest["op"]> = new Set(["submit-dataset", "status", "cancel"]);

interface JobState {
  readonly kind: string;
  readonly error?: { readonly code: string };
}

export class SimClient {
  readonly #ports: ClientPorts;
  readonly #head: HeadClient;
  /** Wishes that came true, or were taken back. */
  readonly #done = new Set<string>();
  #asked = 0;
  #answered = 0;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
    const { bus, cluster, process, random } = ports;
    const subject = apiSubject(cluster, bus.identity);
    const self = random.hex(16) as ProcessId;
    this.#head = new HeadClient(self, (frame) => bus.publish(subject, frame), process);
    bus.subscribe(hearing.links(cluster, bus.identity), (_subject, bytes) => {
      const { prefix, value } = decodeFrame(bytes);
      if (prefix.destination === self) this.#head.take(value);
    });
  }

  start(): void {
    const { process, random, wishes, names } = this.#ports;
    for (const wish of wishes) {
      process.after(random.between(0, 12_000), () => void this.#pursue(wish));
      if (random.chance(0.5)) {
        process.after(random.between(0, 20_000), () => void this.#submit(wish));
      }
    }
    for (const name of names) {
      process.after(random.between(0, 5_000), () => void this.#name(name));
    }
  }

  /** Whether everything it wants is so. */
  get isContent(): boolean {
    return this.#ports.wishes.every(({ jobId }) => this.#done.has(jobId));
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#asked - this.#answered;
  }

  async #pursue(wish: Wish): Promise<void> {
    const { process, oracle } = this.#ports;
    await this.#submit(wish);
    if (wish.cancelMs !== null) {
      await this.#wait(wish.cancelMs);
      const error = await this.#until({ op: "cancel", jobId: wish.jobId });
      if (error === null) this.#done.add(wish.jobId);
      return;
    }
    while (process.isAlive) {
      await this.#wait(LOOK_MS);
      const { kind: state, code } = await this.#stateOf(wish.jobId);
      if (code === "DETERMINISM_ALARM" && oracle.isPlanted(wish.spec.sink.uri)) {
        this.#done.add(wish.jobId);
        return;
      }
      if (state === "sealed") {
        if (oracle.durable.datasets.get(wish.jobId)?.state.kind !== "sealed") {
          oracle.breach("an answer follows its fact", `job ${wish.jobId} isn't sealed`);
        }
        this.#done.add(wish.jobId);
        return;
      }
      // Storage failed for too long, or the like: asked for again, it goes on where it was.
      if (state === "failed" || state === "unknown") await this.#submit(wish);
    }
  }

  async #submit({ spec, jobId, continuation }: Wish): Promise<void> {
    const error = await this.#until({ op: "submit-dataset", spec, continuation });
    if (error !== null) {
      this.#ports.oracle.breach("a good request isn't refused", error.message);
    } else this.#ports.oracle.answered(jobId);
  }

  async #stateOf(jobId: string): Promise<{ readonly kind: string; readonly code?: string }> {
    try {
      const status = await this.#request({ op: "status" });
      const { datasets } = status as { datasets: { id: string; state: JobState }[] };
      const { kind = "unknown", error } = datasets.find(({ id }) => id === jobId)?.state ?? {};
      return error === undefined ? { kind } : { kind, code: error.code };
    } catch {
      return { kind: "unanswered" };
    }
  }

  /** A named actor that lives on without it, used for a while, then ended by some. */
  async #name(name: string): Promise<void> {
    const { random } = this.#ports;
    const options = {
      name,
      getIfExists: true,
      lifetime: "detached",
      hosting: random.chance(0.5) ? "process" : "shared",
      maxRestarts: 50,
      maxConcurrency: 1,
    } as const;
    for (;;) {
      const view = await this.#ask({
        op: "spawn",
        program: PROGRAM,
        actor: "counter",
        args: [],
        options,
      });
      await this.#wait(random.between(2_000, 20_000));
      if (view === null || !random.chance(0.4)) continue;
      const { actorId } = view as { actorId: string };
      await this.#ask({ op: "kill", actorId, restart: random.chance(0.7) });
    }
  }

  /** The answer, or null when there is none or an error. */
  async #ask(request: ApiRequest): Promise<unknown> {
    return await this.#request(request).catch(() => null);
  }

  /** Asks until a head answers; null, or why it refuses. */
  async #until(request: ApiRequest): Promise<SystemError | null> {
    for (;;) {
      try {
        await this.#request(request);
        return null;
      } catch (thrown) {
        const error = toSystemError(thrown);
        const isOver = ERRORS[error.code].retry === "never" && error.code !== "DEADLINE_EXCEEDED";
        if (isOver) return error;
        await this.#wait(AGAIN_MS);
      }
    }
  }

  async #request(request: ApiRequest): Promise<unknown> {
    this.#asked += 1;
    try {
      return await this.#head.request(request);
    } catch (thrown) {
      this.#checkDeadline(request, toSystemError(thrown));
      throw thrown;
    } finally {
      this.#answered += 1;
    }
  }

  /** A request that waited while all was well was sent again, and is answered. */
  #checkDeadline({ op }: ApiRequest, { code, message }: SystemError): void {
    const { process, oracle } = this.#ports;
    if (code !== "DEADLINE_EXCEEDED" || !PLAIN.has(op)) return;
    if (process.scheduler.nowMs < oracle.healedMs + ANSWERED_MS) return;
    oracle.breach("a request is answered", message);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#ports.process.after(ms, resolve));
  }
}
