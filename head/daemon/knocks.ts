/**
 * Notices within a second that a worker is gone, long before its silence tells: knocks at each
 * one's door, its subject of commands, and the server says when nobody hears it. One knock unheard
 * says little: a worker may be on its way back. So does all that a server says which was just
 * started: its workers come back one by one.
 */
import type { Bus } from "../../runtime/bus/bus.ts";
import { commandSubject, hearing, linkSubject, parseSubject } from "../../runtime/bus/subjects.ts";
import { type Clock, every } from "../../runtime/clock.ts";
import type { Identity } from "../../runtime/ids.ts";
import { KNOCK_INTERVAL_MS, KNOCKS_UNHEARD_MAX, RECONNECT_GRACE_MS } from "../../runtime/limits.ts";

export interface KnockPorts {
  readonly bus: Bus;
  readonly cluster: string;
  readonly clock: Clock;
  /** Workers that the head knows now. */
  readonly workers: () => Iterable<string>;
  /** Told once of each absence. */
  readonly absent: (worker: string) => void;
}

export class WorkerKnocks {
  readonly #ports: KnockPorts;
  /** Knocks in a row that nobody heard, by worker; and those not answered for yet. */
  readonly #unheard = new Map<string, number>();
  readonly #isUnheard = new Set<string>();
  readonly #cancel: () => void;
  #standsSinceMs: number;

  constructor(ports: KnockPorts) {
    const { bus, cluster, clock } = ports;
    this.#ports = ports;
    this.#standsSinceMs = clock.now();
    bus.onState(() => {
      this.#standsSinceMs = clock.now();
      this.#unheard.clear();
    });
    // Nobody else sends there: what has bytes is none of the server's answers.
    bus.subscribe(hearing.links(cluster, bus.identity), (subject, bytes) => {
      const from = parseSubject(cluster, subject)?.from;
      if (from !== undefined && bytes.length === 0) this.#isUnheard.add(from);
    });
    this.#cancel = every(clock, KNOCK_INTERVAL_MS, () => this.#knock());
  }

  stop(): void {
    this.#cancel();
  }

  #knock(): void {
    const { bus, cluster, clock, workers, absent } = this.#ports;
    const isSettled = clock.now() - this.#standsSinceMs >= RECONNECT_GRACE_MS;
    const known = new Set(workers());
    const isUnheard = new Set(this.#isUnheard);
    this.#isUnheard.clear();
    for (const worker of known) {
      const unheard = isUnheard.has(worker) ? (this.#unheard.get(worker) ?? 0) + 1 : 0;
      this.#unheard.set(worker, isSettled ? unheard : 0);
      if (isSettled && unheard === KNOCKS_UNHEARD_MAX) absent(worker);
      const [to, self] = [worker as Identity, bus.identity];
      bus.knock?.(commandSubject(cluster, to, self), linkSubject(cluster, self, to));
    }
    for (const worker of this.#unheard.keys()) {
      if (!known.has(worker)) this.#unheard.delete(worker);
    }
  }
}
