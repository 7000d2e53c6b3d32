/** The agent's post: nobody speaks as another, and who calls the dead hears so. */
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame, type Frame } from "../../../runtime/frame/codec.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_DIED,
  FLAG_PING,
  FLAG_PONG,
  FLAG_RESEND,
  FLAG_RESET,
  FLAG_SYNC,
  LANE_CONTROL,
  LANE_DATA,
  PREFIX_BYTES,
  type PrefixFields,
} from "../../../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import { PEERS_MAX } from "../../../runtime/limits.ts";
import { Post } from "../../../worker/post.ts";

const processOf = (digit: string) => digit.repeat(16) as ProcessId;
const [SELF, A, B, FAR] = [processOf("1"), processOf("a"), processOf("b"), processOf("f")];
const OWN = "w-000000000001" as Identity;
const CLIENT = "c-000000000002" as Identity;
const OTHER = "c-000000000003" as Identity;
const HEAD = "h-000000000004" as Identity;
const ITEMS = [[0, 1, "actor", "go", []]];

function frameOf(
  source: ProcessId,
  destination: ProcessId,
  value: unknown = ITEMS,
  fields: Partial<PrefixFields> = {},
): Uint8Array {
  const rest = { lane: LANE_DATA, flags: 0, link: 3, sequence: 1, ack: 0, ...fields } as const;
  return encodeFrame({ ...rest, source, destination }, value);
}

function bareOf(source: ProcessId, destination: ProcessId, flags: number): Uint8Array {
  return bareFrame({
    lane: LANE_CONTROL,
    flags,
    source,
    destination,
    link: 3,
    sequence: 1,
    ack: 0,
  });
}

/** A post with the executors A and B, and what each party got. */
function newPost(isRunning: (executor: ProcessId) => boolean = () => true) {
  const got: Record<string, Frame[]> = { a: [], b: [], head: [], [CLIENT]: [], [OTHER]: [] };
  const take = (name: string) => (frame: Uint8Array) => got[name]?.push(decodeFrame(frame));
  const post = new Post({
    self: SELF,
    identity: OWN,
    toIdentity: (to, frame) => take(to)(frame),
    toHead: take("head"),
    isRunning,
  });
  post.admit(A, { send: take("a") });
  post.admit(B, { send: take("b") });
  return { post, got };
}

const valuesOf = (frames: readonly Frame[] | undefined) => frames?.map(({ value }) => value);
const flagsOf = (frames: readonly Frame[] | undefined) => frames?.map(({ prefix }) => prefix.flags);

