/**
 * Requests to whatever head leads. The bus is at most once and heads come and go, so a request is
 * repeated until answered; the head knows a repeated one by (identity, process, id).
 */
import { errorFromData, SystemError } from "../errors.ts";
import { encodeFrame } from "../frame/codec.ts";
import { LANE_CONTROL } from "../frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../ids.ts";
import { API_PENDING_MAX, API_REPEAT_MS, API_TIMEOUT_MS } from "../limits.ts";
import { type ApiRequest, apiReply, parseMessage } from "../messages.ts";

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

export class HeadClient {
  readonly #process: ProcessId;
  readonly #send: (frame: Uint8Array) => void;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: SystemError | undefined;

  /** @param send - carries a frame to the head's subject; may lose it. */
  constructor(processId: ProcessId, send: (frame: Uint8Array) => void) {
    this.#process = processId;
    this.#send = send;
  }

  /**
   * @throws {SystemError} what the head answers; OVERLOADED; DEADLINE_EXCEEDED when none does in
   * time; what it was closed with.
   */
  async request(request: ApiRequest): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#pending.size >= API_PENDING_MAX) {
      throw new SystemError("OVERLOADED", `${API_PENDING_MAX} requests wait for the head`);
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const frame = this.#frame({ id, request });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    const repeat = setInterval(() => this.#send(frame), API_REPEAT_MS);
    const deadline = setTimeout(() => {
      reject(new SystemError("DEADLINE_EXCEEDED", `no head answered ${request.op}`));
    }, API_TIMEOUT_MS);
    this.#send(frame);
    return promise.finally(() => {
      clearInterval(repeat);
      clearTimeout(deadline);
      this.#pending.delete(id);
    });
  }

  /** An answer that came for this process; a second one of the same request is dropped. */
  take(value: unknown): void {
    const reply = parseMessage(apiReply, value);
    const pending = this.#pending.get(reply.id);
    if (reply.kind === "ok") pending?.resolve(reply.value);
    else pending?.reject(errorFromData(reply.error));
  }

  /** Fails all that wait or come later. */
  close(error: SystemError): void {
    this.#closed = error;
    for (const { reject } of this.#pending.values()) reject(error);
  }

  #frame(value: unknown): Uint8Array {
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    return encodeFrame({ ...fields, destination: PROCESS_NONE, source: this.#process }, value);
  }
}
