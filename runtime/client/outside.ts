/**
 * A client outside of executors: it holds a key and a connection of its own to the bus.
 *
 * Invariant: frames of a link are taken only from the identity whose agent hosts the process at its
 * other end, and answers only from heads; the server vouches for who published a message.
 */
import { ITEM_NAMES } from "../actor/items.ts";
import type { LoadedProgram } from "../actor/registry.ts";
import type { Bus } from "../bus/bus.ts";
import type { Connection } from "../bus/key.ts";
import { connectBus } from "../bus/nats.ts";
import { apiSubject, hearing, isIdentity, linkSubject, parseSubject } from "../bus/subjects.ts";
import { SystemError, toSystemError } from "../errors.ts";
import { decodeFrame, encodeFrame } from "../frame/codec.ts";
import { destinationOf, isLinkFrame, LANE_CONTROL } from "../frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../ids.ts";
import { busCarrier, type Carrier } from "../link/carrier.ts";
import { LinkTable } from "../link/table.ts";
import { machineId } from "../machine.ts";
import type { Program } from "../messages.ts";
import { RefusalLog } from "../refusals.ts";
import { LogStreams } from "./actors/logs.ts";
import { Cluster } from "./cluster.ts";
import { NodeAsks } from "../transfer/asks.ts";
import { TaskClient } from "../tasks/client.ts";
import { HeadClient } from "./head-client.ts";
import { Links } from "./links.ts";
import { DoorSeeker } from "./objects/door.ts";
import { Objects } from "./objects/objects.ts";
import { RemoteObjects } from "./objects/remote.ts";

/** See `joinAsClient`. */
export async function joinOutside(
  connection: Connection,
  program: Program,
  loaded: LoadedProgram,
  end: () => Promise<void>,
  lost?: Promise<SystemError>,
): Promise<Cluster> {
  const { natsUrl, cluster, identity, seed } = connection;
  const bus = await connectBus({ url: natsUrl, cluster, identity, seed, name: "client" });
  const self = newProcessId();
  const subject = apiSubject(cluster, identity);
  const head = new HeadClient(self, (frame) => bus.publish(subject, frame));
  const logs = new LogStreams();
  const tasks = new TaskClient({ self, head });
  const { objects, asks, doors } = objectsOf(bus, { cluster, identity, self, head });
  /** One for each agent: links know by it whose frames are theirs. */
  const carriers = new Map<string, Carrier>();
  const carrierOf = (worker: Identity): Carrier => {
    const to = linkSubject(cluster, worker, identity);
    const carrier = carriers.get(worker) ?? busCarrier((frame) => bus.publish(to, frame));
    carriers.set(worker, carrier);
    return carrier;
  };
  const table: LinkTable = new LinkTable({
    self,
    names: ITEM_NAMES,
    // Nobody but executors opens a link to a client: with what came of its tasks.
    accept: (link) => tasks.accept(link),
    vouch: (process) => links.vouch(process),
  });
  const links = new Links({
    host: machineId(),
    table,
    head,
    remote: ({ worker }) => carrierOf(worker as Identity),
  });
  const take = (from: string, frame: Uint8Array): void => {
    // Clients of one key hear one subject, and their requests have the same numbers.
    if (destinationOf(frame) !== self) return;
    if (isLinkFrame(frame)) {
      // Agents alone vouch for whose frames they forward.
      if (isIdentity(from, "worker")) table.take(frame, carrierOf(from));
      return;
    }
    const { prefix, value } = decodeFrame(frame);
    if (isIdentity(from, "head")) {
      if (prefix.source === PROCESS_NONE) head.take(value);
    } else if (isIdentity(from, "worker")) {
      if (!asks.take(from, value) && !doors.take(value)) logs.take(value);
    }
  };
  hear(bus, cluster, take);
  await bus.flush();
  const close = async (): Promise<void> => {
    const error = new SystemError("CANCELLED", "the client closed");
    table.close(error);
    head.close(error);
    asks.close(error);
    await bus.close();
    await end();
  };
  return new Cluster({ program, loaded, head, links, logs, tasks, objects, close, lost });
}

/** This client's objects, and what hears agents' answers about them. */
function objectsOf(
  bus: Bus,
  of: { cluster: string; identity: Identity; self: ProcessId; head: HeadClient },
): { readonly objects: Objects; readonly asks: NodeAsks; readonly doors: DoorSeeker } {
  const { cluster, identity, self, head } = of;
  const send = (to: Identity, frame: Uint8Array): void => {
    bus.publish(linkSubject(cluster, to, identity), frame);
  };
  const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const doors = new DoorSeeker({
    head,
    host: machineId(),
    send: (to, destination, value) => {
      send(to, encodeFrame({ ...fields, destination, source: self }, value));
    },
  });
  const asks = new NodeAsks(self, send);
  const remote = new RemoteObjects({ self: identity, asks, head });
  return { objects: new Objects({ self, door: () => doors.seek(), remote, asks }), asks, doors };
}

/** Frames for this client: those that break their form are noted, and dropped. */
function hear(bus: Bus, cluster: string, take: (from: string, frame: Uint8Array) => void): void {
  const refusals = new RefusalLog();
  bus.subscribe(hearing.links(cluster, bus.identity), (heard, bytes) => {
    const from = parseSubject(cluster, heard)?.from;
    if (from === undefined) return;
    try {
      take(from, bytes);
    } catch (thrown) {
      const error = toSystemError(thrown);
      if (!error.code.startsWith("FRAME_")) throw thrown;
      refusals.note(`a frame of ${from}: ${error.message}`);
    }
  });
}
