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
import { ERROR_TEXT_MAX } from "../../runtime/limits.ts";
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
    expect([what.length, where.uri?.length]).toEqual([ERROR_TEXT_MAX, ERROR_TEXT_MAX]);
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
    expect(toSystemError("text")).toMatchObject({ code: "INTERNAL", what: "text" });
  });
});
