/** Items: their bytes are frozen, and nothing of another shape passes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "../../golden/items.json" with { type: "json" };
import { callerItem, hostItem, ITEM_NAMES } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { STREAM_WINDOW_ITEMS } from "../../../runtime/limits.ts";
import { FIELDS } from "../frame/fixtures.ts";

const error = new SystemError("APPLICATION", "broken", { record: 3 }).toData();
const toHost: Record<string, readonly unknown[]> = {
  call: [0, 1, "actor", "embed", [{ reads: ["ACGT"] }, 4]],
  "call with": [
    ...[1, 70_000, "actor", "embed", []],
    { deadlineMs: 250.5, retry: true, cancellable: true, window: 16 },
  ],
  cancel: [2, 5],
  grant: [3, 5, 8],
  settled: [4, [1, 2, 5_000_000_000]],
};
const toCaller: Record<string, readonly unknown[]> = {
  ok: [8, 1, Float32Array.of(1.5)],
  nothing: [8, 2, undefined],
  error: [9, 3, error],
  item: [10, 4, { row: 1 }],
  end: [11, 4],
  window: [12, "actor", 512],
  gone: [13, 5, error],
};
const frozen: Record<string, string> = golden;

describe("the frozen items of version 1", () => {
  const all = { ...toHost, ...toCaller };

  test("are all there", () => {
    expect(Object.keys(frozen)).toEqual(Object.keys(all));
  });

  test.each(Object.keys(all))("are still written and read: %s", (name) => {
    const item = all[name];
    expect(Buffer.from(encodeFrame(FIELDS, [item])).toString("hex")).toBe(frozen[name]);
    const { value } = decodeFrame(Buffer.from(frozen[name] ?? "", "hex"));
    expect(value).toStrictEqual([item]);
  });
});

describe("checks", () => {
  test.each(Object.keys(toHost))("let a host's item pass: %s", (name) => {
    expect(hostItem(toHost[name])).toBe(toHost[name]);
    expect(() => callerItem(toHost[name])).toThrow(/FRAME_INVALID/);
  });

  test.each(Object.keys(toCaller))("let a caller's item pass: %s", (name) => {
    expect(callerItem(toCaller[name])).toBe(toCaller[name]);
    expect(() => hostItem(toCaller[name])).toThrow(/FRAME_INVALID/);
  });

  const numbers = [0, -1, 1.5, Number.NaN, Infinity, 2 ** 53, "1", null, undefined, 1n];
  const extras = (more: object): unknown => [1, 1, "a", "m", [], more];
  const broken: readonly (readonly [string, unknown])[] = [
    ...numbers.map((id) => ["a call's number", [0, id, "a", "m", []]] as const),
    ...numbers.map((id) => ["a cancel's number", [2, id]] as const),
    ...numbers.map((items) => ["a grant's items", [3, 1, items]] as const),
    ...numbers.map((id) => ["a settled number", [4, [1, id]]] as const),
    ["no tuple", { 0: 0, length: 5 }],
    ["an empty tuple", []],
    ["a kind of text", ["0", 1, "a", "m", []]],
    ["an unknown kind", [5, 1]],
    ["a short call", [0, 1, "a", "m"]],
    ["a long call", [0, 1, "a", "m", [], {}]],
    ["an actor that is no text", [0, 1, 2, "m", []]],
    ["a method that is no text", [0, 1, "a", null, []]],
    ["arguments that are no list", [0, 1, "a", "m", {}]],
    ["no extras", [1, 1, "a", "m", []]],
    ["extras that are a list", extras([])],
    ["extras that are a date", extras(new Date())],
    ["a negative deadline", extras({ deadlineMs: -1 })],
    ["a deadline that is NaN", extras({ deadlineMs: Number.NaN })],
    ["an endless deadline", extras({ deadlineMs: Infinity })],
    ["a flag of text", extras({ retry: "yes" })],
    ["a window of nothing", extras({ window: 0 })],
    ["a window over the bound", extras({ window: STREAM_WINDOW_ITEMS + 1 })],
    ["settled numbers that are no list", [4, 7]],
    ["a long cancel", [2, 1, 1]],
  ];
  test.each(broken)("refuse for a host: %s", (_, value) => {
    expect(() => hostItem(value)).toThrow(/FRAME_INVALID/);
  });

  const answers: readonly (readonly [string, unknown])[] = [
    ...numbers.map((id) => ["a reply's number", [8, id, 1]] as const),
    ...numbers.map((calls) => ["a window's calls", [12, "a", calls]] as const),
    ["a reply without a value", [8, 1]],
    ["an end with one", [11, 1, 1]],
    ["an error without a code", [9, 1, { what: "", where: {} }]],
    ["an error's place that is a list", [9, 1, { code: "INTERNAL", what: "", where: [] }]],
    ["an error's place of objects", [9, 1, { code: "INTERNAL", what: "", where: { a: {} } }]],
    ["an error that is text", [13, 1, "gone"]],
    ["a window of a number", [12, 1, 1]],
    ["no tuple", "ok"],
  ];
  test.each(answers)("refuse for a caller: %s", (_, value) => {
    expect(() => callerItem(value)).toThrow(/FRAME_INVALID/);
  });

  test("never throw anything else, whatever comes", () => {
    const value = fc.oneof(
      fc.anything(),
      fc.tuple(fc.integer({ min: -1, max: 15 }), fc.anything(), fc.anything()),
      fc.array(fc.anything(), { maxLength: 7 }),
    );
    fc.assert(
      fc.property(value, (any) => {
        for (const check of [hostItem, callerItem]) {
          try {
            check(any);
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: "FRAME_INVALID" });
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("the names tell where users' values stand", () => {
  expect([ITEM_NAMES[4], ITEM_NAMES[2]]).toEqual(["args", "value"]);
});
