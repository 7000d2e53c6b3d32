/** How the head hears and speaks, whatever clients ask of it. */
import { describe, expect, test } from "vitest";
import type { Bus, BusListener } from "../../../runtime/bus/bus.ts";
import { apiSubject, hearing } from "../../../runtime/bus/subjects.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import type { ApiReply, Assignment, Command } from "../../../runtime/messages.ts";
import type { HeadDaemon } from "../../../head/daemon/daemon.ts";
import type { HeadEvent } from "../../../head/core/events.ts";
import { HeadMouth, listenAsHead } from "../../../head/daemon/mouth.ts";
import { PROGRAM } from "./support.ts";

const CLUSTER = "00112233445566ff";
const CLIENT = "c-000000000001" as Identity;
const WORKER = "w-000000000002";
const EPOCH = { number: 1, leader: "A" };

/** A head on a bus of its own: what it said, what its daemon was fed, and how to ask it. */
function newHead() {
  const listeners = new Map<string, BusListener>();
  const said: { readonly subject: string; readonly bytes: Uint8Array }[] = [];
  const bus: Bus = {
    identity: "h-000000000003" as Identity,
    counters: { denied: 0, dropped: 0 },
    publish: (subject, bytes) => void said.push({ subject, bytes }),
    subscribe: (subject, listener) => void listeners.set(subject, listener),
    flush: async () => {},
    onState: () => {},
    onDenied: () => {},
    close: async () => {},
  };
  const fed: HeadEvent[] = [];
  const daemon = { feed: (event: HeadEvent) => void fed.push(event) } as unknown as HeadDaemon;
  const mouth = new HeadMouth(bus, CLUSTER, EPOCH);
  listenAsHead(bus, CLUSTER, { daemon, mouth, end: () => {} });
  const ask = (request: unknown): void => {
    const source = "a".repeat(16) as ProcessId;
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, source, destination: PROCESS_NONE }, { id: 1, request });
    listeners.get(hearing.requests(CLUSTER))?.(apiSubject(CLUSTER, CLIENT), frame);
  };
  return { mouth, said, fed, ask };
}

const spawn = (args: unknown[]) => ({ op: "spawn", program: PROGRAM, actor: "a", args });
/** Depth of what a request may carry and its command can't. */
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe("a request", () => {
  test.each([
    ["of too many bytes", ["x".repeat(500_000)], "FRAME_TOO_LARGE"],
    ["of too many values", new Array<number>(65_000).fill(1), "FRAME_TOO_LARGE"],
    ["too deep", [nested(11)], "NOT_SERIALIZABLE"],
  ])("%s is refused, before a command that can't carry it would end the head", (_w, args, code) => {
    const { ask, fed, said } = newHead();
    ask(spawn(args));
    expect(fed).toEqual([]);
    const reply = decodeFrame(said[0]?.bytes ?? new Uint8Array()).value as ApiReply;
    expect(reply).toMatchObject({
      kind: "error",
      id: 1,
      error: { code },
    });
  });

  test("as large as is taken can be sent on as a command", () => {
    for (const args of [["x".repeat(380_000)], [nested(10)], new Array<number>(60_000).fill(1)]) {
      const { ask, fed, mouth, said } = newHead();
      ask(spawn(args));
      expect(fed.length).toBe(1);
      const work = { kind: "host", actorId: "a".repeat(24), actor: "a", args } as const;
      const task = `host/${work.actorId}`;
      const assign: Assignment[] = [{ task, attempt: 0, program: PROGRAM, work }];
      mouth.command(WORKER, { sequence: 1, assign, cancel: [], ack: [] });
      expect(said.length).toBe(1);
    }
  });
});

test("a command over a frame's bound leaves in parts of one number that carry it whole", () => {
  const { mouth, said } = newHead();
  const assign = ["a", "b", "c"].map((name): Assignment => {
    const work = { kind: "drive", argv: ["x".repeat(300_000)] } as const;
    return {
      task: `drive/${name}`,
      attempt: 0,
      program: PROGRAM,
      work: { ...work, argv: [...work.argv] },
    };
  });
  mouth.command(WORKER, { sequence: 4, assign, cancel: ["k"], ack: [{ task: "t", attempt: 0 }] });
  const commands = said.map(({ bytes }) => decodeFrame(bytes).value as Command);
  expect(commands.flatMap((command) => command.assign)).toEqual(assign);
  expect(commands.map(({ sequence }) => sequence)).toEqual([4, 4, 4]);
  expect(commands.flatMap(({ cancel, ack }) => [...cancel, ...ack])).toEqual([
    "k",
    { task: "t", attempt: 0 },
  ]);
});

test("a head speaks as PROCESS_NONE, which agents let no one else be", () => {
  const { mouth, said } = newHead();
  mouth.beacon(1);
  mouth.reply({ identity: CLIENT, process: "a".repeat(16), id: 1 }, "x");
  const sources = said.map(({ bytes }) => decodeFrame(bytes).prefix.source);
  expect(sources).toEqual([PROCESS_NONE, PROCESS_NONE]);
});
