/**
 * Executors' output for those who asked for it: from the oldest that is kept, then what comes,
 * until the executor ends, they stop or don't ask again. Who is slower than the output loses the
 * oldest of it, and is told how much.
 */
import {
  LOG_BYTES_PER_TICK,
  LOG_FOLLOWERS_MAX,
  LOGS_FOLLOW_MS,
  LOGS_KEPT_MAX,
} from "../../runtime/limits.ts";
import type { AgentSays, Command } from "../../runtime/messages.ts";
import type { OutputLog } from "./output.ts";

type Wanted = Command["logs"][number];

interface Reader {
  readonly wanted: Wanted;
  readonly output: OutputLog;
  position: number;
  /** When it is taken for gone. */
  untilMs: number;
  /** Bytes that it may still get within this tick. */
  budget: number;
}

export class LogDesk {
  readonly #send: (to: Wanted, says: AgentSays) => void;
  readonly #outputs = new Map<number, OutputLog>();
  /** Executors that ended, oldest first; size <= LOGS_KEPT_MAX. */
  readonly #former = new Set<number>();
  readonly #readers = new Map<string, Reader>();

  /** @param send - carries a message to who asked; may lose it. */
  constructor(send: (to: Wanted, says: AgentSays) => void) {
    this.#send = send;
  }

  /** An executor's output can be asked for from now on. */
  open(key: number, output: OutputLog): void {
    this.#outputs.set(key, output);
    output.onGrown(() => {
      for (const [name, reader] of this.#readers) {
        if (reader.output === output) this.#pump(name, reader);
      }
    });
  }

  /** An executor's output is over; it is kept while few others ended later. */
  retire(key: number): void {
    this.#former.add(key);
    const oldest = this.#former.values().next().value;
    if (this.#former.size <= LOGS_KEPT_MAX || oldest === undefined) return;
    this.#former.delete(oldest);
    this.#drop(oldest);
  }

  /** Somebody asks for an executor's output, asks again, or stops. */
  answer(wanted: Wanted, key: number | null, nowMs: number): void {
    const name = `${wanted.to}/${wanted.process}/${wanted.request}`;
    const known = this.#readers.get(name);
    if (known !== undefined) {
      known.untilMs = nowMs + LOGS_FOLLOW_MS;
      if (!wanted.follow && known.wanted.follow) this.#end(name, known);
      return;
    }
    const output = key === null ? undefined : this.#outputs.get(key);
    if (output === undefined) this.#say(wanted, "no output of it is kept\n", true);
    else if (this.#readers.size >= LOG_FOLLOWERS_MAX) {
      this.#say(wanted, `${LOG_FOLLOWERS_MAX} others read output here already\n`, true);
    } else {
      const reader: Reader = {
        wanted,
        output,
        position: 0,
        untilMs: nowMs + LOGS_FOLLOW_MS,
        budget: LOG_BYTES_PER_TICK,
      };
      this.#readers.set(name, reader);
      this.#pump(name, reader);
    }
  }

  /** Every TICK_MS. */
  tick(nowMs: number): void {
    for (const [name, reader] of this.#readers) {
      reader.budget = LOG_BYTES_PER_TICK;
      if (nowMs >= reader.untilMs) this.#readers.delete(name);
      else this.#pump(name, reader);
    }
  }

  /** Every file goes. */
  close(): void {
    this.#readers.clear();
    for (const key of [...this.#outputs.keys()]) this.#drop(key);
  }

  #pump(name: string, reader: Reader): void {
    const { wanted, output } = reader;
    let isAll = false;
    while (reader.budget > 0) {
      const part = output.read(reader.position);
      isAll = part === undefined;
      if (part === undefined) break;
      const { stream, text, bytes, next, lost } = part;
      if (lost > 0) this.#say(wanted, `[${lost} bytes of output were lost]\n`, false);
      this.#send(wanted, { op: "log", request: wanted.request, stream, text, end: false });
      reader.position = next;
      reader.budget -= bytes;
    }
    if (isAll && (output.isOver || !wanted.follow)) this.#end(name, reader);
  }

  #end(name: string, { wanted }: Reader): void {
    this.#readers.delete(name);
    this.#say(wanted, "", true);
  }

  #say(wanted: Wanted, text: string, end: boolean): void {
    const { request } = wanted;
    this.#send(wanted, { op: "log", request, stream: "stderr", text, end });
  }

  #drop(key: number): void {
    this.#outputs.get(key)?.remove();
    this.#outputs.delete(key);
  }
}
