import { describe, expect, test } from "vitest";
import { crc32c, crc32cUpdate } from "../../../runtime/storage/crc32c.ts";

describe("crc32c", () => {
  test.each([
    ["nothing", Buffer.alloc(0), "00000000"],
    ["the check string", Buffer.from("123456789"), "e3069283"],
    ["32 zeros (RFC 3720, B.4)", Buffer.alloc(32), "8a9136aa"],
    ["32 ones (RFC 3720, B.4)", Buffer.alloc(32, 0xff), "62a8ab43"],
    [
      "32 rising bytes (RFC 3720, B.4)",
      Buffer.from(Array.from({ length: 32 }, (_, i) => i)),
      "46dd794e",
    ],
    [
      "32 falling bytes (RFC 3720, B.4)",
      Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)),
      "113fdb5c",
    ],
  ])("of %s is the published one", (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  test("is the same at every alignment and length, and when taken in pieces", () => {
    const memory = Uint8Array.from({ length: 200 }, (_, i) => (i * 151 + 7) & 255);
    for (let begin = 0; begin < 8; begin++) {
      for (let end = begin; end <= 100; end++) {
        const view = memory.subarray(begin, end);
        const expected = bitByBit(view);
        expect(crc32c(view)).toBe(expected);
        const half = view.length >> 1;
        const pieces = crc32cUpdate(crc32cUpdate(0, view.subarray(0, half)), view.subarray(half));
        expect((pieces >>> 0).toString(16).padStart(8, "0")).toBe(expected);
      }
    }
  });
});

/** The definition, one bit at a time. */
function bitByBit(bytes: Uint8Array): string {
  let state = -1;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? 0x82f63b78 : 0);
  }
  return (~state >>> 0).toString(16).padStart(8, "0");
}
