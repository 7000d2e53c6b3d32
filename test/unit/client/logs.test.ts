/** Output of executors: only what was asked for, in order, bounded. */
import { expect, test } from "vitest";
import { LogStreams } from "../../../runtime/client/actors/logs.ts";
import { LOG_LINES_WAITING_MAX } from "../../../runtime/limits.ts";

const said = (request: number, text: string, end = false) => ({
  ...({ op: "log", stream: "stdout" } as const),
  ...{ request, text, end },
});

test("texts come in order, and end with the last", async () => {
  const streams = new LogStreams();
  const stream = streams.open();
  const first = stream.next();
  streams.take(said(stream.request, "a\n"));
  streams.take(said(stream.request, "b\n"));
  streams.take(said(stream.request, "", true));
  expect(await first).toEqual({ stream: "stdout", text: "a\n" });
  expect(await stream.next()).toEqual({ stream: "stdout", text: "b\n" });
  expect(await stream.next()).toBeUndefined();
  expect(stream.isComplete).toBe(true);
});

test("what nobody asked for is dropped, what is out of form refused", async () => {
  const streams = new LogStreams();
  const stream = streams.open();
  streams.take(said(stream.request + 1, "another's\n"));
  expect(() => streams.take({ op: "log", request: "x" })).toThrow(
    expect.objectContaining({ code: "FRAME_INVALID" }) as Error,
  );
  streams.take(said(stream.request, "ours\n", true));
  expect((await stream.next())?.text).toBe("ours\n");
  stream.close();
  streams.take(said(stream.request, "late\n"));
  expect(await stream.next()).toBeUndefined();
});

test("a reader that is too slow loses the oldest, and is told how many", async () => {
  const streams = new LogStreams();
  const stream = streams.open();
  for (let i = 0; i < LOG_LINES_WAITING_MAX + 3; i += 1) streams.take(said(stream.request, `${i}`));
  expect(await stream.next()).toMatchObject({ text: expect.stringContaining("3 messages") });
  expect((await stream.next())?.text).toBe("3");
});

test("an end that was asked for leaves it incomplete", async () => {
  const streams = new LogStreams();
  const stream = streams.open();
  const next = stream.next();
  streams.close();
  expect(await next).toBeUndefined();
  expect(stream.isComplete).toBe(false);
});
