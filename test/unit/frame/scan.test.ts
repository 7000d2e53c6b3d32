import { describe, expect, it } from "vitest";
import { scanHeader } from "../../../runtime/frame/scan.ts";
import { FRAME_BYTES_MAX, FRAME_DEPTH_MAX, FRAME_VALUES_MAX } from "../../../runtime/limits.ts";
import { systemErrorOf } from "./fixtures.ts";

type Bytes = (number | readonly number[])[];

function scan(...bytes: Bytes): number {
  const header = bytes.flat();
  // Bytes around the header that a scan must never take into account.
  const around = Uint8Array.from([0xc1, header, 0x90, 0x90, 0x90, 0x90, 0x90].flat());
  return scanHeader(around, 1, 1 + header.length).values;
}

function refusal(...bytes: Bytes): string {
  const error = systemErrorOf(() => scan(...bytes));
  expect(error.code).toBe("FRAME_INVALID");
  return error.what;
}

const filled = (n: number, ...head: number[]): number[] => [
  ...head,
  ...new Array<number>(n).fill(0),
];

describe("the scan", () => {
  it("counts values, keys among them", () => {
    expect(scan(0x01)).toBe(1);
    expect(scan(0x93, 0x01, 0xa1, 0x41, 0xc0)).toBe(4);
    expect(scan(0x82, 0xa1, 0x61, 0x90, 0xa1, 0x62, 0x91, 0xc2)).toBe(6);
  });

  it("takes exactly the types that cross", () => {
    for (const [type, size] of [
      [0xc0, 0],
      [0xc2, 0],
      [0xc3, 0],
      [0xca, 4],
      [0xcb, 8],
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
      [0xcf, 8],
      [0xd0, 1],
      [0xd1, 2],
      [0xd2, 4],
      [0xd3, 8],
      [0x7f, 0],
      [0xe0, 0],
      [0xff, 0],
    ] as const) {
      expect(scan(...filled(size, type))).toBe(1);
    }
    expect(scan(...filled(3, 0xd9, 3))).toBe(1);
    expect(scan(...filled(3, 0xda, 0, 3))).toBe(1);
    expect(scan(...filled(3, 0xdb, 0, 0, 0, 3))).toBe(1);
    expect(scan(...filled(2, 0xdc, 0, 2))).toBe(3);
    expect(scan(...filled(2, 0xdd, 0, 0, 0, 2))).toBe(3);
    expect(scan(0xde, 0, 1, 0xa0, 0)).toBe(3);
    expect(scan(0xdf, 0, 0, 0, 1, 0xa0, 0)).toBe(3);
  });

  it("takes exactly four extensions: undefined, date, blob, ref", () => {
    const passed = [
      [0xd4, 0, 0],
      filled(4, 0xd6, 0xff),
      filled(8, 0xd7, 0xff),
      filled(12, 0xc7, 12, 0xff),
      filled(4, 0xd6, 1),
      filled(42, 0xc7, 42, 2),
    ];
    for (const bytes of passed) expect(scan(...bytes)).toBe(1);

    const fixed = [
      [0xd4, 1],
      [0xd5, 2],
      [0xd6, 4],
      [0xd7, 8],
      [0xd8, 16],
    ] as const;
    for (const [type, size] of fixed) {
      for (let kind = 0; kind < 256; kind++) {
        if (type === 0xd4 && kind === 0) continue;
        if (type === 0xd6 && (kind === 1 || kind === 0xff)) continue;
        if (type === 0xd7 && kind === 0xff) continue;
        refusal(...filled(size, type, kind));
      }
    }
    for (let kind = 0; kind < 256; kind++) {
      for (const n of [0, 1, 11, 12, 13, 41, 42, 43]) {
        if ((kind === 0xff && n === 12) || (kind === 2 && n === 42)) continue;
        refusal(...filled(n, 0xc7, n, kind));
      }
      refusal(...filled(42, 0xc8, 0, 42, kind));
      refusal(...filled(42, 0xc9, 0, 0, 0, 42, kind));
    }
  });

  it("refuses what msgpackr would instantiate: records, errors, expressions, typed arrays", () => {
    refusal(0xd4, 0x72, 0x40);
    refusal(0xd5, 0x72, 0x40, 0x00);
    refusal(...filled(1, 0xd4, 0x70));
    refusal(...filled(4, 0xd6, 0x69));
    refusal(0xc7, 6, 0x65, 0x93, 0xa1, 0x45, 0xa1, 0x78, 0xc0);
    refusal(0xc7, 4, 0x78, 0x92, 0xa1, 0x61, 0xa0);
    refusal(0xc7, 5, 0x74, 4, 0, 0, 0, 0);
    refusal(0xd4, 0, 1);
  });

  it("refuses bin and the reserved type", () => {
    for (const type of [0xc1, 0xc4, 0xc5, 0xc6]) refusal(...filled(5, type));
  });

  it("holds every length against the end", () => {
    for (const bytes of [[], [0x92, 0x01], [0x92]]) expect(refusal(bytes)).toMatch(/cut|count/);
    expect(refusal(0x92, [0xd9, 1, 0x41])).toContain("a value is cut off");
    for (const bytes of [
      [0xa1],
      filled(30, 0xbf),
      [0xd9, 1],
      [0xda, 0, 1],
      [0xdb, 255, 255, 255, 255],
    ]) {
      expect(refusal(bytes)).toContain("a length passes the end");
    }
    for (const bytes of [
      [0xd9],
      [0xda, 0],
      [0xdb, 0, 0, 0],
      [0xdc, 0],
      [0xdd, 0, 0, 0],
      [0xde],
      [0xdf],
    ]) {
      expect(refusal(bytes)).toContain("a length is cut off");
    }
    const sizes = {
      4: [0xca, 0xce, 0xd2],
      8: [0xcb, 0xcf, 0xd3],
      1: [0xcc, 0xd0],
      2: [0xcd, 0xd1],
    };
    for (const [size, types] of Object.entries(sizes)) {
      for (const type of types)
        expect(refusal(filled(Number(size) - 1, type))).toContain("passes the end");
    }
    for (const bytes of [
      [0xd4, 0],
      [0xd6, 0xff, 0, 0, 0],
      [0xd7, 0xff],
      [0xc7, 12, 0xff],
      filled(41, 0xc7, 42, 2),
    ]) {
      expect(refusal(bytes)).toMatch(/passes the end|isn't allowed/);
    }
    for (const bytes of [[0xd4], [0xc7], [0xc7, 12]]) refusal(bytes);
  });

  it("refuses counts that the bytes left can't hold", () => {
    for (const bytes of [[0x91], [0x81, 0xa0], [0xdc, 0xff, 0xff], [0xde, 0xff, 0xff]]) {
      expect(refusal(bytes)).toContain("a count passes the end");
    }
  });

  it("refuses 32-bit counts whose sum would wrap to a legal one", () => {
    for (const count of [
      [0xff, 0xff, 0xff, 0xff],
      [0x80, 0, 0, 0],
      [0x7f, 0xff, 0xff, 0xff],
      [0x40, 0, 0, 0],
    ]) {
      for (const type of [0xdd, 0xdf]) {
        expect(refusal(type, count)).toContain("values");
        // As one of five: what follows would be taken for its four siblings.
        expect(refusal(0x95, type, count)).toContain("values");
      }
    }
  });

  it("refuses bytes behind the value", () => {
    expect(refusal(0x01, 0x01)).toContain("after the value");
    refusal(0x90, 0x90);
  });

  it("takes the depth bound itself and refuses one more", () => {
    const nested = (n: number, last: number): number[] => [
      ...new Array<number>(n).fill(0x91),
      last,
    ];
    expect(scan(...nested(FRAME_DEPTH_MAX, 0x01))).toBe(FRAME_DEPTH_MAX + 1);
    expect(refusal(...nested(FRAME_DEPTH_MAX, 0x90))).toContain("deeper");
    expect(refusal(nested(200_000, 0x01))).toContain("deeper");
    const maps = new Array<number[]>(FRAME_DEPTH_MAX + 1).fill([0x81, 0xa0]).flat();
    expect(refusal(...maps, 0xc0)).toContain("deeper");
  });

  it("takes the value bound itself and refuses one more", () => {
    const items = (n: number): number[] => filled(n, 0xdd, 0, n >>> 16, (n >>> 8) & 255, n & 255);
    expect(scan(items(FRAME_VALUES_MAX - 1))).toBe(FRAME_VALUES_MAX);
    expect(refusal(items(FRAME_VALUES_MAX))).toContain("values");
  });

  // How long that takes, test/integration/frame/cost.test.ts measures, in a plain process.
  it("refuses 512 KiB of empty arrays", () => {
    const n = FRAME_BYTES_MAX - 5;
    const bombs = [
      Uint8Array.of(0xdd, 0, (n >>> 16) & 255, (n >>> 8) & 255, n & 255),
      // Many halves, each of a count that the scan can't refuse at once.
      Uint8Array.of(0x98, 0xdc, 0xff, 0xff, 0x90),
    ];
    for (const head of bombs) {
      const bytes = new Uint8Array(FRAME_BYTES_MAX).fill(0x90);
      bytes.set(head);
      expect(systemErrorOf(() => scanHeader(bytes, 0, bytes.length)).code).toBe("FRAME_INVALID");
    }
  });
});
