/** Inflating: C++ and TypeScript give the bytes that were deflated, or say what is wrong. */
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockSize, hasEndBlock, inflateBlocks } from "../../../actors/native/bgzf.ts";
import {
  GzipError,
  type InflateOptions,
  inflateGzip,
  type RestartPoint,
} from "../../../actors/native/gzip.ts";
import { dataFile, hasData } from "./data.ts";

const FORCES = [{}, { force: "typescript" }] as const;

interface All {
  readonly bytes: Buffer;
  readonly points: readonly RestartPoint[];
  readonly padding: number;
  readonly error?: string;
}

async function inflateAll(
  bytes: Uint8Array,
  options: InflateOptions = {},
  cut: number = bytes.length,
): Promise<All> {
  const parts: Uint8Array[] = [];
  const points: RestartPoint[] = [];
  let padding = 0;
  function* source(): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
  }
  try {
    for await (const piece of inflateGzip(source(), options)) {
      parts.push(piece.bytes);
      points.push(...piece.points);
      padding = piece.padding;
    }
    return { bytes: Buffer.concat(parts), points, padding };
  } catch (thrown) {
    if (!(thrown instanceof GzipError)) throw thrown;
    return { bytes: Buffer.concat(parts), points, padding, error: thrown.kind };
  }
}

/** Reads that look like reads: a text with blocks of dynamic codes. */
function reads(bytes: number): Buffer {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let text = "";
  for (let i = 0; text.length < bytes; i += 1) {
    const bases = Array.from({ length: 80 }, () => "ACGT"[random(4)]).join("");
    const quality = Array.from({ length: 80 }, () => "FFF:,#"[random(6)]).join("");
    text += `@read.${i}\n${bases}\n+\n${quality}\n`;
  }
  return Buffer.from(text);
}

