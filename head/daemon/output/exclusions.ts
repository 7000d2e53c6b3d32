/**
 * Exclusions in the state: `jobs/<id12>/exclusions/<input>-<shard>-<number>`, made once, before the
 * shard is given out again.
 */
import * as v from "valibot";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { canonicalJson } from "../../../runtime/ids.ts";
import { type Exclusion, exclusion as exclusionSchema } from "../../../runtime/messages.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import type { Effect, HeadEvent } from "../../core/events.ts";

/**
 * Makes an exclusion's file, and says what stands there: another leader may have made it first, and
 * what was given out with it counts. Never throws.
 */
export async function writeExclusion(
  storage: Storage,
  { jobId, input, shard, uri, exclusion }: Extract<Effect, { type: "exclude" }>,
): Promise<HeadEvent> {
  const where = { type: "excluded", jobId, input, shard } as const;
  try {
    const bytes = Buffer.from(`${canonicalJson({ schema: 1, ...exclusion })}\n`);
    const outcome = await storage.createIfAbsent(uri, bytes);
    const standing = outcome === "other" ? await read(storage, uri) : exclusion;
    return { ...where, exclusion: standing, error: null };
  } catch (thrown) {
    return { ...where, exclusion: null, error: toSystemError(thrown).toData() };
  }
}

async function read(storage: Storage, uri: string): Promise<Exclusion> {
  const bytes = await storage.readIfPresent(uri);
  try {
    return v.parse(exclusionSchema, JSON.parse(bytes?.toString("utf8") ?? ""));
  } catch (thrown) {
    throw new SystemError("STORAGE_FAILED", "an exclusion's file is damaged", { uri }, thrown);
  }
}
