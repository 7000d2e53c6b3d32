import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { PREFIX_BYTES, writeU32 } from "../../../runtime/frame/prefix.ts";
import { anyValue, FIELDS, frameWith } from "./fixtures.ts";

/** How a frame is answered: a value, or the code of a typed error; anything else is thrown on. */
function answer(frame: Uint8Array): string {
  try {
    decodeFrame(frame);
    return "value";
  } catch (thrown) {
    if (thrown instanceof SystemError && thrown.code.startsWith("FRAME_")) return thrown.code;
    throw thrown;
  }
}

describe("for any value", () => {
  it("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const { prefix, value: back } = decodeFrame(encodeFrame(FIELDS, value));
        expect(prefix).toMatchObject(FIELDS);
        return isDeepStrictEqual(back, value);
      }),
      { numRuns: 1_000 },
    );
  });

  it("encoding is a function of the value", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const frame = encodeFrame(FIELDS, value);
        return Buffer.compare(frame, encodeFrame(FIELDS, decodeFrame(frame).value)) === 0;
      }),
      { numRuns: 300 },
    );
  });

  it("a frame cut at any byte is refused, with its own length or with the cut one's", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const frame = encodeFrame(FIELDS, value);
        for (let n = 0; n < frame.length; n++) {
          const cut = frame.slice(0, n);
          expect(answer(cut)).not.toBe("value");
          if (n < PREFIX_BYTES) continue;
          writeU32(cut, 4, n);
          // All of the header gone is a bare prefix only if it says so itself.
          expect(answer(cut)).not.toBe("value");
        }
      }),
      { numRuns: 60 },
    );
  });

  it("a frame with flipped bits gives a typed error or a value, and no other exception", () => {
    const flips = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyValue, flips, (value, bits) => {
        const frame = Uint8Array.from(encodeFrame(FIELDS, value));
        for (const bit of bits) {
          const at = (bit >>> 3) % frame.length;
          frame[at] = (frame[at] as number) ^ (1 << (bit & 7));
        }
        answer(frame);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("for any bytes", () => {
  it("a frame of them gives a typed error or a value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        answer(bytes);
        answer(frameWith(bytes));
        answer(frameWith(Uint8Array.from([0x92, 0x90, ...bytes])));
      }),
      { numRuns: 3_000 },
    );
  });

  it("a header of any types gives a typed error or a value", () => {
    // Type bytes far oftener than chance, so that the bytes get past the first check.
    const types = fc.constantFrom(
      0x80,
      0x81,
      0x90,
      0x92,
      0xa1,
      0xc0,
      0xc7,
      0xcb,
      0xcf,
      0xd4,
      0xd6,
      0xd7,
      0xd9,
      0xdc,
      0xdd,
      0xde,
      0xdf,
      0xff,
      0,
      1,
      2,
      12,
      42,
    );
    fc.assert(
      fc.property(
        fc.array(types, { maxLength: 60 }),
        fc.uint8Array({ maxLength: 20 }),
        (head, rest) => {
          answer(frameWith(Uint8Array.from([0x92, 0x90, ...head]), rest));
          answer(frameWith(Uint8Array.from([0x92, ...head]), rest));
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
