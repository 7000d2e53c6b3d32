import { describe, expect, it } from "vitest";
import golden from "../../golden/frames.json" with { type: "json" };
import { SystemError } from "../../../runtime/errors.ts";
import { FrameBatcher } from "../../../runtime/frame/batcher.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { LANE_CONTROL } from "../../../runtime/frame/prefix.ts";
import { FIELDS, INLINE_REF, REF } from "./fixtures.ts";

const values: Record<string, unknown> = {
  "bare prefix": undefined,
  scalars: [null, undefined, true, false, "", "ACGT", "é€😀", "n".repeat(40), "w".repeat(300)],
  numbers: [
    0,
    -0,
    127,
    128,
    255,
    256,
    65535,
    65536,
    4294967295,
    4294967296,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32769,
    -2147483648,
    0.1,
    Number.NaN,
    -Infinity,
  ],
  bigints: [0n, 1n, 18446744073709551615n, -1n, -9223372036854775808n],
  dates: [new Date(1e12), new Date(1e12 + 1), new Date(-1), new Date(8.64e15)],
  containers: {
    a: [],
    b: {},
    list: new Array<number>(16).fill(1),
    map: Object.fromEntries(Array.from("abcdefghijklmnop", (key, i) => [key, i])),
  },
  blobs: [
    Uint8Array.of(1, 2, 3),
    Float32Array.of(1.5, -2),
    new Uint8Array(0),
    Int16Array.of(-2),
    Float64Array.of(0.1),
    BigUint64Array.of(7n),
    Uint8Array.of(9).buffer,
  ],
  ref: { ref: REF },
  "inline ref": { before: Uint8Array.of(1), ref: INLINE_REF, after: Uint8Array.of(2) },
  error: [new SystemError("FASTQ_TRUNCATED", "cut off", { uri: "reads.fq", record: 3 })],
  call: [
    { kind: "call", id: 1, actorId: "a-1", method: "embed", args: [{ reads: ["ACGT"], k: 4 }] },
  ],
};

function hexOf(name: string): string {
  if (name === "control lane") {
    return Buffer.from(encodeFrame({ ...FIELDS, lane: LANE_CONTROL }, { op: "ack" })).toString(
      "hex",
    );
  }
  if (name !== "batch") return Buffer.from(encodeFrame(FIELDS, values[name])).toString("hex");
  const frames: Uint8Array[] = [];
  const send = (frame: Uint8Array): void => void frames.push(frame);
  const batcher = new FrameBatcher({ prefix: () => FIELDS, send, schedule: () => {} });
  batcher.add({ kind: "ok", id: 1, value: 7 });
  batcher.add({ kind: "ok", id: 2, value: Uint8Array.of(1) });
  batcher.flush();
  return Buffer.concat(frames).toString("hex");
}

const batch = [
  { kind: "ok", id: 1, value: 7 },
  { kind: "ok", id: 2, value: Uint8Array.of(1) },
];
const frozen: Record<string, string> = golden;

describe("the frozen frames of version 1", () => {
  it("are all there", () => {
    expect(Object.keys(frozen)).toEqual([...Object.keys(values), "control lane", "batch"]);
  });

  it.each(Object.keys(frozen))("are still written: %s", (name) => {
    expect(hexOf(name)).toBe(frozen[name]);
  });

  it.each(Object.keys(frozen))("are still read: %s", (name) => {
    const { prefix, value } = decodeFrame(Buffer.from(frozen[name] ?? "", "hex"));
    const lane = name === "control lane" ? LANE_CONTROL : FIELDS.lane;
    expect(prefix).toMatchObject({ ...FIELDS, lane });
    const expected = { ...values, "control lane": { op: "ack" }, batch };
    expect(value).toStrictEqual(expected[name as keyof typeof expected]);
  });
});
