/** Executors' output: whole lines in order, bounded on disk, and what is lost is known. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOG_LINE_BYTES_MAX, LOG_MESSAGE_BYTES } from "../../../runtime/limits.ts";
import { OutputLog, type Stream } from "../../../worker/machine/output.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lgo-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function newLog(bytesMax?: number): OutputLog {
  return new OutputLog(join(folder, "x.log"), bytesMax);
}

/** All that can be read from a position on. */
function readAll(log: OutputLog, from = 0) {
  const parts: { stream: Stream; text: string }[] = [];
  let lost = 0;
  let position = from;
  for (let part = log.read(position); part !== undefined; part = log.read(position)) {
    parts.push({ stream: part.stream, text: part.text });
    lost += part.lost;
    position = part.next;
  }
  return { parts, lost, position, text: parts.map(({ text }) => text).join("") };
}

describe("output", () => {
  test("is read as whole lines of one stream, in their order", () => {
    const log = newLog();
    log.take("stdout", Buffer.from("one\ntw"));
    log.take("stderr", Buffer.from("error\n"));
    expect(readAll(log).parts).toEqual([
      { stream: "stdout", text: "one\n" },
      { stream: "stderr", text: "error\n" },
    ]);
    log.take("stdout", Buffer.from("o\n"));
    log.take("stdout", Buffer.from("last"));
    expect(readAll(log, 10).parts).toEqual([{ stream: "stdout", text: "two\n" }]);
    log.close();
    log.take("stdout", Buffer.from("too late\n"));
    expect(readAll(log).text).toBe("one\nerror\ntwo\nlast\n");
  });

  test("goes on where a reader was, also within a block that has grown", () => {
    const log = newLog();
    log.take("stdout", Buffer.from("a\n"));
    const { position } = readAll(log);
    log.take("stdout", Buffer.from("b\n"));
    expect(readAll(log, position).text).toBe("b\n");
  });

  test("keeps the newest bytes, at most as many as it may, and says how many are lost", () => {
    const log = newLog(1_000);
    for (let i = 0; i < 300; i += 1) log.take(i % 7 === 0 ? "stderr" : "stdout", line(i));
    const { text, lost, position } = readAll(log);
    expect(position).toBe(300 * 8);
    expect(lost + text.length).toBe(300 * 8);
    expect(text.length).toBeLessThanOrEqual(1_000);
    expect(text.length).toBeGreaterThanOrEqual(500);
    expect(text.endsWith(line(299).toString())).toBe(true);
    expect(text.startsWith("line")).toBe(true);
    expect(log.start).toBe(lost);
  });

  test("that isn't UTF-8 is shown as such, and a long line is cut between characters", () => {
    const log = newLog();
    log.take("stdout", Buffer.of(0xff, 0xfe, 0x0a));
    expect(readAll(log).text).toBe("\ufffd\ufffd\n");
    const { position } = readAll(log);
    log.take("stdout", Buffer.from("ä".repeat(LOG_LINE_BYTES_MAX)));
    log.close();
    const lines = readAll(log, position).text.split("\n");
    expect(lines.join("")).toBe("ä".repeat(LOG_LINE_BYTES_MAX));
    for (const cut of lines) expect(Buffer.byteLength(cut)).toBeLessThan(LOG_LINE_BYTES_MAX);
  });

  test("that the disk doesn't take is lost, and only that", () => {
    const log = newLog(1_000);
    log.take("stdout", line(0));
    // A folder stands where the next file would be made.
    mkdirSync(join(folder, "x.log.0"));
    for (let i = 1; i < 100; i += 1) log.take("stdout", line(i));
    rmSync(join(folder, "x.log.0"), { recursive: true });
    log.take("stdout", line(100));
    const { text, lost, position } = readAll(log);
    expect(position).toBe(101 * 8);
    expect(lost).toBeGreaterThan(0);
    expect(text.length + lost).toBe(101 * 8);
    expect(text.startsWith("line000\n")).toBe(true);
    expect(text.endsWith("line100\n")).toBe(true);
  });

  test("leaves no file behind", () => {
    const log = newLog(100);
    for (let i = 0; i < 50; i += 1) log.take("stdout", line(i));
    expect(readdirSync(folder).sort()).toEqual(["x.log", "x.log.1"]);
    log.remove();
    expect(readdirSync(folder)).toEqual([]);
    expect(log.read(0)).toBeUndefined();
  });
});

test("whatever is written in whatever pieces comes back in messages that fit", () => {
  const piece = fc.record({
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    bytes: fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => bytes.map((b) => (b % 9 === 0 ? 10 : b))),
    times: fc.constantFrom(1, 1, 1, 400),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const log = newLog(64 * 1024 * 1024);
      const written: Record<Stream, Buffer[]> = { stdout: [], stderr: [] };
      for (const { stream, bytes, times } of pieces) {
        const chunk = Buffer.concat(Array.from({ length: times }, () => Buffer.from(bytes)));
        written[stream].push(chunk);
        log.take(stream, chunk);
      }
      log.close();
      const { parts } = readAll(log);
      for (const stream of ["stdout", "stderr"] as const) {
        const own = parts.filter((part) => part.stream === stream).map(({ text }) => text);
        for (const text of own) {
          expect(text.endsWith("\n")).toBe(true);
          expect(text.length).toBeLessThanOrEqual(LOG_MESSAGE_BYTES);
        }
        const all = Buffer.concat(written[stream]).toString("utf8");
        // Cuts and the last line's end are added line ends; characters that aren't may be cut.
        expect(plain(own.join(""))).toBe(plain(all));
      }
      log.remove();
    }),
    { numRuns: 60 },
  );
});

function plain(text: string): string {
  return text.replaceAll(/[\n\ufffd]/g, "");
}

function line(i: number): Buffer {
  return Buffer.from(`line${String(i).padStart(3, "0")}\n`);
}
