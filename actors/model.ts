/**
 * Encoders as data: `<name>/model.json` says what a graph is and how its rows may be compared, and
 * pins the graph's bytes.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { SystemError } from "../runtime/errors.ts";

const modelSchema = v.object({
  schema: v.literal(1),
  name: v.string(),
  /** The graph's file name, beside model.json. */
  file: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]+$/)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  dimensions: v.pipe(v.number(), v.integer(), v.minValue(1)),
  metric: v.picklist(["l2", "cosine"]),
  /** Fewest tokens of a read that is encoded. */
  tokensMin: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/** What model.json says; other fields are for people. */
export type Model = v.InferOutput<typeof modelSchema>;

/** What a job's spec and its manifest say of an encoder. */
export interface Encoder {
  readonly name: string;
  /** sha256 of the graph's bytes. */
  readonly sha256: string;
  readonly dimensions: number;
  readonly metric: "l2" | "cosine";
}

/** Names of the encoders that ship with the package. */
export const ENCODERS: readonly string[] = ["kmer"];

/** The encoder of that name. @throws {SystemError} USAGE for a name that isn't there. */
export function encoderOf(name: string): Encoder {
  const { sha256, dimensions, metric } = loadModel(name);
  return { name, sha256, dimensions, metric };
}

/** The parsed model.json. @throws {SystemError} USAGE, MODEL_INVALID. */
export function loadModel(name: string): Model {
  if (!ENCODERS.includes(name)) {
    const what = `no encoder is named '${name}'; there is ${ENCODERS.join(", ")}`;
    throw new SystemError("USAGE", what);
  }
  const uri = fileOf(name, "model.json");
  try {
    return v.parse(modelSchema, JSON.parse(readFileSync(uri, "utf8")));
  } catch (thrown) {
    throw new SystemError("MODEL_INVALID", "model.json can't be read", { uri }, thrown);
  }
}

/**
 * The graph's bytes, checked against the pinned digest.
 * @throws {SystemError} MODEL_INVALID when they can't be read or are others.
 */
export async function loadGraph(model: Model, sha256: string): Promise<Uint8Array> {
  const uri = fileOf(model.name, model.file);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(uri);
  } catch (thrown) {
    throw new SystemError("MODEL_INVALID", "the graph can't be read", { uri }, thrown);
  }
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === sha256) return bytes;
  throw new SystemError("MODEL_INVALID", `the graph's sha256 is ${found}, not ${sha256}`, { uri });
}

function fileOf(name: string, file: string): string {
  return fileURLToPath(new URL(`${name}/${file}`, import.meta.url));
}
