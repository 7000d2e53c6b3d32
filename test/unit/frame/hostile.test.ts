import { describe, expect, it } from "vitest";
import type { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import { PREFIX_BYTES } from "../../../runtime/frame/prefix.ts";
import { FRAME_DEPTH_MAX } from "../../../runtime/limits.ts";
import { frameWith, frameWithValue, systemErrorOf } from "./fixtures.ts";

describe("a frame that breaks the format", () => {
  const invalid: [string, Uint8Array][] = [
    ["bytes behind a bare prefix", frameWith(new Uint8Array(0), Uint8Array.of(0))],
    ["a header that is no pair", frameWith(Uint8Array.of(0x91, 0x90))],
    ["a header that is no array", frameWith(Uint8Array.of(0x01))],
    ["blob lengths that are no array", frameWith(Uint8Array.of(0x92, 0x80, 0xc0))],
    ["a blob length that is no number", frameWith(Uint8Array.of(0x92, 0x91, 0xa0, 0xc0))],
    ["a negative blob length", frameWith(Uint8Array.of(0x92, 0x91, 0xff, 0xc0))],
    [
      "a blob length of NaN",
      frameWith(Uint8Array.of(0x92, 0x91, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0)),
    ],
    ["a fractional blob length", frameWith(Uint8Array.of(0x92, 0x91, 0xca, 0x3f, 0, 0, 0, 0xc0))],
    [
      "a bigint as blob length",
      frameWith(Uint8Array.of(0x92, 0x91, 0xcf, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0)),
    ],
    ["a blob over the end", frameWith(Uint8Array.of(0x92, 0x91, 1, 0xd6, 1, 0, 0, 0, 0))],
    ["a blob that nothing names", frameWith(Uint8Array.of(0x92, 0x91, 0, 0xc0), new Uint8Array(4))],
    ["bytes that are no blob's", frameWith(Uint8Array.of(0x92, 0x90, 0xc0), Uint8Array.of(1))],
    ["the name of a blob that isn't there", frameWithValue(0xd6, 1, 0, 0, 0, 0)],
    [
      "a blob's name among the lengths",
      frameWith(Uint8Array.of(0x92, 0x91, 0xd6, 1, 0, 0, 0, 0, 0xc0)),
    ],
    [
      "an unknown kind of blob",
      frameWith(Uint8Array.of(0x92, 0x91, 0, 0xd6, 1, 99, 0, 0, 0), new Uint8Array(7)),
    ],
    [
      "half an element",
      frameWith(Uint8Array.of(0x92, 0x91, 3, 0xd6, 1, 3, 0, 0, 0), new Uint8Array(10)),
    ],
    [
      "a blob named twice",
      frameWith(
        Uint8Array.of(0x92, 0x91, 0, 0x92, 0xd6, 1, 0, 0, 0, 0, 0xd6, 1, 0, 0, 0, 0),
        new Uint8Array(0),
      ),
    ],
    [
      "blobs named out of order",
      frameWith(
        Uint8Array.of(0x92, 0x92, 0, 0, 0x92, 0xd6, 1, 0, 0, 1, 0, 0xd6, 1, 0, 0, 0, 0),
        new Uint8Array(7),
      ),
    ],
    [
      "one of two blobs named twice",
      frameWith(
        Uint8Array.of(0x92, 0x92, 0, 0, 0x92, 0xd6, 1, 0, 0, 0, 0, 0xd6, 1, 0, 0, 0, 0),
        new Uint8Array(7),
      ),
    ],
    [
      "a fractional length before a whole one",
      frameWith(
        Uint8Array.from(
          [
            [0x92, 0x92, 0xca, 0x3f, 0, 0, 0, 1],
            [0x92, 0xd6, 1, 255, 0, 0, 0, 0xd6, 1, 0, 0, 1, 0],
          ].flat(),
        ),
        new Uint8Array(4),
      ),
    ],
    ["a type that no value has", frameWithValue(0xc1)],
    ["a record", frameWithValue(0xd4, 0x72, 0x40)],
    ["too many levels", frameWithValue(...new Array<number>(FRAME_DEPTH_MAX).fill(0x91), 0xc0)],
    [
      "too many values",
      frameWith(Buffer.concat([Buffer.from("9290dd00011170", "hex"), Buffer.alloc(70_000)])),
    ],
    ["a count past the end", frameWithValue(0xdd, 0, 0, 0xff, 0xff, 0)],
    ["a string past the end", frameWithValue(0xd9, 9, 0x41)],
    ["a key that is a number", frameWithValue(0x81, 1, 1)],
    ["a key that is an array", frameWithValue(0x81, 0x90, 1)],
    ["nil among other keys", frameWithValue(0x82, 0xc0, 1, 0xa0, 1)],
    ["an error that is no triple", frameWithValue(0x81, 0xc0, 1)],
    ["an error without a code", frameWithValue(0x81, 0xc0, 0x93, 1, 0xa0, 0x80)],
    ["an error without a text", frameWithValue(0x81, 0xc0, 0x93, 0xa0, 1, 0x80)],
    ["an error whose place is null", frameWithValue(0x81, 0xc0, 0x93, 0xa0, 0xa0, 0xc0)],
    ["an error whose place is an array", frameWithValue(0x81, 0xc0, 0x93, 0xa0, 0xa0, 0x90)],
    [
      "an error whose place holds an object",
      frameWithValue(0x81, 0xc0, 0x93, 0xa0, 0xa0, 0x81, 0xa1, 0x61, 0x80),
    ],
    ["a date of 1e9 nanoseconds", frameWithValue(0xd7, 0xff, 0xee, 0x6b, 0x28, 0, 0, 0, 0, 0)],
    [
      "a date past the last",
      frameWithValue(0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255),
    ],
    ["a ref of no exact size", refFrame({ size: 0xff })],
    ["a ref to no node, without its object", refFrame({ role: 0 })],
    ["a ref to a node of no role", refFrame({ role: 0x78 })],
    ["a ref to a node, with its object", refFrame({ inline: 1 }, Uint8Array.of(1))],
    ["a ref whose object isn't there", refFrame({ role: 0, inline: 1 })],
    ["a ref with half a mark", refFrame({ inline: 2 })],
    ["a ref with an index for nothing", refFrame({ index: 1 })],
  ];

  it.each(invalid)("is refused: %s", (_name, frame) => {
    expect(systemErrorOf(() => decodeFrame(frame)).code).toBe("FRAME_INVALID");
  });

  it("says of a blob over the end that it is", () => {
    const frame = frameWith(Uint8Array.of(0x92, 0x91, 1, 0xd6, 1, 0, 0, 0, 0));
    expect(systemErrorOf(() => decodeFrame(frame)).what).toContain("passes the end");
  });

  it("gives an error of an unknown code as INTERNAL", () => {
    const { value } = decodeFrame(frameWithValue(0x81, 0xc0, 0x93, 0xa1, 0x41, 0xa1, 0x42, 0x80));
    expect((value as SystemError).toData()).toEqual({ code: "INTERNAL", what: "B", where: {} });
  });
});

/** A frame with one ref of these bytes, and perhaps a blob. */
function refFrame({ size = 0, role = 0x77, inline = 0, index = 0 }, blob?: Uint8Array): Uint8Array {
  const ref = [
    0xc7,
    42,
    2,
    ...new Array<number>(16).fill(0xee),
    ...new Array<number>(8).fill(size),
  ];
  const job = [...new Array<number>(8).fill(1), role, ...new Array<number>(6).fill(0)];
  const value = [...ref, ...job, inline, index, 0];
  if (blob === undefined) return frameWithValue(...value);
  const header = Uint8Array.from([0x92, 0x91, blob.length, ...value]);
  const padded = new Uint8Array((8 - ((PREFIX_BYTES + header.length) % 8)) % 8);
  return frameWith(header, Uint8Array.from([...padded, ...blob]));
}
