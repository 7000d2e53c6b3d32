/**
 * Processes that host actors, and a head that knows where: enough of both to test how calls find
 * their way. Frames pass through real links over a carrier in memory.
 */
import type { ActorCaller } from "../../../runtime/actor/caller.ts";
import { CALL, CALL_WITH, ERROR, OK } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { newProcessId, type ProcessId } from "../../../runtime/ids.ts";
import type { Carrier } from "../../../runtime/link/carrier.ts";
import type { Link } from "../../../runtime/link/link.ts";
import { LinkTable } from "../../../runtime/link/table.ts";
import type { ActorView, ApiRequest } from "../../../runtime/messages.ts";
import { Links } from "../../../runtime/client/links.ts";

export type Caller = ActorCaller;

/** A call as a host got it. */
export interface Got {
  readonly process: ProcessId;
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
  answer(value: unknown): void;
  fail(error: SystemError): void;
}

/** A process that hosts actors; nothing answers but by hand. */
export class HostProcess {
  readonly id = newProcessId();
  readonly table: LinkTable;
  readonly got: Got[] = [];
  onCall: (call: Got) => void = () => undefined;

  constructor() {
    this.table = new LinkTable({
      self: this.id,
      accept: (link) => ({
        onItems: (items) => items.forEach((item) => this.#take(link, item as unknown[])),
        onReset: () => undefined,
      }),
    });
  }

  #take(link: Link, item: readonly unknown[]): void {
    if (item[0] !== CALL && item[0] !== CALL_WITH) return;
    const [, id, , method, args] = item as [number, number, string, string, unknown[]];
    const call: Got = {
      process: this.id,
      id,
      method,
      args,
      answer: (value) => void link.send([OK, id, value]),
      fail: (error) => void link.send([ERROR, id, error.toData()]),
    };
    this.got.push(call);
    this.onCall(call);
  }
}

/** A client's links, the processes they may reach, and the head they ask. */
export class World {
  readonly self = newProcessId();
  readonly table: LinkTable = new LinkTable({ self: this.self });
  readonly carriers = new Map<string, Carrier>();
  readonly #hosts = new Map<string, HostProcess>();
  readonly asked: Extract<ApiRequest, { op: "locate" }>[] = [];
  /** What the head answers; without it no head leads. */
  locate: ((actorId: string, after: number) => Promise<ActorView>) | undefined;
  readonly links = new Links({
    host: "here",
    table: this.table,
    head: { request: async (request, options) => this.#request(request as never, options) },
    remote: ({ process }) => this.#carrierTo(process),
  });

  host(): HostProcess {
    const host = new HostProcess();
    this.#hosts.set(host.id, host);
    return host;
  }

  /** The agent says that it ended. */
  kill(host: HostProcess, reason = "SIGKILL"): void {
    this.#hosts.delete(host.id);
    this.table.died(host.id, reason);
  }

  /** The way to it is gone; it isn't. */
  cut(host: HostProcess): void {
    const carrier = this.carriers.get(host.id);
    this.carriers.delete(host.id);
    if (carrier !== undefined) {
      this.table.carrierClosed(carrier, new SystemError("SOCKET_FAILED", "cut"));
    }
  }

  #carrierTo(process: string): Carrier {
    const known = this.carriers.get(process);
    if (known !== undefined) return known;
    const back: Carrier = carrierOf((frame) => this.table.take(frame, there));
    const there: Carrier = carrierOf((frame) => this.#hosts.get(process)?.table.take(frame, back));
    this.carriers.set(process, there);
    return there;
  }

  async #request(
    request: Extract<ApiRequest, { op: "locate" }>,
    options: { deadlineMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<unknown> {
    this.asked.push(request);
    if (this.locate !== undefined) return this.locate(request.actorId, request.after);
    return new Promise((_, reject) => {
      const late = (): void => reject(new SystemError("DEADLINE_EXCEEDED", "no head"));
      if (Number.isFinite(options.deadlineMs)) setTimeout(late, options.deadlineMs);
      options.signal?.addEventListener("abort", () =>
        reject(new SystemError("CANCELLED", "closed")),
      );
    });
  }
}

function carrierOf(deliver: (frame: Uint8Array) => void): Carrier {
  const send = (frame: Uint8Array): void => void setImmediate(() => deliver(frame));
  return { kind: "simulated", send, bufferedBytes: 0, close: () => undefined };
}

/** A view of an actor that lives in a process, elsewhere than the caller. */
export function viewOf(
  host: HostProcess,
  more: Partial<ActorView> & { readonly actorId?: string } = {},
): ActorView {
  const { actorId = "a1", incarnation = 0 } = more;
  return {
    actorId,
    incarnation,
    actor: "counter",
    name: null,
    state: "alive",
    lifetime: "owned",
    hosting: "process",
    pool: null,
    owner: { identity: "c-000000000000", process: newProcessId() },
    maxRestarts: 1,
    restarts: 0,
    worker: "w-000000000000",
    address: {
      worker: "w-000000000000",
      process: host.id,
      pid: 1,
      actorId,
      incarnation,
      host: "elsewhere",
      socket: "/nowhere",
      token: "t",
    },
    error: null,
    sinceMs: 0,
    ...more,
  };
}

/** What is left of an actor. */
export function deadView(what: string, more: Partial<ActorView> = {}): ActorView {
  const error = { code: "OUT_OF_MEMORY", what, where: { worker: "w-000000000000" } } as const;
  return { ...viewOf(new HostProcess(), more), state: "dead", address: null, error };
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const due = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > due) throw new Error("not in time");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
