/**
 * Adoption: which shards of a range stand already, by what they hold. Reads files and nothing else:
 * no input, no stage, no model. One file at a time, so that memory is one shard's.
 */
import { SystemError, toSystemError } from "../errors.ts";
import type { Outcome } from "../messages.ts";
import type { Storage } from "../storage/storage.ts";
import { joinUri } from "../storage/uri.ts";
import { committed, receiptOf, sideFilesOf } from "./account.ts";
import { shardFile } from "./names.ts";
import { type PlanFile, shardRequest } from "./plan.ts";
import { sidesStand } from "./quarantine.ts";

type Verified = Extract<Outcome, { kind: "verified" }>;

/** Shards [from, to) of an input. */
interface ShardRange {
  readonly input: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Looks at the shards of some ranges. One that doesn't stand, or without its side file, isn't told
 * of; one that is damaged is, and stays where it is.
 * @throws {SystemError} DETERMINISM_ALARM when another shard stands under a name; CANCELLED.
 */
export async function runVerify(
  file: PlanFile,
  jobId: string,
  ranges: readonly ShardRange[],
  storage: Storage,
  signal: AbortSignal,
): Promise<Verified> {
  const outcome: Verified = { kind: "verified", found: [], damaged: [] };
  for (const { input, from, to } of ranges) {
    for (let shard = from; shard < to; shard += 1) {
      if (signal.aborted) throw new SystemError("CANCELLED", "it was cancelled");
      await look(file, jobId, { input, shard }, storage, outcome);
    }
  }
  return outcome;
}

async function look(
  file: PlanFile,
  jobId: string,
  { input, shard }: { readonly input: number; readonly shard: number },
  storage: Storage,
  { found, damaged }: Verified,
): Promise<void> {
  const name = shardFile(jobId, input, shard);
  const uri = joinUri(file.spec.sink.uri, name);
  const bytes = await storage.readIfPresent(uri);
  if (bytes === undefined) return;
  try {
    const request = shardRequest(file, input, shard);
    const receipt = receiptOf(file, request, { name, uri }, bytes);
    const { uri: folder } = file.spec.sink;
    if (!(await sidesStand(folder, sideFilesOf(receipt), storage))) return;
    const done = committed(file, input, receipt);
    if (done.kind === "committed") found.push({ input, shard, receipt, end: done.end });
  } catch (thrown) {
    const error = toSystemError(thrown);
    if (error.code !== "SHARD_DAMAGED") throw error;
    damaged.push({ input, shard, what: error.what });
  }
}
