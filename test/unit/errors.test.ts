/** The closed table of failures, and how an error crosses a process. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  type ErrorCode,
  errorFromData,
  ERRORS,
  SystemError,
  toSystemError,
} from "../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../runtime/frame/codec.ts";
import {
  ERROR_FIELD_TEXT_MAX,
  ERROR_FIELDS_MAX,
  ERROR_TEXT_MAX,
  FRAME_BYTES_MAX,
} from "../../runtime/limits.ts";
import { errorData, parseMessage } from "../../runtime/messages.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CODES = Object.keys(ERRORS) as ErrorCode[];
const SOURCES = globSync("{runtime,head,worker,solver,actors}/**/*.ts", {
  cwd: ROOT,
  exclude: ["**/node_modules/**"],
}).filter((path) => path !== "runtime/errors.ts");
const TEXTS = SOURCES.map((path) => [path, readFileSync(`${ROOT}/${path}`, "utf8")] as const);

describe("the table", () => {
  test("has no code that nothing throws", () => {
    const all = TEXTS.map(([, text]) => text).join("\n");
    expect(CODES.filter((code) => !all.includes(`"${code}"`))).toEqual([]);
  });

  test("has every code that is thrown", () => {
    const thrown = TEXTS.flatMap(([path, text]) =>
      [...text.matchAll(/new SystemError\(\s*"([A-Z_]+)"/g)].map(([, code = ""]) => [path, code]),
    );
    expect(thrown.length).toBeGreaterThan(100);
    expect(thrown.filter(([, code = ""]) => !Object.hasOwn(ERRORS, code))).toEqual([]);
  });

  test.each(CODES)("says of %s what it means, what to do and how the command ends", (code) => {
    const { meaning, retry, exit } = ERRORS[code];
    expect(meaning).toMatch(/^\S.{10,}\.$/);
    expect(["never", "later", "elsewhere"]).toContain(retry);
    expect([1, 2, 3, 4, 5, 6, 130]).toContain(exit);
    const error = new SystemError(code, "what");
    expect([error.retry, error.exit]).toEqual([retry, exit]);
  });
});

describe("an error", () => {
  const error = new SystemError("FASTQ_TRUNCATED", "cut off", { uri: "/a.fq", record: 7 }, "cause");

  test("says what and where in its message, and keeps its cause", () => {
    expect(error.message).toBe("FASTQ_TRUNCATED: cut off (uri /a.fq, record 7)");
    expect(error.cause).toBe("cause");
    expect(new SystemError("INTERNAL", "no").message).toBe("INTERNAL: no");
  });

  test("crosses with its texts cut, so that it always fits a frame", () => {
    const long = new SystemError("APPLICATION", "x".repeat(600_000), { uri: "y".repeat(600_000) });
    const { what, where } = long.toData();
    expect([what.length, where.uri?.length]).toEqual([ERROR_TEXT_MAX, ERROR_FIELD_TEXT_MAX]);
  });

  test("is the same after it crossed a process", () => {
    const again = errorFromData(JSON.parse(JSON.stringify(error.toData())) as never);
    expect(again).toBeInstanceOf(SystemError);
    expect(again.message).toBe(error.message);
    expect(again.toData()).toEqual(error.toData());
  });

  test("crosses in a frame, also with a place that isn't known", () => {
    const vague = new SystemError("INPUT_UNREADABLE", "no", {
      uri: "/a",
      rank: undefined,
    } as never);
    const none = "0".repeat(16) as never;
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, destination: none, source: none }, vague.toData());
    expect(parseMessage(errorData, decodeFrame(frame).value)).toEqual({
      code: "INPUT_UNREADABLE",
      what: "no",
      where: { uri: "/a" },
    });
  });

  test("of a code from elsewhere is INTERNAL, and no inherited name is a code", () => {
    for (const code of ["NEWER", "toString", "__proto__"]) {
      const data = { code, what: "no", where: {} } as never;
      expect(errorFromData(data).code).toBe("INTERNAL");
      expect(() => parseMessage(errorData, data)).toThrow("FRAME_INVALID");
    }
  });

  test("is made of anything thrown", () => {
    expect(toSystemError(error)).toBe(error);
    const thrown = new TypeError("not a function");
    const made = toSystemError(thrown, "APPLICATION");
    expect(made).toMatchObject({ code: "APPLICATION", what: "not a function", cause: thrown });
    expect(toSystemError(thrown).where).toEqual({});
    expect(toSystemError("text")).toMatchObject({ code: "INTERNAL", what: "text" });
  });

  test("of user code says its class and the line of user code that made it", () => {
    const thrown = new RangeError("no such row");
    const made = toSystemError(thrown, "APPLICATION").toData();
    expect(made.where).toMatchObject({ error: "RangeError" });
    thrown.stack = [
      "RangeError: at file:///not/a/frame.ts:1:1",
      `    at decode (${new URL("../../runtime/frame/codec.ts", import.meta.url).href}:9:9)`,
      "    at parse (file:///home/ann/node_modules/csv/index.js:4:2)",
      "    at new Promise (<anonymous>)",
      "    at async Table.row (file:///home/ann/table.ts:14:27)",
      "    at file:///home/ann/table.ts:90:3",
    ].join("\n");
    expect(toSystemError(thrown, "APPLICATION").where).toEqual({
      error: "RangeError",
      at: "file:///home/ann/table.ts:14:27",
    });
    thrown.stack = "of no known form";
    thrown.name = "Error";
    expect(toSystemError(thrown, "APPLICATION").where).toEqual({});
    Object.defineProperty(thrown, "stack", { value: { at: 1 } });
    expect(toSystemError(thrown, "APPLICATION").where).toEqual({});
  });

  test.each<[string, unknown]>([
    ["without a prototype", Object.create(null)],
    [
      "that can't become text",
      {
        toString: () => {
          throw new Error("no");
        },
      },
    ],
    [
      "whose message throws",
      withMessage({
        get: () => {
          throw new Error("no");
        },
      }),
    ],
    ["whose message is no text", withMessage({ value: { a: 1 } })],
    [
      "that hides its class",
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error("no");
          },
        },
      ),
    ],
    [
      "with a place that is no data",
      new SystemError("APPLICATION", "no", { a: { b: 1 } } as never),
    ],
    [
      "with a place that throws",
      placed({
        get a() {
          throw new Error("no");
        },
      }),
    ],
    ["without a place", placed(undefined)],
    ["with a text that is none", new SystemError("APPLICATION", { a: 1 } as never)],
    ["of no code", new SystemError("NEWER" as never, "no")],
  ])("is made of something %s, and crosses", (_, thrown) => {
    const data = toSystemError(thrown, "APPLICATION").toData();
    expect(parseMessage(errorData, JSON.parse(JSON.stringify(data)))).toEqual(data);
  });

  test("with thousands of fields crosses with a few", () => {
    const field = (i: number) => [`${"k".repeat(9_000)}${i}`, "v".repeat(9_000)];
    const where = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => field(i)));
    where["first"] = "x";
    const many = new SystemError("APPLICATION", "no", { first: 1, ...where }).toData();
    expect(Object.keys(many.where).length).toBeLessThanOrEqual(ERROR_FIELDS_MAX);
    expect(many.where["first"]).toBe("x");
    expect(JSON.stringify(many).length).toBeLessThan(FRAME_BYTES_MAX / 2);
  });
});

function withMessage(property: PropertyDescriptor): Error {
  return Object.defineProperty(new Error("no"), "message", property);
}

function placed(where: unknown): SystemError {
  return Object.assign(new SystemError("APPLICATION", "no"), { where });
}
