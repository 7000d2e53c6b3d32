/** Knocks: who is gone is noticed within a second, and nobody else is taken for gone. */
import { beforeEach, describe, expect, test } from "vitest";
import { WorkerKnocks } from "../../../head/daemon/knocks.ts";
import type { Bus, BusListener, BusState } from "../../../runtime/bus/bus.ts";
import { linkSubject, parseSubject } from "../../../runtime/bus/subjects.ts";
import type { Identity } from "../../../runtime/ids.ts";
import {
  KNOCK_INTERVAL_MS,
  KNOCKS_UNHEARD_MAX,
  RECONNECT_GRACE_MS,
} from "../../../runtime/limits.ts";
import { VirtualClock } from "../link/virtual-clock.ts";

const CLUSTER = "00112233445566aa";
const HEAD = "h-000000000000" as Identity;
const NEAR = "w-000000000001";
const FAR = "w-000000000002";

let clock: VirtualClock;
let workers: string[];
/** Workers that hear what is said to them. */
let hearing: Set<string>;
let absent: string[];
let knocks: WorkerKnocks;
let setState: (state: BusState) => void;

beforeEach(() => {
  clock = new VirtualClock();
  workers = [NEAR, FAR];
  hearing = new Set(workers);
  absent = [];
  let hear: BusListener = () => undefined;
  const bus: Bus = {
    identity: HEAD,
    counters: { denied: 0, dropped: 0 },
    publish: () => undefined,
    knock: (subject, answer) => {
      const said = parseSubject(CLUSTER, subject);
      if (said?.kind !== "cmd") throw new Error(`a knock at ${subject}`);
      if (!hearing.has(said.to)) hear(answer, new Uint8Array());
    },
    subscribe: (_subject, listener) => void (hear = listener),
    flush: async () => undefined,
    onState: (listener) => void (setState = listener),
    onDenied: () => undefined,
    close: async () => undefined,
  };
  knocks = new WorkerKnocks({
    ...{ bus, cluster: CLUSTER, clock, workers: () => workers },
    absent: (worker) => absent.push(worker),
  });
  clock.advance(RECONNECT_GRACE_MS + KNOCK_INTERVAL_MS);
  // A frame on its way to the head says nothing about knocks.
  hear(linkSubject(CLUSTER, HEAD, NEAR as Identity), new Uint8Array(40));
});

describe("a worker that nobody hears", () => {
  test("is absent after a second at most, once", () => {
    hearing.delete(FAR);
    clock.advance(1_000);
    expect(absent).toEqual([FAR]);
    clock.advance(10_000);
    expect(absent).toEqual([FAR]);
  });

  test("isn't absent when it is back before so many knocks", () => {
    hearing.delete(FAR);
    clock.advance(KNOCK_INTERVAL_MS * (KNOCKS_UNHEARD_MAX - 1));
    hearing.add(FAR);
    clock.advance(10_000);
    expect(absent).toEqual([]);
  });

  test("is absent anew after it was back", () => {
    hearing.delete(FAR);
    clock.advance(1_000);
    hearing.add(FAR);
    clock.advance(1_000);
    hearing.delete(FAR);
    clock.advance(1_000);
    expect(absent).toEqual([FAR, FAR]);
  });

  test("isn't looked for any more when the head has forgotten it", () => {
    hearing.delete(FAR);
    workers = [NEAR];
    clock.advance(10_000);
    expect(absent).toEqual([]);
  });
});

test("while its server was just started nobody is absent: they come back one by one", () => {
  hearing.clear();
  setState("disconnected");
  setState("connected");
  clock.advance(RECONNECT_GRACE_MS - KNOCK_INTERVAL_MS);
  expect(absent).toEqual([]);
  hearing.add(NEAR);
  clock.advance(1_500);
  expect(absent).toEqual([FAR]);
});

test("no knock after its end", () => {
  knocks.stop();
  hearing.clear();
  clock.advance(10_000);
  expect(absent).toEqual([]);
});
