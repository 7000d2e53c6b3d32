/** An agent's executors: what can't be started is said, and nobody else is taken for one. */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Channel } from "../../../runtime/bus/socket.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { EXECUTORS_STARTING_PER_CORE } from "../../../runtime/limits.ts";
import type { Identity, ProcessId } from "../../../runtime/ids.ts";
import type { WorkerEvent } from "../../../worker/core/state.ts";
import { checkAddress, Crew } from "../../../worker/crew.ts";
import { LogDesk } from "../../../worker/machine/logs.ts";

const SELF = "1".repeat(16) as ProcessId;
const OTHER = "2".repeat(16) as ProcessId;

function newCrew(runtimeDir: string, feed: (event: WorkerEvent) => void, admitted: string[] = []) {
  return new Crew({
    self: SELF,
    place: { worker: "w-000000000001" as Identity, host: "here" },
    runtimeDir,
    mark: "ffeeddccbbaa0011",
    memoryFloorBytes: undefined,
    logBytesMax: undefined,
    desk: new LogDesk(() => undefined),
    onSaid: () => undefined,
    onForeign: () => undefined,
    onAdmitted: (process) => void admitted.push(process),
    onGone: () => undefined,
    feed,
  });
}

test("an executor for whose output there is no file has ended; the agent goes on", async () => {
  const fed = Promise.withResolvers<WorkerEvent>();
  // Gone, as after a sweep of the temporary folder; no descriptor left looks the same.
  const crew = newCrew("/nowhere/at-all", fed.resolve);
  crew.start(7);
  expect(await fed.promise).toMatchObject({
    type: "exited",
    key: 7,
    code: "ACTOR_DIED",
    reason: expect.stringContaining("ENOENT"),
  });
  crew.stop();
});

test("executors start a few at a time; one that waits for that can be ended", async () => {
  const fed: WorkerEvent[] = [];
  const folder = mkdtempSync(join(tmpdir(), "lg-crew-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const crew = newCrew(folder, (event) => fed.push(event));
  const most = EXECUTORS_STARTING_PER_CORE * availableParallelism();
  for (let key = 0; key < most + 3; key++) crew.start(key);
  const started = (key: number): boolean => crew.placeOf(key).pid > 0;
  expect(Array.from({ length: most + 3 }, (_, key) => started(key)).filter(Boolean).length).toBe(
    most,
  );
  crew.kill(most);
  await vi.waitFor(() => expect(fed).toMatchObject([{ type: "exited", key: most }]), 10_000);
  // The first one goes: the next takes its place, and not the one that was ended.
  crew.kill(0);
  await vi.waitFor(() => expect(started(most + 1)).toBe(true), 10_000);
  expect([started(most), started(most + 2)]).toEqual([false, false]);
  crew.stop();
});

test("who knows the agent's token but not an executor's own is none", () => {
  const admitted: string[] = [];
  const crew = newCrew("/nowhere/at-all", () => undefined, admitted);
  const fields = { lane: 1, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const says = (op: unknown) => encodeFrame({ ...fields, destination: SELF, source: OTHER }, [op]);
  let take: (frame: Uint8Array) => void = () => undefined;
  const onFrame: Channel["onFrame"] = (handler) => {
    take = handler;
  };
  crew.admit({ onFrame, onClose: () => undefined } as unknown as Channel);
  const hello = { op: "hello", pid: process.pid, token: crew.token };
  expect(() => take(says(hello))).toThrow("isn't an executor of ours");
  const route = { op: "route", process: OTHER, identity: "w-000000000001" };
  expect(() => take(says(route))).toThrow("no hello, but route");
  expect(admitted).toEqual([]);
  crew.stop();
});

test("the start of an actor ends with where it answers, or failed: nothing else is taken", () => {
  const place = { worker: "w-000000000001" as Identity, host: "here", process: OTHER, pid: 1 };
  const where = { ...place, socket: "/s", token: "t" };
  const done = { task: "host/a", attempt: 0 };
  const returned = { kind: "returned" as const, value: null };
  expect(() => checkAddress({ ...done, outcome: returned }, where)).toThrow("FRAME_INVALID");
  const address = { ...where, actorId: "a", incarnation: 0 };
  checkAddress({ ...done, outcome: { kind: "hosted", address } }, where);
  const moved = { ...address, socket: "/other" };
  expect(() =>
    checkAddress({ ...done, outcome: { kind: "hosted", address: moved } }, where),
  ).toThrow("FRAME_INVALID");
});
