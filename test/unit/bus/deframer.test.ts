import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deframer } from "../../../runtime/bus/deframer.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { PREFIX_BYTES } from "../../../runtime/frame/prefix.ts";
import { FRAME_BYTES_MAX } from "../../../runtime/limits.ts";
import { FIELDS, systemErrorOf } from "../frame/fixtures.ts";

function frameOf(bytes: number, fill: number): Buffer {
  return Buffer.from(
    encodeFrame(FIELDS, bytes === 0 ? undefined : new Uint8Array(bytes).fill(fill)),
  );
}

function collect(): { deframer: Deframer; frames: Buffer[] } {
  const frames: Buffer[] = [];
  return { deframer: new Deframer((frame) => frames.push(Buffer.from(frame))), frames };
}

describe("a deframer", () => {
  it("gives the same frames however the stream is cut", () => {
    const sizes = fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
    fc.assert(
      fc.property(sizes, cuts, (lengths, chunkBytes) => {
        const sent = lengths.map((bytes, i) => frameOf(bytes, i));
        const stream = Buffer.concat(sent);
        const { deframer, frames } = collect();
        for (let at = 0, i = 0; at < stream.length; i++) {
          const n = chunkBytes[i % chunkBytes.length] ?? 1;
          deframer.push(stream.subarray(at, at + n));
          at += n;
        }
        expect(frames).toEqual(sent);
        expect(deframer.partialBytes).toBe(0);
      }),
    );
  });

  it("doesn't copy a frame that lies in one chunk", () => {
    const chunk = Buffer.concat([frameOf(10, 1), frameOf(20, 2)]);
    const buffers: unknown[] = [];
    new Deframer((frame) => buffers.push(frame.buffer)).push(chunk);
    expect(buffers).toEqual([chunk.buffer, chunk.buffer]);
  });

  it("takes the longest frame and refuses one byte more before it keeps any", () => {
    const longest = frameOf(FRAME_BYTES_MAX - 56, 3);
    expect(longest.length).toBe(FRAME_BYTES_MAX);
    const { deframer, frames } = collect();
    for (let at = 0; at < longest.length; at += 65_536)
      deframer.push(longest.subarray(at, at + 65_536));
    expect(frames).toEqual([longest]);

    const start = Buffer.from(longest.subarray(0, PREFIX_BYTES));
    start.writeUInt32LE(FRAME_BYTES_MAX + 1, 4);
    for (const cut of [8, 3]) {
      const refusing = collect().deframer;
      if (cut < 8) refusing.push(start.subarray(0, cut));
      const rest = cut < 8 ? start.subarray(cut) : start;
      expect(systemErrorOf(() => refusing.push(rest)).code).toBe("FRAME_TOO_LARGE");
      expect(refusing.partialBytes).toBeLessThanOrEqual(8);
    }
  });

  it("refuses another version and a length under the prefix's", () => {
    const frame = frameOf(10, 1);
    const version = Buffer.from(frame);
    version[0] = 9;
    expect(systemErrorOf(() => collect().deframer.push(version)).code).toBe("FRAME_VERSION");
    const short = Buffer.from(frame);
    short.writeUInt32LE(PREFIX_BYTES - 1, 4);
    expect(systemErrorOf(() => collect().deframer.push(short)).code).toBe("FRAME_INVALID");
    short.writeUInt32LE(0, 4);
    expect(systemErrorOf(() => collect().deframer.push(short)).code).toBe("FRAME_INVALID");
  });
});
