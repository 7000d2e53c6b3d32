/**
 * The links of one process to the processes that host its actors: by Unix socket on one machine,
 * else through agents and the bus. A link keeps its carrier for life.
 */
import { ActorLink } from "../actor/link.ts";
import { type Channel, connectSocket } from "../bus/socket.ts";
import { SystemError } from "../errors.ts";
import { decodeFrame } from "../frame/codec.ts";
import type { ProcessId } from "../ids.ts";
import { SOCKET_CONNECT_MS } from "../limits.ts";
import type { ActorAddress } from "../messages.ts";

export interface LinkPorts {
  readonly process: ProcessId;
  /** This machine: sockets of the same one are opened directly. */
  readonly host: string;
  /** Makes the way through agents to a process known, then carries frames to it. */
  readonly remote: (address: ActorAddress) => (frame: Uint8Array) => void;
}

export class Links {
  readonly #ports: LinkPorts;
  readonly #byProcess = new Map<string, ActorLink>();
  /** Whose agent hosts a process, for links over the bus. */
  readonly #workers = new Map<string, string>();
  readonly #channels = new Set<Channel>();

  constructor(ports: LinkPorts) {
    this.#ports = ports;
  }

  /** The link to an actor's process. @throws {SystemError} NOT_AUTHORIZED, ACTOR_DIED. */
  async open(address: ActorAddress, carrier: "auto" | "nats"): Promise<ActorLink> {
    const local = carrier === "auto" && address.host === this.#ports.host;
    const key = `${address.process}/${local ? "socket" : "nats"}`;
    const known = this.#byProcess.get(key);
    if (known !== undefined) return known;
    const link = local ? await this.#overSocket(address) : this.#overBus(address);
    this.#byProcess.set(key, link);
    return link;
  }

  /** Replies that came over the bus, from an identity that the process was seen behind. */
  take(source: string, value: unknown): void {
    this.#byProcess.get(`${source}/nats`)?.take(value);
  }

  /** Whose agent hosts the process of an open link over the bus. */
  workerOf(source: string): string | undefined {
    return this.#workers.get(source);
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
    for (const link of this.#byProcess.values()) {
      link.close(new SystemError("CANCELLED", "the client closed"));
    }
    this.#byProcess.clear();
  }

  #overBus(address: ActorAddress): ActorLink {
    const send = this.#ports.remote(address);
    this.#workers.set(address.process, address.worker);
    return new ActorLink(this.#ports.process, address.process as ProcessId, send);
  }

  async #overSocket(address: ActorAddress): Promise<ActorLink> {
    const { socket, token } = address;
    const channel = await connectSocket(socket, { token, deadlineMs: SOCKET_CONNECT_MS });
    this.#channels.add(channel);
    const link = new ActorLink(this.#ports.process, address.process as ProcessId, (frame) => {
      channel.send(frame);
    });
    channel.onFrame((frame) => link.take(decodeFrame(frame).value));
    channel.onClose((reason) => {
      this.#channels.delete(channel);
      this.#byProcess.delete(`${address.process}/socket`);
      const where = { process: address.process };
      link.close(new SystemError("ACTOR_DIED", "the actor's process ended", where, reason));
    });
    return link;
  }
}
