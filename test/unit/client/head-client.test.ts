/** Requests to a head that may be away: repeated, bounded, packed. */
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HeadClient } from "../../../runtime/client/head-client.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import { newProcessId } from "../../../runtime/ids.ts";
import { API_PENDING_MAX, API_REPEAT_MS, API_TIMEOUT_MS } from "../../../runtime/limits.ts";

interface Sent {
  readonly id: number;
  readonly request: { readonly op: string };
}

let frames: unknown[];
let client: HeadClient;
beforeEach(() => {
  vi.useFakeTimers();
  frames = [];
  client = new HeadClient(newProcessId(), (frame) => frames.push(decodeFrame(frame).value));
});
afterEach(() => {
  vi.useRealTimers();
});

const sent = (): Sent[] => frames.flat() as Sent[];
/** Lets what this turn asked leave. */
const leave = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const status = { op: "status" } as const;

test("one request is a frame of its own, those of one turn share one", async () => {
  const one = client.request(status);
  await leave();
  expect(frames).toEqual([{ id: 1, request: { op: "status" } }]);
  const more = [client.request(status), client.request({ op: "alive" })];
  await leave();
  expect(frames.length).toBe(2);
  expect(frames[1]).toMatchObject([{ id: 2 }, { id: 3, request: { op: "alive" } }]);
  client.take([1, 2, 3].map((id) => ({ kind: "ok", id, value: id })));
  expect(await Promise.all([one, ...more])).toEqual([1, 2, 3]);
});

test("it is repeated until it is answered, once", async () => {
  const asked = client.request(status);
  await vi.advanceTimersByTimeAsync(3 * API_REPEAT_MS);
  expect(sent().map(({ id }) => id)).toEqual([1, 1, 1, 1]);
  client.take({ kind: "error", id: 1, error: { code: "OVERLOADED", what: "busy", where: {} } });
  client.take({ kind: "ok", id: 1, value: "too late" });
  await expect(asked).rejects.toMatchObject({ code: "OVERLOADED", what: "busy" });
  await vi.advanceTimersByTimeAsync(3 * API_REPEAT_MS);
  expect(sent().length).toBe(4);
});

test("an answer of a head that was replaced is none: its successor's counts", async () => {
  const first = client.request(status);
  client.take({ kind: "ok", id: 1, epoch: 7, value: "new" });
  expect(await first).toBe("new");
  const second = client.request(status);
  client.take({ kind: "ok", id: 2, epoch: 6, value: "stale" });
  client.take({ kind: "error", id: 2, epoch: 6, error: { code: "USAGE", what: "", where: {} } });
  client.take({ kind: "ok", id: 2, epoch: 8, value: "newer" });
  expect(await second).toBe("newer");
});

test("no answer in time is DEADLINE_EXCEEDED, a signal CANCELLED", async () => {
  const late = refused(client.request(status), { code: "DEADLINE_EXCEEDED" });
  const soon = client.request(status, { deadlineMs: 10 });
  const expired = refused(soon, { code: "DEADLINE_EXCEEDED" });
  const end = new AbortController();
  const stopped = client.request(status, { signal: end.signal, deadlineMs: Infinity });
  const cancelled = refused(stopped, { code: "CANCELLED" });
  await vi.advanceTimersByTimeAsync(10);
  await expired;
  end.abort("enough");
  await cancelled;
  await vi.advanceTimersByTimeAsync(API_TIMEOUT_MS);
  await late;
  expect(vi.getTimerCount()).toBe(0);
});

test("a crowd goes some at a time, all are answered, in the order they came", async () => {
  const count = 3 * API_PENDING_MAX;
  const order: number[] = [];
  const all = Array.from({ length: count }, (_, i) =>
    client.request(status).then(() => order.push(i)),
  );
  let seen = 0;
  while (order.length < count) {
    await leave();
    const fresh = sent().slice(seen);
    expect(fresh.length).toBeLessThanOrEqual(API_PENDING_MAX);
    expect(fresh.length).toBeGreaterThan(0);
    seen += fresh.length;
    client.take(fresh.map(({ id }) => ({ kind: "ok", id, value: null })));
    await leave();
  }
  await Promise.all(all);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test("one that was given up while it waited for its turn isn't sent", async () => {
  const end = new AbortController();
  const first = Array.from({ length: API_PENDING_MAX }, () => client.request(status));
  const given = client.request({ op: "alive" }, { signal: end.signal });
  const cancelled = refused(given, { code: "CANCELLED" });
  const last = client.request({ op: "leave" });
  await leave();
  end.abort("enough");
  await cancelled;
  const ids = sent().map(({ id }) => id);
  client.take(ids.map((id) => ({ kind: "ok", id, value: null })));
  await Promise.all(first);
  await leave();
  expect(sent().at(-1)?.request.op).toBe("leave");
  expect(sent().some(({ request }) => request.op === "alive")).toBe(false);
  client.take({ kind: "ok", id: sent().at(-1)?.id, value: "bye" });
  expect(await last).toBe("bye");
});

test("those that a signal ends with the ones before them aren't sent either", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const crowd = 20 * API_PENDING_MAX;
  const asked = Array.from({ length: crowd }, () => client.request(status, { signal }));
  await leave();
  expect(sent().length).toBe(API_PENDING_MAX);
  expect(getEventListeners(signal, "abort").length).toBe(1);
  controller.abort();
  const codes = await Promise.allSettled(asked);
  expect(codes.every((one) => one.status === "rejected")).toBe(true);
  await leave();
  expect(sent().length).toBe(API_PENDING_MAX);
  expect(getEventListeners(signal, "abort").length).toBe(0);
  const later = client.request(status);
  await leave();
  client.take({ kind: "ok", id: crowd + 1, value: "there" });
  expect(await later).toBe("there");
});

test("what doesn't cross is refused alone; a closed client refuses all", async () => {
  const bad = { op: "locate", actorId: new Map() as unknown as string, after: 0 } as const;
  const uncrossable = refused(client.request(bad), { code: "NOT_SERIALIZABLE" });
  const good = client.request(status);
  const failed = refused(good, { code: "CANCELLED" });
  await leave();
  await uncrossable;
  expect(sent()).toEqual([{ id: 2, request: { op: "status" } }]);
  client.close(new SystemError("CANCELLED", "closed"));
  await failed;
  await expect(client.request(status)).rejects.toMatchObject({ code: "CANCELLED" });
});

/** Settles when the call was refused with this. */
async function refused(call: Promise<unknown>, error: object): Promise<void> {
  await expect(call).rejects.toMatchObject(error);
}
