/** Heads of one cluster on one bus and one storage in memory, each with a clock of its own. */
import { Head, type HeadOptions, type HeadPorts } from "../../../head/daemon/head.ts";
import type { Bus, BusListener, BusState } from "../../../runtime/bus/bus.ts";
import { apiSubject, eventSubject, hearing, parseSubject } from "../../../runtime/bus/subjects.ts";
import type { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import type { ApiReply, ApiRequest, Command, Report } from "../../../runtime/messages.ts";
import { MemoryStorage, settled, TestClock } from "./memory.ts";
import { reportOf } from "./support.ts";

export const CLUSTER = "00112233445566ff";
export const STATE = "/state";
export const CLIENT = "c-000000000001" as Identity;
export const CLIENT_PROCESS = "c".repeat(16) as ProcessId;

interface Said {
  readonly by: string;
  readonly subject: string;
  readonly kind: string;
  readonly value: unknown;
}

/** A bus that everybody is on but those who are cut off; all it carried is kept. */
export class Hub {
  readonly said: Said[] = [];
  /** Identities that nothing reaches and that reach nobody. */
  readonly cut = new Set<string>();
  readonly #subscribers: { by: string; subject: RegExp; listener: BusListener }[] = [];

  connect(identity: Identity): Bus & { enter(state: BusState): void } {
    const states: ((state: BusState) => void)[] = [];
    return {
      identity,
      counters: { denied: 0, dropped: 0 },
      publish: (subject, bytes) => this.#carry(identity, subject, bytes),
      subscribe: (subject, listener) => {
        const pattern = new RegExp(`^${subject.replaceAll(".", "\\.").replaceAll("*", "[^.]+")}$`);
        this.#subscribers.push({ by: identity, subject: pattern, listener });
      },
      flush: async () => {},
      onState: (listener) => void states.push(listener),
      onDenied: () => {},
      close: async () => {},
      enter: (state) => {
        for (const listener of states) listener(state);
      },
    };
  }

  #carry(by: string, subject: string, bytes: Uint8Array): void {
    if (this.cut.has(by)) return;
    const kind = parseSubject(CLUSTER, subject)?.kind ?? "";
    if (bytes.length > 0) this.said.push({ by, subject, kind, value: decodeFrame(bytes).value });
    for (const { by: to, subject: pattern, listener } of this.#subscribers) {
      if (to === by || this.cut.has(to) || !pattern.test(subject)) continue;
      setImmediate(() => listener(subject, bytes));
    }
  }

  /** What a head said of a kind, after the first `from` messages. */
  by(who: string, kind: string, from = 0): unknown[] {
    return this.said.slice(from).flatMap((one) => {
      return one.by === who && one.kind === kind ? [one.value] : [];
    });
  }
}

export interface OneHead {
  readonly head: Head;
  readonly identity: Identity;
  readonly clock: TestClock;
  readonly fatal: SystemError[];
  readonly led: number[];
  readonly warnings: string[];
  readonly bus: ReturnType<Hub["connect"]>;
}

export class World {
  readonly storage = new MemoryStorage();
  readonly hub = new Hub();
  readonly heads: OneHead[] = [];
  /** What workers and clients speak with. */
  readonly #buses = new Map<string, Bus>();
  #numbers = 100;
  #made = 0;

  /** A head that isn't started yet. */
  newHead(options: Partial<HeadOptions> = {}): OneHead {
    const n = (this.#made += 1);
    const identity = `h-${String(n).padStart(12, "0")}` as Identity;
    const clock = new TestClock();
    const bus = this.hub.connect(identity);
    const one = { identity, clock, bus, fatal: [], led: [], warnings: [] };
    const { fatal, led, warnings }: Pick<OneHead, "fatal" | "led" | "warnings"> = one;
    const ports: HeadPorts = {
      ...{ clock, bus, storage: this.storage },
      nowMs: () => clock.ms,
      wallMs: () => clock.ms,
      newId: () => `leader-${n}-${clock.ms}`,
      slurm: { run: async () => ({ kind: "unreachable", why: "none here" }) },
      warn: (line) => void warnings.push(line),
      fatal: (error) => void fatal.push(error),
      onLeading: ({ number }) => void led.push(number),
    };
    const all: HeadOptions = {
      ...{ cluster: CLUSTER, stateUri: STATE, solverSha256: null, slurmMode: "none" },
      ...{ standby: false, ...options },
    };
    const made = { ...one, head: new Head(all, ports) };
    this.heads.push(made);
    return made;
  }

  async start(options: Partial<HeadOptions> = {}): Promise<OneHead> {
    const one = this.newHead(options);
    await one.head.start();
    await settled();
    return one;
  }

  /** Lets time pass for these heads alike, or for all. */
  async pass(ms: number, heads: readonly OneHead[] = this.heads): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      await Promise.all(heads.map(({ clock }) => clock.pass(Math.min(50, ms - passed))));
    }
  }

  /** A head's process is gone: it neither hears nor says anything more. */
  kill(one: OneHead): void {
    this.hub.cut.add(one.identity);
    this.heads.splice(this.heads.indexOf(one), 1);
  }

  report(worker: string, change: Partial<Report> & { incarnation?: number } = {}): void {
    this.#numbers += 1;
    const report = reportOf({ number: this.#numbers, ...change });
    this.#speak(worker, eventSubject(CLUSTER, worker as Identity), PROCESS_NONE, report);
  }

  /** Number of the last report. */
  get number(): number {
    return this.#numbers;
  }

  ask(id: number, request: ApiRequest): void {
    this.#speak(CLIENT, apiSubject(CLUSTER, CLIENT), CLIENT_PROCESS, { id, request });
  }

  /** Commands to a worker, after the first `from` messages. */
  commands(worker: string, from = 0): (Command & { readonly by: string })[] {
    const subject = hearing.commands(CLUSTER, worker as Identity).replace("*", "");
    return this.hub.said.slice(from).flatMap(({ by, subject: on, value }) => {
      return on.startsWith(subject) ? [{ ...(value as Command), by }] : [];
    });
  }

  replies(from = 0): (ApiReply & { readonly by: string })[] {
    return this.hub.said.slice(from).flatMap(({ by, kind, value }) => {
      if (kind !== "link") return [];
      return [value].flat().map((one) => ({ ...(one as ApiReply), by }));
    });
  }

  #speak(by: string, subject: string, source: ProcessId, value: unknown): void {
    let bus = this.#buses.get(by);
    if (bus === undefined) this.#buses.set(by, (bus = this.hub.connect(by as Identity)));
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    bus.publish(subject, encodeFrame({ ...fields, source, destination: PROCESS_NONE }, value));
  }
}