describe("a frame from the bus", () => {
  test.each([
    ["the agent", SELF],
    ["an executor of this machine", B],
    ["the head", PROCESS_NONE],
  ])("is refused when it says that it comes from %s", (_who, source) => {
    const { post, got } = newPost();
    for (const order of [frameOf(source, A), bareOf(source, A, FLAG_DIED)]) {
      expect(() => post.deliver(CLIENT, order)).toThrow("FRAME_INVALID");
    }
    expect(got["a"]).toEqual([]);
  });

  test("is taken as the head's from a head", () => {
    const { post, got } = newPost();
    post.deliver(HEAD, frameOf(PROCESS_NONE, A, { kind: "ok" }, { link: 0 }));
    expect(valuesOf(got["a"])).toEqual([{ kind: "ok" }]);
  });

  test("on no link is an agent's, not a client's: it would be taken for output", () => {
    const { post, got } = newPost();
    const says = { op: "log", request: 1, stream: "stdout", text: "forged\n", end: true };
    const frame = frameOf(FAR, A, says, { link: 0 });
    expect(() => post.deliver(CLIENT, frame)).toThrow("FRAME_INVALID");
    post.deliver("w-000000000009" as Identity, frame);
    expect(valuesOf(got["a"])).toEqual([says]);
    // Nor is it an executor's.
    const own = frameOf(A, B, says, { link: 0 });
    const died = frameOf(A, B, "killed", { link: 0, flags: FLAG_DIED });
    for (const forged of [own, died]) expect(() => post.forward(forged)).toThrow("FRAME_INVALID");
    expect(got["b"]).toEqual([]);
  });

  test("is refused when another frame hides behind it, or it is cut", () => {
    const { post } = newPost();
    const [other, bytes] = [processOf("c"), [] as Uint8Array[]];
    post.admit(other, { send: (frame) => bytes.push(frame) });
    const frame = frameOf(FAR, other);
    const hidden = Buffer.concat([frame, frameOf(SELF, other)]);
    expect(() => post.deliver(CLIENT, hidden)).toThrow("FRAME_INVALID");
    for (const cut of [0, 1, PREFIX_BYTES - 1, PREFIX_BYTES, frame.length - 1]) {
      expect(() => post.deliver(CLIENT, frame.subarray(0, cut))).toThrow("FRAME_INVALID");
    }
    expect(bytes).toEqual([]);
  });

  test("is forwarded as it is, whatever its header holds", () => {
    const { post } = newPost();
    const [other, bytes] = [processOf("c"), [] as Uint8Array[]];
    post.admit(other, { send: (frame) => bytes.push(frame) });
    const broken = Uint8Array.from(frameOf(FAR, other)).fill(0xc1, PREFIX_BYTES);
    post.deliver(CLIENT, broken);
    expect(bytes.map((frame) => Buffer.from(frame))).toEqual([Buffer.from(broken)]);
  });

  test("is refused when its process was heard from another identity, a death notice too", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, A));
    expect(() => post.deliver(OTHER, frameOf(FAR, A))).toThrow("FRAME_INVALID");
    const forged = frameOf(FAR, A, "killed", { link: 0, flags: FLAG_DIED });
    expect(() => post.deliver(OTHER, forged)).toThrow("FRAME_INVALID");
    post.forward(frameOf(A, FAR));
    expect([got["a"]?.length, got[CLIENT]?.length, got[OTHER]?.length]).toEqual([1, 1, 0]);
  });

  test("is refused when the executor said that its process is elsewhere, before or after", () => {
    const { post } = newPost();
    post.learn(A, FAR, CLIENT);
    post.deliver(OTHER, frameOf(FAR, B));
    post.learn(B, FAR, CLIENT);
    for (const to of [A, B]) {
      expect(() => post.deliver(OTHER, frameOf(FAR, to))).toThrow("FRAME_INVALID");
    }
  });
});

describe("an executor", () => {
  test.each([
    ["the agent", SELF],
    ["another executor", A],
    ["the head", PROCESS_NONE],
  ])("can't be admitted as %s", (_who, process) => {
    const { post } = newPost();
    expect(() => post.admit(process, { send: () => undefined })).toThrow("FRAME_INVALID");
  });

  test("doesn't change where another's frames go", () => {
    const { post, got } = newPost();
    post.learn(B, FAR, OTHER);
    post.learn(A, FAR, CLIENT);
    post.forward(frameOf(A, FAR));
    expect([got[CLIENT]?.length, got[OTHER]?.length]).toEqual([1, 0]);
  });

  test("reaches its head and its neighbour", () => {
    const { post, got } = newPost();
    post.forward(frameOf(A, PROCESS_NONE, { id: 1 }, { link: 0 }));
    post.forward(frameOf(A, B));
    expect([valuesOf(got["head"]), valuesOf(got["b"])]).toEqual([[{ id: 1 }], [ITEMS]]);
  });

  test("may exchange frames with any number of processes; the longest unheard is forgotten", () => {
    const { post, got } = newPost();
    const peers = Array.from({ length: PEERS_MAX + 1 }, (_, i) => {
      return (i + 1).toString(16).padStart(16, "0") as ProcessId;
    });
    for (const peer of peers.slice(0, PEERS_MAX)) post.deliver(CLIENT, frameOf(peer, A));
    const [first, second] = peers as [ProcessId, ProcessId];
    post.deliver(CLIENT, frameOf(first, A));
    post.deliver(CLIENT, frameOf(peers[PEERS_MAX] as ProcessId, A));
    post.mourn(A, "killed");
    const told = new Set(got[CLIENT]?.map(({ prefix }) => prefix.destination));
    expect([told.size, told.has(first), told.has(second)]).toEqual([PEERS_MAX, true, false]);
  });
});

