/** The agent's post: nobody speaks as another, and who calls the dead hears so. */
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame, type Frame } from "../../../runtime/frame/codec.ts";
import { LANE_DATA, PREFIX_BYTES } from "../../../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import { PEERS_MAX } from "../../../runtime/limits.ts";
import { Post } from "../../../worker/post.ts";

const processOf = (digit: string) => digit.repeat(16) as ProcessId;
const [SELF, A, B, FAR] = [processOf("1"), processOf("a"), processOf("b"), processOf("f")];
const OWN = "w-000000000001" as Identity;
const CLIENT = "c-000000000002" as Identity;
const OTHER = "c-000000000003" as Identity;
const HEAD = "h-000000000004" as Identity;
const CALL = [{ kind: "call", id: 1, actorId: "x", method: "go", args: [] }];
const REPLY = [{ kind: "ok", id: 1, value: 1 }];

function frameOf(source: ProcessId, destination: ProcessId, value: unknown = REPLY): Uint8Array {
  const fields = { lane: LANE_DATA, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  return encodeFrame({ ...fields, source, destination }, value);
}

/** A post with the executors A and B, and what each party got. */
function newPost() {
  const got: Record<string, Frame[]> = { a: [], b: [], head: [], [CLIENT]: [], [OTHER]: [] };
  const take = (name: string) => (frame: Uint8Array) => got[name]?.push(decodeFrame(frame));
  const post = new Post({
    self: SELF,
    identity: OWN,
    toIdentity: (to, frame) => take(to)(frame),
    toHead: take("head"),
  });
  post.admit(A, { send: take("a") });
  post.admit(B, { send: take("b") });
  return { post, got };
}

const valuesOf = (frames: readonly Frame[] | undefined) => frames?.map(({ value }) => value);
const DIED = [{ kind: "died", reason: expect.any(String) as unknown }];

describe("a frame from the bus", () => {
  test.each([
    ["the agent", SELF],
    ["an executor of this machine", B],
    ["the head", PROCESS_NONE],
  ])("is refused when it says that it comes from %s", (_who, source) => {
    const { post, got } = newPost();
    const order = frameOf(source, A, { op: "run" });
    expect(() => post.deliver(CLIENT, order)).toThrow("FRAME_INVALID");
    expect(got["a"]).toEqual([]);
  });

  test("is taken as the head's from a head", () => {
    const { post, got } = newPost();
    post.deliver(HEAD, frameOf(PROCESS_NONE, A, { kind: "ok" }));
    expect(valuesOf(got["a"])).toEqual([{ kind: "ok" }]);
  });

  test("is refused when another frame hides behind it", () => {
    const { post } = newPost();
    const [other, bytes] = [processOf("c"), [] as Uint8Array[]];
    post.admit(other, { send: (frame) => bytes.push(frame) });
    const frame = frameOf(FAR, other);
    const hidden = Buffer.concat([frame, frameOf(SELF, other, { op: "run" })]);
    expect(() => post.deliver(CLIENT, hidden)).toThrow("FRAME_INVALID");
    expect(() => post.deliver(CLIENT, frame.subarray(0, PREFIX_BYTES))).toThrow("FRAME_INVALID");
    expect(bytes).toEqual([]);
  });

  test("is refused when its process was heard from another identity", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, A, CALL));
    expect(() => post.deliver(OTHER, frameOf(FAR, A))).toThrow("FRAME_INVALID");
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

  test("may exchange frames with any number of processes; the oldest is forgotten", () => {
    const { post, got } = newPost();
    for (let i = 0; i <= PEERS_MAX; i += 1) {
      const peer = (i + 1).toString(16).padStart(16, "0") as ProcessId;
      post.deliver(CLIENT, frameOf(peer, A));
    }
    post.mourn(A, "killed");
    expect(got[CLIENT]?.length).toBe(PEERS_MAX);
  });
});

describe("who called an executor that ends", () => {
  test("hears so behind another agent, and on this machine", () => {
    const { post, got } = newPost();
    post.deliver(CLIENT, frameOf(FAR, A, CALL));
    post.forward(frameOf(B, A, CALL));
    post.mourn(A, "killed");
    expect(valuesOf(got[CLIENT])).toEqual([DIED]);
    expect(valuesOf(got["b"])).toEqual([DIED]);
    expect(got["b"]?.[0]?.prefix).toMatchObject({ source: A, destination: B });
  });

  test("hears so when it calls again, on this machine too; a reply to it is dropped", () => {
    const { post, got } = newPost();
    post.mourn(A, "killed");
    post.learn(B, A, OWN);
    post.forward(frameOf(B, A, CALL));
    post.deliver(CLIENT, frameOf(FAR, A, CALL));
    post.deliver(CLIENT, frameOf(FAR, A, REPLY));
    expect([valuesOf(got["b"]), valuesOf(got[CLIENT])]).toEqual([[DIED], [DIED]]);
  });
});
