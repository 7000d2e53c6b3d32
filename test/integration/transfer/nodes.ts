/**
 * Several nodes in this process as if each were a machine: the bus between them is this file, and
 * can lose what it is told to.
 */
import { type Server, TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import type { AddressInfo } from "node:net";
import { type Clock, processClock } from "../../../runtime/clock.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import { LANE_CONTROL } from "../../../runtime/frame/prefix.ts";
import { type Identity, newIdentity, newProcessId } from "../../../runtime/ids.ts";
import { RemoteObjects } from "../../../runtime/client/objects/remote.ts";
import { encodeHeader, type ObjectHeader } from "../../../runtime/objects/header.ts";
import { keyOf, NodeAsks, secureServer } from "../../../runtime/transfer/index.ts";
import { encodeReply } from "../../../runtime/transfer/wire.ts";
import { JOB, Node, type NodeOptions } from "../../bench/nodes/node.ts";

export { bytesOf, JOB, MB, type Node } from "../../bench/nodes/node.ts";

/** Bounds of waiting pass this much faster. */
const HASTE = 5;
export const hastyClock: Clock = {
  ...processClock,
  after: (ms, callback) => processClock.after(ms / HASTE, callback),
};

type Listener = (from: Identity, frame: Uint8Array) => void;

/** Carries frames between identities; what goes to nobody is lost. */
export class Wire {
  readonly #listeners = new Map<Identity, Listener>();
  /** Takes a frame away when it says so. */
  drops: (frame: Uint8Array) => boolean = () => false;

  listen(identity: Identity, listener: Listener): void {
    this.#listeners.set(identity, listener);
  }

  /** As a head lists them. */
  nodes(): object[] {
    const workers = [...this.#listeners.keys()].filter((identity) => identity.startsWith("w"));
    return workers.map((worker) => ({ worker, state: "alive" }));
  }

  leave(identity: Identity): void {
    this.#listeners.delete(identity);
  }

  send(from: Identity, to: Identity, frame: Uint8Array): void {
    if (this.drops(frame)) return;
    const copy = Uint8Array.from(frame);
    setImmediate(() => this.#listeners.get(to)?.(from, copy));
  }
}

/** A node on that wire, until the test ends. */
export function nodeOn(wire: Wire, options: NodeOptions = {}): Node {
  const node = new Node((to, frame) => wire.send(node.identity, to, frame), options);
  wire.listen(node.identity, (from, frame) => node.deliver(from, frame));
  onTestFinished(() => node.kill());
  return node;
}

/** A client without a store. */
export function clientOn(
  wire: Wire,
  clock = processClock,
): { readonly identity: Identity; readonly asks: NodeAsks; readonly remote: RemoteObjects } {
  const identity = newIdentity("c");
  const process = newProcessId();
  const asks = new NodeAsks(process, (to, frame) => wire.send(identity, to, frame), clock);
  wire.listen(identity, (from, frame) => {
    const { prefix, value } = decodeFrame(frame);
    if (prefix.destination === process) asks.take(from, value);
  });
  const head = { request: async () => ({ entries: wire.nodes(), next: null }) };
  return { identity, asks, remote: new RemoteObjects({ self: identity, asks, head }) };
}

/** What a false node sends when its object is asked for. */
export type Sends = (socket: TLSSocket, header: ObjectHeader) => void;

/**
 * A node that offers an object and sends what the test wants.
 * @returns the object's ref, and how often it was asked for it.
 */
export async function falseNodeOn(
  wire: Wire,
  bytes: number,
  sends: Sends,
): Promise<{ readonly ref: ObjectRef; readonly asked: () => number }> {
  const [identity, process] = [newIdentity("w"), newProcessId()];
  const secret = new Uint8Array(32).fill(1);
  const id = "ab".repeat(16);
  const header: ObjectHeader = { id, kind: "bytes", shape: [bytes], bytes };
  const server: Server = secureServer(secret, (socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => sends(socket, header));
  });
  server.listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  let asked = 0;
  wire.listen(identity, (from, frame) => {
    asked += 1;
    const { prefix, value } = decodeFrame(frame);
    const { call } = value as { call: number };
    const { port } = server.address() as AddressInfo;
    const token = new Uint8Array(32).fill(asked);
    const key = new Uint8Array(keyOf(secret, from));
    const answer = { kind: "node-ok", call, value: { host: "127.0.0.1", port, key, token } };
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const ends = { destination: prefix.source, source: process };
    wire.send(identity, from, encodeFrame({ ...fields, ...ends }, answer));
  });
  return { ref: new ObjectRef({ id, bytes, job: JOB, node: identity }), asked: () => asked };
}

/** The right beginning of an object. */
export function beginning(header: ObjectHeader): Buffer {
  return Buffer.concat([encodeReply(), encodeHeader(header)]);
}

/** Waits until something holds, looking after each turn. */
export async function until(holds: () => boolean, whatMs = 10_000): Promise<void> {
  const end = performance.now() + whatMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error("it never held");
    await new Promise((resolve) => void setImmediate(resolve));
  }
}