describe("a ping", () => {
  const pong = (flags: number) => ({ flags, link: 3, source: A, length: PREFIX_BYTES });

  test("of either side is answered for a running executor, which gets it too", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, bareOf(FAR, A, FLAG_PING));
    post.deliver(CLIENT, bareOf(FAR, A, FLAG_PING | FLAG_ACCEPTOR));
    post.forward(bareOf(B, A, FLAG_PING));
    expect(got[CLIENT]?.map(({ prefix }) => prefix)).toMatchObject([
      { ...pong(FLAG_PONG | FLAG_ACCEPTOR), destination: FAR },
      { ...pong(FLAG_PONG), destination: FAR },
    ]);
    expect(got["b"]?.map(({ prefix }) => prefix)).toMatchObject([
      { ...pong(FLAG_PONG | FLAG_ACCEPTOR), destination: B },
    ]);
    expect(flagsOf(got["a"])).toEqual([FLAG_PING, FLAG_PING | FLAG_ACCEPTOR, FLAG_PING]);
  });

  test("isn't answered for an executor that is stopped", () => {
    const { post, got } = newPost((executor) => executor !== A);
    post.deliver(CLIENT, bareOf(FAR, A, FLAG_PING));
    post.deliver(CLIENT, bareOf(FAR, B, FLAG_PING));
    expect(got[CLIENT]?.map(({ prefix }) => prefix.source)).toEqual([B]);
    expect(got["a"]).toHaveLength(1);
  });

  test("and other frames are the executors' own to answer", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, A));
    for (const flags of [0, FLAG_PONG, FLAG_RESET, FLAG_RESEND, FLAG_SYNC]) {
      post.deliver(CLIENT, bareOf(FAR, A, flags));
    }
    expect([got["a"]?.length, got[CLIENT]?.length]).toEqual([6, 0]);
  });
});

describe("who called an executor that ends", () => {
  test("hears so at once, behind another agent and on this machine", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, A));
    post.forward(frameOf(B, A));
    post.mourn(A, "killed");
    const notice = { flags: FLAG_DIED, source: A, link: 0 };
    expect(got[CLIENT]).toMatchObject([
      { prefix: { ...notice, destination: FAR }, value: "killed" },
    ]);
    expect(got["b"]).toMatchObject([{ prefix: { ...notice, destination: B }, value: "killed" }]);
  });

  test("and whom it called itself", () => {
    const { post, got } = newPost();
    post.learn(A, FAR, CLIENT);
    post.forward(frameOf(A, FAR));
    post.forward(frameOf(A, B));
    post.mourn(A, "killed");
    expect(valuesOf(got[CLIENT])).toEqual([ITEMS, "killed"]);
    expect(valuesOf(got["b"])).toEqual([ITEMS, "killed"]);
  });

  test("hears so when it calls again, on this machine too", () => {
    const { post, got } = newPost();
    post.mourn(A, "killed");
    post.learn(B, A, OWN);
    post.forward(frameOf(B, A));
    post.deliver(CLIENT, frameOf(FAR, A));
    expect([flagsOf(got["b"]), flagsOf(got[CLIENT])]).toEqual([[FLAG_DIED], [FLAG_DIED]]);
    expect(got["b"]?.[0]?.prefix).toMatchObject({ source: A, destination: B });
  });

  test.each([
    ["a ping", FLAG_PING, 1],
    ["a question how far it is", FLAG_SYNC, 1],
    ["an ask to send again", FLAG_RESEND, 1],
    ["an ack", 0, 0],
    ["a pong", FLAG_PONG, 0],
    ["a reset", FLAG_RESET, 0],
    ["a death notice", FLAG_DIED, 0],
  ])("after %s is told so, unless that would go on for ever", (_what, flags, answers) => {
    const { post, got } = newPost();
    post.mourn(A, "killed");
    for (const side of [0, FLAG_ACCEPTOR]) post.deliver(CLIENT, bareOf(FAR, A, flags | side));
    expect(got[CLIENT]).toHaveLength(answers * 2);
  });

  test("never hears that an agent died, or of frames outside of links", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, SELF));
    const agent = "w-000000000009" as Identity;
    got[agent] = [];
    post.deliver(agent, frameOf(FAR, processOf("c"), ITEMS, { link: 0 }));
    expect([got[CLIENT], got[agent]]).toEqual([[], []]);
  });
});
