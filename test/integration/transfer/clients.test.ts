/** What outside clients have of the nodes' objects: theirs, and what people see. */
import { expect, test } from "vitest";
import { payloadOf } from "../../../runtime/client/objects/payload.ts";
import type { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import type { ObjectPlace } from "../../../runtime/objects/wire.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import {
  type MemoryView,
  objectPage,
  type ObjectPage,
  type Offer,
  TransferConnection,
} from "../../../runtime/transfer/index.ts";
import { parseMessage } from "../../../runtime/messages.ts";
import { bytesOf, clientOn, hastyClock, JOB, MB, nodeOn, until, Wire } from "./nodes.ts";

test("a client without a store puts at nodes in turn, gets and releases", async () => {
  const wire = new Wire();
  const nodes = [nodeOn(wire), nodeOn(wire)];
  const { remote } = clientOn(wire);
  const values = Float32Array.from({ length: 500_000 }, (_, i) => i / 3);
  const payload = payloadOf(values, { shape: [1000, 500] });
  const refs = [await remote.put(JOB, payload), await remote.put(JOB, payload)];
  expect(new Set(refs.map(({ node }) => node)).size).toBe(2);
  for (const ref of refs) {
    const { header, array } = await remote.open(placeOf(ref));
    expect(header).toMatchObject({ kind: "float32", shape: [1000, 500] });
    expect(array).toEqual(values);
  }
  // A node has what the client put as if it were its own.
  const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const [of] = refs.filter(({ node }) => node === a.identity);
  await b.exchange.fetch(of as (typeof refs)[0]);
  await remote.release(refs.map(placeOf));
  const gone = placeOf(of as ObjectRef);
  await expect(remote.open(gone)).rejects.toMatchObject({ code: "OBJECT_LOST" });
});

test("a value of several parts arrives as it was put", async () => {
  const wire = new Wire();
  nodeOn(wire);
  const { remote } = clientOn(wire);
  const value = { name: "x", rows: [Int32Array.of(1, 2, 3), new Uint8Array(70_001).fill(9)] };
  const payload = payloadOf(value, {});
  const ref = await remote.put(JOB, payload);
  const { array } = await remote.open(placeOf(ref));
  const { valueOfPayload } = await import("../../../runtime/objects/value.ts");
  expect(valueOfPayload(array as Uint8Array<ArrayBuffer>)).toEqual(value);
});

test("room that is asked for twice, because the answer was lost, is granted once", async () => {
  const wire = new Wire();
  const node = nodeOn(wire);
  const { asks } = clientOn(wire, hastyClock);
  const ask = { op: "object-room", job: JOB, bytes: MB, waitMs: 100 } as const;
  let answers = 0;
  wire.drops = (frame) => {
    const { kind } = decodeFrame(frame).value as { kind?: string };
    if (kind !== "node-ok") return false;
    answers += 1;
    return answers < 3;
  };
  await asks.ask(node.identity, ask);
  expect(answers).toBeGreaterThanOrEqual(3);
  expect(node.store.usage().grantedBytes).toBeLessThan(1.1 * MB);
});

test("a put that is too large, or breaks off, gives its room back", async () => {
  const wire = new Wire();
  const node = nodeOn(wire, { limitBytes: 2 * MB });
  const { remote, asks, identity } = clientOn(wire);
  const large = payloadOf(bytesOf(3 * MB, 1), {});
  await expect(remote.put(JOB, large, { waitMs: 100 })).rejects.toMatchObject({
    code: "OBJECT_STORE_FULL",
  });
  const bytes = MB + MB / 2;
  const room = { op: "object-room", job: JOB, bytes, waitMs: 100 } as const;
  const { token, ...door } = (await asks.ask(node.identity, room)) as Offer;
  const connection = await TransferConnection.open({ ...door, asker: identity });
  const header = { id: "ab".repeat(16), kind: "bytes", shape: [bytes], bytes } as const;
  // The header alone leaves at once: the payload waits for the answer.
  const pushed = connection.push(token, header, [[0, bytesOf(bytes, 1)]]);
  setImmediate(() => connection.close());
  await expect(pushed).rejects.toMatchObject({ code: "TRANSFER_FAILED" });
  await until(() => node.store.usage().grantedBytes === 0);
  expect(node.store.usage().objects).toBe(0);
});

test("objects are listed in pages, filtered first; memory names who maps them", async () => {
  const wire = new Wire();
  const [a, b] = [nodeOn(wire), nodeOn(wire)];
  const { asks } = clientOn(wire);
  const refs = [];
  for (let one = 0; one < 7; one += 1) refs.push(await a.put(bytesOf(100_000 + one, one)));
  const other = "00000000000000bb" as typeof JOB;
  await a.put(new Uint8Array(10), other);
  const list = async (filter: Record<string, string>, after: number): Promise<ObjectPage> => {
    const ask = { op: "object-list", filter, after, limit: 3 } as const;
    return parseMessage(objectPage, await asks.ask(a.identity, ask));
  };
  const first = await list({ job: JOB }, 0);
  expect(first).toMatchObject({ total: 7 });
  const second = await list({ job: JOB }, first.next ?? 0);
  const third = await list({ job: JOB }, second.next ?? 0);
  expect(third.next).toBeNull();
  const seen = [first, second, third].flatMap(({ entries }) => entries.map((one) => one.object));
  expect(seen).toEqual(refs.map(({ id }) => id));
  expect(await list({ state: "spilled" }, 0)).toMatchObject({ entries: [], next: null, total: 0 });
  await expect(list({ colour: "red" }, 0)).rejects.toMatchObject({ code: "USAGE" });
  await expect(list({ state: "red" }, 0)).rejects.toThrow(/USAGE.*shared, spilled, copy/);
  const [ref] = refs;
  if (ref === undefined) throw new Error("no ref");
  await b.exchange.fetch(ref);
  const view = await b.store.get(ref.id);
  const memory = (await asks.ask(b.identity, { op: "memory" })) as MemoryView;
  expect(memory).toMatchObject({ objects: 1, waiting: 0, fetching: 0, queued: 0 });
  expect(memory.largest).toMatchObject([{ object: ref.id, state: "copy", pins: [process.pid] }]);
  expect(memory.jobs).toMatchObject([{ job: JOB, objects: 1 }]);
  view.release();
});

function placeOf({ id, bytes, job, node }: ObjectRef): ObjectPlace {
  if (node === null) throw new Error("it is nowhere");
  return { id, bytes, job, node };
}
