/** A node's objects on the bus: other nodes reach them, and it reaches theirs. */
import type { Bus } from "../../runtime/bus/bus.ts";
import { linkSubject } from "../../runtime/bus/subjects.ts";
import { type Clock, processClock } from "../../runtime/clock.ts";
import { encodeFrame } from "../../runtime/frame/codec.ts";
import { ObjectRef } from "../../runtime/frame/object-ref.ts";
import { LANE_CONTROL } from "../../runtime/frame/prefix.ts";
import type { Identity, ProcessId } from "../../runtime/ids.ts";
import type { NodeObjects } from "../objects/node.ts";
import { Exchange } from "./exchange.ts";

export interface JoinNodesOptions {
  readonly bus: Pick<Bus, "publish">;
  readonly cluster: string;
  readonly objects: NodeObjects;
  /** This node for others; loopback unless given. */
  readonly address?: string | undefined;
  readonly clock?: Clock;
}

/** What the agent hands its questions and answers on no link to, and stops at its end. */
export function joinNodes(options: JoinNodesOptions): Exchange {
  const { bus, cluster, objects, address, clock = processClock } = options;
  const { node, process, store } = objects;
  const sendFrame = (to: Identity, frame: Uint8Array): void => {
    bus.publish(linkSubject(cluster, to, node), frame);
  };
  const exchange = new Exchange({
    self: node,
    process,
    store,
    clock,
    ...(address === undefined ? {} : { host: address }),
    checkJob: (job) => objects.checkJob(job),
    sendFrame,
    sendValue: (to, destination, value) => {
      const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
      sendFrame(to, encodeFrame({ ...fields, destination, source: process }, value));
    },
  });
  objects.fetch = (place, signal) =>
    exchange.fetch(new ObjectRef({ ...place, job: place.job as ProcessId }), { signal });
  objects.releaseElsewhere = (places) => exchange.releaseElsewhere(places);
  return exchange;
}
