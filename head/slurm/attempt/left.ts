/**
 * What an attempt leaves in its folder while and after it runs: its progress and its error line.
 * Logs may be long and are written meanwhile: only their ends are read.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { LOG_TAIL_BYTES_MAX } from "../../../runtime/limits.ts";

const progressLine = v.object({
  progress: v.object({
    phase: v.pipe(v.string(), v.maxLength(64)),
    fraction: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    seconds: v.pipe(v.number(), v.minValue(0)),
  }),
});
/** What the solver does now, how much of that is done, and for how long it has run. */
export type SolverProgress = v.InferOutput<typeof progressLine>["progress"];

const errorLine = v.object({
  error: v.object({
    code: v.pipe(v.string(), v.maxLength(64)),
    what: v.string(),
    where: v.optional(v.record(v.string(), v.any()), {}),
  }),
});
export interface SolverError {
  readonly code: string;
  readonly what: string;
  readonly where: Readonly<Record<string, string | number>>;
}

/** The last progress line of the solver's stdout; undefined before the first. */
export async function readProgress(folder: string): Promise<SolverProgress | undefined> {
  const said = await lastLine(join(folder, "stdout.log"), progressLine);
  return said?.progress;
}

/** The last error line `{"error":{code,what,where}}` among the solver's stderr, if there is one. */
export async function readSolverError(folder: string): Promise<SolverError | undefined> {
  const said = await lastLine(join(folder, "stderr.log"), errorLine);
  if (said === undefined) return undefined;
  const { code, what, where } = said.error;
  const plain = Object.entries(where).map(
    ([key, value]) =>
      [
        key,
        typeof value === "string" || typeof value === "number" ? value : JSON.stringify(value),
      ] as const,
  );
  return { code, what, where: Object.fromEntries(plain) };
}

/** The last whole line of a log that a schema takes. */
async function lastLine<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
): Promise<v.InferOutput<Schema> | undefined> {
  const lines = (await readTail(path)).split("\n").slice(0, -1);
  for (const line of lines.reverse()) {
    const parsed = v.safeParse(schema, parseJson(line));
    if (parsed.success) return parsed.output;
  }
  return undefined;
}

/** A text's last LOG_TAIL_BYTES_MAX bytes; empty where there is no file. */
export async function readTail(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    const length = Math.min(size, LOG_TAIL_BYTES_MAX);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  } finally {
    await file.close();
  }
}

/** The value of a line that is a JSON object; undefined for any other. */
export function parseJson(text: string): unknown {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
