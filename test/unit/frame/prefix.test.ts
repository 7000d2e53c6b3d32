import { describe, expect, it } from "vitest";
import {
  destinationOf,
  FRAME_LENGTH_BYTES,
  frameLengthOf,
  LANE_CONTROL,
  PREFIX_BYTES,
  readPrefix,
  sourceOf,
  writeAck,
  writePrefix,
} from "../../../runtime/frame/prefix.ts";
import { newProcessId, type ProcessId } from "../../../runtime/ids.ts";
import { FRAME_BYTES_MAX } from "../../../runtime/limits.ts";
import { FIELDS, systemErrorOf } from "./fixtures.ts";

/** A bare prefix with one change. */
function bare(change: (frame: DataView) => void = () => {}): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES);
  writePrefix(frame, FIELDS, { length: PREFIX_BYTES, headerLength: 0 });
  change(new DataView(frame.buffer));
  return frame;
}

function refusal(frame: Uint8Array): string {
  return systemErrorOf(() => readPrefix(frame)).code;
}

describe("the prefix", () => {
  it("has the layout of version 1, little-endian", () => {
    expect(Buffer.from(bare()).toString("hex")).toBe(
      "01010000" +
        "28000000" +
        "efcdab8967452301" +
        "1032547698badcfe" +
        "07000000" +
        "feffffff" +
        "29000000" +
        "00000000",
    );
  });

  it("reads back what was written", () => {
    expect(readPrefix(bare())).toEqual({ ...FIELDS, length: PREFIX_BYTES, headerLength: 0 });
    const control = { ...FIELDS, lane: LANE_CONTROL, link: 0xffffffff } as const;
    const frame = bare();
    writePrefix(frame, control, { length: PREFIX_BYTES, headerLength: 0 });
    expect(readPrefix(frame)).toEqual({ ...control, length: PREFIX_BYTES, headerLength: 0 });
  });

  it("gives every process id back, however many were seen", () => {
    const frame = bare();
    for (let i = 0; i < 5_000; i++) {
      const [destination, source] = [newProcessId(), newProcessId()];
      writePrefix(frame, { ...FIELDS, destination, source }, { length: 40, headerLength: 0 });
      expect(destinationOf(frame)).toBe(destination);
      expect(sourceOf(frame)).toBe(source);
    }
  });

  it("takes a newer ack into a built frame", () => {
    const frame = bare();
    writeAck(frame, 0xdeadbeef);
    expect(readPrefix(frame)).toMatchObject({ ...FIELDS, ack: 0xdeadbeef });
  });

  it("refuses another version", () => {
    expect(refusal(bare((view) => view.setUint8(0, 2)))).toBe("FRAME_VERSION");
  });

  it("refuses an unknown lane", () => {
    expect(refusal(bare((view) => view.setUint8(1, 2)))).toBe("FRAME_INVALID");
  });

  it("refuses flags that this version doesn't know", () => {
    expect(refusal(bare((view) => view.setUint16(2, 128, true)))).toBe("FRAME_INVALID");
    expect(refusal(bare((view) => view.setUint16(2, 0x8000, true)))).toBe("FRAME_INVALID");
    expect(readPrefix(bare((view) => view.setUint16(2, 127, true))).flags).toBe(127);
  });

  it("refuses a length that isn't the frame's own", () => {
    expect(refusal(bare((view) => view.setUint32(4, 41, true)))).toBe("FRAME_INVALID");
    for (const length of [0, 39]) {
      const frame = bare((view) => view.setUint32(4, length, true));
      expect(refusal(frame)).toBe("FRAME_INVALID");
      expect(systemErrorOf(() => frameLengthOf(frame, 0, 40)).code).toBe("FRAME_INVALID");
    }
  });

  it("refuses a length over the bound as too large", () => {
    expect(refusal(bare((view) => view.setUint32(4, FRAME_BYTES_MAX + 1, true)))).toBe(
      "FRAME_TOO_LARGE",
    );
  });

  it("refuses a header that is longer than the frame", () => {
    expect(refusal(bare((view) => view.setUint32(36, 1, true)))).toBe("FRAME_INVALID");
    expect(refusal(bare((view) => view.setUint32(36, 0xffffffff, true)))).toBe("FRAME_INVALID");
  });

  it("refuses a frame cut within its prefix, in every reader", () => {
    for (let n = 0; n < PREFIX_BYTES; n++) {
      const cut = bare().subarray(0, n);
      expect(refusal(cut)).toBe("FRAME_INVALID");
      expect(systemErrorOf(() => destinationOf(cut)).code).toBe("FRAME_INVALID");
      expect(systemErrorOf(() => sourceOf(cut)).code).toBe("FRAME_INVALID");
    }
  });

  it("tells a frame's length from its first eight bytes", () => {
    expect(frameLengthOf(bare(), 0, FRAME_LENGTH_BYTES)).toBe(PREFIX_BYTES);
    expect(systemErrorOf(() => frameLengthOf(bare(), 0, FRAME_LENGTH_BYTES - 1)).code).toBe(
      "FRAME_INVALID",
    );
  });

  it("takes a process id that isn't 16 hex digits for a mistake of ours", () => {
    const wrong = [
      "",
      "0123456789abcde",
      "0123456789abcdeg",
      "0123456789ABCDEF",
      "012345678:abcdef",
      "0123456789abcdeZ",
    ];
    for (const id of wrong) {
      const fields = { ...FIELDS, destination: id as ProcessId };
      const write = (): void => writePrefix(bare(), fields, { length: 40, headerLength: 0 });
      expect(systemErrorOf(write).code).toBe("INTERNAL");
    }
  });
});
