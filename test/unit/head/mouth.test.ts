/** How the head hears and speaks, whatever clients ask of it. */
import { describe, expect, test } from "vitest";
import type { Bus, BusListener } from "../../../runtime/bus/bus.ts";
import { apiSubject, hearing } from "../../../runtime/bus/subjects.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import type {
  ActorOptions,
  ActorRecord,
  ApiReply,
  Assignment,
  Command,
} from "../../../runtime/messages.ts";
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
  const mouth = new HeadMouth(bus, CLUSTER, EPOCH);
  listenAsHead(bus, CLUSTER, {
    report: (worker, report) => void fed.push({ type: "report", worker, report }),
    taskReport: (worker, report) => void fed.push({ type: "task-report", worker, report }),
    request: (caller, request, fault) => {
      if (fault === null) fed.push({ type: "api", caller, request });
      else mouth.refuse(caller, fault);
      mouth.flush();
    },
    beacon: () => {},
    refused: () => {},
  });
  const asks = (value: unknown): void => {
    const source = "a".repeat(16) as ProcessId;
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, source, destination: PROCESS_NONE }, value);
    listeners.get(hearing.requests(CLUSTER))?.(apiSubject(CLUSTER, CLIENT), frame);
  };
  const ask = (request: unknown): void => asks({ id: 1, request });
  return { mouth, said, fed, ask, asks };
}

const OPTIONS: ActorOptions = {
  name: null,
  getIfExists: false,
  lifetime: "owned",
  hosting: "process",
  maxRestarts: 0,
  maxConcurrency: 1,
};
const spawn = (args: unknown[]) => {
  return { op: "spawn", program: PROGRAM, actor: "a", args, options: OPTIONS };
};
const NOTHING = { assign: [], cancel: [], ack: [], end: [], endSeen: [], logs: [] };
const CALLER = { identity: CLIENT, process: "a".repeat(16), id: 1 };

/** Replies in the order in which they left, and how many each frame held. */
function repliesOf(said: readonly { readonly bytes: Uint8Array }[]) {
  const frames = said.map(({ bytes }) => decodeFrame(bytes).value as ApiReply | ApiReply[]);
  return { replies: frames.flat(), sizes: frames.map((frame) => [frame].flat().length) };
}
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
    for (const args of [["x".repeat(380_000)], [nested(9)], new Array<number>(60_000).fill(1)]) {
      const { ask, fed, mouth, said } = newHead();
      ask(spawn(args));
      expect(fed.length).toBe(1);
      const actorId = "a".repeat(24);
      const owner = { identity: CLIENT, process: "a".repeat(16) };
      const made: ActorRecord = {
        ...{ actorId, program: PROGRAM, actor: "a", args, options: OPTIONS, owner },
        pool: null,
      };
      const work = { kind: "host" as const, record: made };
      const task = `host/${actorId}`;
      const assign: Assignment[] = [{ task, attempt: 0, program: PROGRAM, work }];
      mouth.command(WORKER, { sequence: 1, heard: 0, ...NOTHING, assign });
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
  const ack = [{ task: "t", attempt: 0 }];
  mouth.command(WORKER, { sequence: 4, heard: 7, ...NOTHING, assign, cancel: ["k"], ack });
  const commands = said.map(({ bytes }) => decodeFrame(bytes).value as Command);
  expect(commands.flatMap((command) => command.assign)).toEqual(assign);
  expect(commands.map(({ sequence }) => sequence)).toEqual([4, 4, 4]);
  expect(commands.map(({ heard }) => heard)).toEqual([7, 7, 7]);
  expect(commands.flatMap(({ cancel, ack }) => [...cancel, ...ack])).toEqual([
    "k",
    { task: "t", attempt: 0 },
  ]);
});

test("a command of ends alone leaves in parts too, and asks for an announcement once", () => {
  const { mouth, said } = newHead();
  const end = Array.from({ length: 20_000 }, (_, i) => ({
    actorId: `${i}`.padStart(24, "0"),
    incarnation: i,
  }));
  mouth.command(WORKER, { sequence: 9, heard: 7, ...NOTHING, end, announce: true });
  const commands = said.map(({ bytes }) => decodeFrame(bytes).value as Command);
  expect(commands.length).toBeGreaterThan(1);
  expect(commands.flatMap((command) => command.end)).toEqual(end);
  expect(commands.filter(({ announce }) => announce === true)).toHaveLength(1);
});

describe("answers", () => {
  test("to one process leave together; those to another by themselves", () => {
    const { mouth, said } = newHead();
    const other = { ...CALLER, process: "b".repeat(16) };
    mouth.reply(CALLER, "x");
    mouth.reply({ ...CALLER, id: 2 }, "y");
    mouth.reply(other, "z");
    expect(said).toEqual([]);
    mouth.flush();
    expect(repliesOf(said)).toEqual({
      sizes: [2, 1],
      replies: [
        { kind: "ok", id: 1, epoch: 1, value: "x" },
        { kind: "ok", id: 2, epoch: 1, value: "y" },
        { kind: "ok", id: 1, epoch: 1, value: "z" },
      ],
    });
    mouth.flush();
    expect(said).toHaveLength(2);
  });

  test("that don't fit one frame leave in several, and one too large says so", () => {
    const { mouth, said } = newHead();
    const sizes = [200_000, 200_000, 600_000, 200_000];
    for (const [id, size] of sizes.entries()) mouth.reply({ ...CALLER, id }, "x".repeat(size));
    mouth.flush();
    expect(repliesOf(said).replies.map(({ kind, id }) => `${id} ${kind}`)).toEqual([
      "0 ok",
      "1 ok",
      "2 error",
      "3 ok",
    ]);
  });

  test("of more than a frame's items leave in several frames", () => {
    const { mouth, said } = newHead();
    for (let id = 0; id < 600; id += 1) mouth.reply({ ...CALLER, id }, null);
    mouth.flush();
    const { replies, sizes } = repliesOf(said);
    expect(replies.map(({ id }) => id)).toEqual(Array.from({ length: 600 }, (_, id) => id));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256);
  });
});

test("a frame of many requests is many requests; one that is no request refuses the frame", () => {
  const { asks, fed } = newHead();
  asks([1, 2, 3].map((id) => ({ id, request: { op: "alive" } })));
  expect(fed.map((event) => (event.type === "api" ? event.caller.id : 0))).toEqual([1, 2, 3]);
  asks([{ id: 4, request: { op: "alive" } }, { id: 5 }]);
  asks(Array.from({ length: 257 }, (_, id) => ({ id, request: { op: "alive" } })));
  expect(fed).toHaveLength(3);
});

test("a head speaks as PROCESS_NONE, which agents let no one else be", () => {
  const { mouth, said } = newHead();
  mouth.beacon(1);
  mouth.reply(CALLER, "x");
  mouth.flush();
  const sources = said.map(({ bytes }) => decodeFrame(bytes).prefix.source);
  expect(sources).toEqual([PROCESS_NONE, PROCESS_NONE]);
});