describe.each(FORCES)("gzip %j", (force) => {
  test("of any members in any pieces is what was deflated", async () => {
    const member = fc.tuple(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(0, 1, 6, 9));
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 700 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.nat(20),
        async (members, cut, pieceBytes, zeros) => {
          const parts = members.map(([bytes, level]) => gzipSync(bytes, { level }));
          const file = Buffer.concat([...parts, Buffer.alloc(zeros)]);
          const all = await inflateAll(file, { ...force, pieceBytes }, cut);
          expect(all.error).toBeUndefined();
          expect(all.bytes).toEqual(Buffer.concat(members.map(([bytes]) => bytes)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("cut anywhere gives its beginning and says so", async () => {
    const text = reads(2000);
    const file = Buffer.concat([gzipSync(text.subarray(0, 900)), gzipSync(text.subarray(900))]);
    const first = gzipSync(text.subarray(0, 900)).length;
    for (let length = 0; length < file.length; length += 7) {
      const { bytes, error } = await inflateAll(file.subarray(0, length), force, 64);
      expect(error, String(length)).toBe(length === first ? undefined : "cut");
      expect(bytes.equals(text.subarray(0, bytes.length)), String(length)).toBe(true);
    }
  });

  test.each([
    ["checksum", (file: Buffer) => flip(file, file.length - 8)],
    ["checksum", (file: Buffer) => flip(file, file.length - 1)],
    ["header", (file: Buffer) => flip(file, 0)],
    ["header", (file: Buffer) => flip(file, 2)],
    ["header", (file: Buffer) => Buffer.concat([file, Buffer.from("tail")])],
    ["tail", (file: Buffer) => Buffer.concat([file, Buffer.from([0, 0, 1])])],
    ["cut", () => Buffer.alloc(0)],
  ])("damaged: %s", async (kind, damage) => {
    const file = damage(gzipSync(reads(3000)));
    expect((await inflateAll(file, force, 100)).error).toBe(kind);
  });

  test("a flipped bit never goes unnoticed", async () => {
    const text = reads(1500);
    const file = gzipSync(text);
    for (let at = 10; at < file.length; at += 31) {
      const { bytes, error } = await inflateAll(flip(file, at), force);
      expect(error === undefined && bytes.equals(text), String(at)).toBe(false);
    }
  });

  test("a transferred array of the source is refused", async () => {
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    await expect(inflateGzip([gone], force).next()).rejects.toThrow("was transferred");
  });
});

function flip(file: Buffer, at: number): Buffer {
  const damaged = Buffer.from(file);
  damaged[at] = (damaged[at] ?? 0) ^ 16;
  return damaged;
}

describe("restart points", () => {
  const text = reads(3_000_000);
  const files: readonly (readonly [string, Buffer])[] = [
    ["one member", gzipSync(text, { level: 6 })],
    ["fast", gzipSync(text, { level: 1 })],
    [
      "two members",
      Buffer.concat([gzipSync(text.subarray(0, 1_100_001)), gzipSync(text.subarray(1_100_001))]),
    ],
  ];

  test.each(files)("of %s: either form goes on from each with what follows", async (_, file) => {
    const { points, bytes } = await inflateAll(file, { spacing: 400_000 }, 50_000);
    expect(bytes.equals(text)).toBe(true);
    // Blocks of gzip hold less than half of the spacing here.
    expect(points.length).toBeGreaterThanOrEqual(4);
    for (const from of points) {
      const rest = file.subarray(Math.floor(from.bit / 8));
      for (const force of FORCES) {
        const all = await inflateAll(rest, { ...force, from, spacing: 400_000 }, 30_011);
        expect(all.error).toBeUndefined();
        expect(all.bytes.equals(text.subarray(from.out)), `${from.out}`).toBe(true);
        const cut = await inflateAll(rest.subarray(0, -3), { ...force, from });
        expect(cut.error).toBe("cut");
        const damaged = await inflateAll(flip(rest, rest.length - 6), { ...force, from });
        expect(damaged.error).toBe("checksum");
      }
    }
  });

  test("without blocks that show themselves there are none, and all bytes come", async () => {
    const file = gzipSync(text.subarray(0, 500_000), { level: 0 });
    const { bytes, error } = await inflateAll(file, { spacing: 1000 }, 4096);
    expect([error, bytes.length]).toEqual([undefined, 500_000]);
  });

  test("that can't be one are refused", async () => {
    const window = new Uint8Array(40_000);
    const from = { bit: 80, out: 0, memberOut: 0, crc: 0, atMember: false, window };
    await expect(inflateGzip([], { from }).next()).rejects.toThrow(RangeError);
  });
});

describe.runIf(hasData)("BGZF", () => {
  const file = hasData ? dataFile("biopython-quality", "example.fastq.bgz") : Buffer.alloc(0);

  test.each([1, 3, 64])("in %d groups is what gzip makes of it", async (groups) => {
    for (const force of [undefined, "typescript"] as const) {
      const parts = await inflateBlocks(Buffer.concat([file, file, file]), groups, force);
      const whole = gunzipSync(file);
      const bytes = Buffer.concat(parts.map((part) => part.bytes));
      expect(bytes.equals(Buffer.concat([whole, whole, whole]))).toBe(true);
      expect(parts.reduce((sum, part) => sum + part.consumed, 0)).toBe(3 * file.length);
    }
  });

  test("a block that is cut stays; damage is told where it is", async () => {
    for (const force of [undefined, "typescript"] as const) {
      const [part] = await inflateBlocks(file.subarray(0, -1), 1, force);
      expect(part?.consumed).toBe(file.length - 28);
      const second = blockSize(file, 0) ?? 0;
      const wrong = flip(Buffer.concat([file.subarray(0, second), file]), second * 2 - 6);
      await expect(inflateBlocks(wrong, 2, force)).rejects.toMatchObject({
        kind: "checksum",
        byteOffset: second,
      });
      await expect(inflateBlocks(flip(file, 1), 1, force)).rejects.toMatchObject({
        kind: "header",
      });
    }
  });

  test("the end block is told", () => {
    expect([hasEndBlock(file), hasEndBlock(file.subarray(0, -28))]).toEqual([true, false]);
  });
});
