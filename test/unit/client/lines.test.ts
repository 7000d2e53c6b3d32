import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { type JsonLine, readLines, writeLine } from "../../../runtime/client/lines.ts";
import { LINE_BYTES_MAX } from "../../../runtime/limits.ts";

function reader() {
  const stream = new PassThrough();
  const lines: JsonLine[] = [];
  let ends = 0;
  readLines(stream, { onLine: (line) => lines.push(line), onEnd: () => (ends += 1) });
  return { stream, lines, ends: () => ends };
}

describe("JSON lines", () => {
  it("arrive whole, however they are cut", async () => {
    const { stream, lines, ends } = reader();
    for (const part of ['{"a":', "1}\n{", '"ü":"\\n"}\n{"c":3}\n']) stream.write(part);
    writeLine(stream, { d: [4] });
    stream.end();
    await once(stream, "close");
    expect(lines).toEqual([{ a: 1 }, { ü: "\n" }, { c: 3 }, { d: [4] }]);
    expect(ends()).toBe(1);
  });

  it("lose what comes after the last line's end", async () => {
    const { stream, lines, ends } = reader();
    stream.end('{"a":1}\n{"half":');
    await once(stream, "close");
    expect(lines).toEqual([{ a: 1 }]);
    expect(ends()).toBe(1);
  });

  it.each([
    ["text without JSON", "nonsense\n"],
    ["a value that isn't an object", "7\n"],
    ["null", "null\n"],
    ["a line over the bound", `{"a":"${"x".repeat(LINE_BYTES_MAX)}"}\n`],
  ])("end at %s", async (_what, text) => {
    const { stream, lines, ends } = reader();
    stream.write(text);
    stream.write('\n{"after":1}\n');
    await once(stream, "close");
    expect(lines).toEqual([]);
    expect(ends()).toBe(1);
  });

  it("end when one has no end", async () => {
    const { stream, lines, ends } = reader();
    stream.write(`{"a":"${"x".repeat(LINE_BYTES_MAX)}`);
    await once(stream, "close");
    expect(lines).toEqual([]);
    expect(ends()).toBe(1);
  });

  it("aren't written to a stream that is gone", () => {
    const stream = new PassThrough();
    stream.destroy();
    expect(() => writeLine(stream, { a: 1 })).not.toThrow();
  });
});
