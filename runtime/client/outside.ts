/**
 * A client outside of executors: it holds a key and a connection of its own to the bus.
 *
 * Invariant: frames of a link are taken only from the identity whose agent hosts the process at its
 * other end, and answers only from heads; the server vouches for who published a message.
 */
import { ITEM_NAMES } from "../actor/items.ts";
import type { LoadedProgram } from "../actor/registry.ts";
import type { Connection } from "../bus/key.ts";
import { connectBus } from "../bus/nats.ts";
import { apiSubject, hearing, isIdentity, linkSubject, parseSubject } from "../bus/subjects.ts";
import { SystemError, toSystemError } from "../errors.ts";
import { decodeFrame } from "../frame/codec.ts";
import { destinationOf, isLinkFrame } from "../frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE } from "../ids.ts";
import { busCarrier, type Carrier } from "../link/carrier.ts";
import { LinkTable } from "../link/table.ts";
import { machineId } from "../machine.ts";
import type { Program } from "../messages.ts";
import { RefusalLog } from "../refusals.ts";
import { LogStreams } from "./actors/logs.ts";
import { Cluster } from "./cluster.ts";
import { HeadClient } from "./head-client.ts";
import { Links } from "./links.ts";

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
  /** One for each agent: links know by it whose frames are theirs. */
  const carriers = new Map<string, Carrier>();
  const table: LinkTable = new LinkTable({
    self,
    names: ITEM_NAMES,
    vouch: (process) => links.vouch(process),
  });
  const links = new Links({
    host: machineId(),
    table,
    head,
    remote: ({ worker }) => {
      const to = linkSubject(cluster, worker as Identity, identity);
      const carrier = carriers.get(worker) ?? busCarrier((frame) => bus.publish(to, frame));
      carriers.set(worker, carrier);
      return carrier;
    },
  });
  const take = (from: string, frame: Uint8Array): void => {
    // Clients of one key hear one subject, and their requests have the same numbers.
    if (destinationOf(frame) !== self) return;
    const carrier = carriers.get(from);
    if (isLinkFrame(frame)) {
      if (carrier !== undefined) table.take(frame, carrier);
      return;
    }
    const { prefix, value } = decodeFrame(frame);
    if (isIdentity(from, "head")) {
      if (prefix.source === PROCESS_NONE) head.take(value);
    } else if (isIdentity(from, "worker")) logs.take(value);
  };
  const refusals = new RefusalLog();
  bus.subscribe(hearing.links(cluster, identity), (heard, bytes) => {
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
  await bus.flush();
  const close = async (): Promise<void> => {
    const error = new SystemError("CANCELLED", "the client closed");
    table.close(error);
    head.close(error);
    await bus.close();
    await end();
  };
  return new Cluster({ program, loaded, head, links, logs, close, lost });
}
