/** JSON lines over a pipe or socket between our own processes on one machine. */
import type { Readable, Writable } from "node:stream";
import { LINE_BYTES_MAX } from "../limits.ts";

/** A JSON object that came as a line; its fields are unchecked. */
export type JsonLine = Readonly<Record<string, unknown>>;

export interface LineHandlers {
  readonly onLine: (line: JsonLine) => void;
  /** Once: at the end, at an error, or at a line over LINE_BYTES_MAX or without a JSON object. */
  readonly onEnd: () => void;
}

/** Reads JSON lines until the stream ends; what breaks the format ends it. */
export function readLines(stream: Readable, handlers: LineHandlers): void {
  let rest = "";
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    stream.destroy();
    handlers.onEnd();
  };
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    if (ended) return;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = parse(text);
      if (line === undefined) return end();
      handlers.onLine(line);
    }
    if (rest.length > LINE_BYTES_MAX) end();
  });
  stream.on("end", end);
  stream.on("close", end);
  stream.on("error", end);
}

/** Writes one JSON line; a stream that is gone loses it. */
export function writeLine(stream: Writable, line: JsonLine): void {
  if (stream.writable) stream.write(`${JSON.stringify(line)}\n`);
}

function parse(text: string): JsonLine | undefined {
  if (text.length > LINE_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
