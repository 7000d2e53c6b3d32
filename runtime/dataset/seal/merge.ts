/**
 * At the seal, in an executor: the summaries of a sample's shards become files beside them. They
 * are a pure function of plan and summaries, created once: a repeated merge makes the same.
 */
import { sourceNamed } from "../../actor/registry.ts";
import { SystemError } from "../../errors.ts";
import { sha256Hex } from "../../ids.ts";
import type { Outcome, Work } from "../../messages.ts";
import type { Storage } from "../../storage/storage.ts";
import { joinUri } from "../../storage/uri.ts";
import { shardFile, summaryFile } from "../names.ts";
import type { PlanFile } from "../plan.ts";
import type { MergedFile, MergePart, Source } from "../types.ts";

type MergeWork = Pick<Extract<Work, { kind: "merge" }>, "jobId" | "inputs">;

/**
 * Makes the files of one sample, or of all.
 * @throws {SystemError} SHARD_DAMAGED when a summary is gone or isn't one; DETERMINISM_ALARM when
 * other bytes stand under a file's name; CANCELLED.
 */
export async function runMerge(
  file: PlanFile,
  { jobId, inputs }: MergeWork,
  storage: Storage,
  signal: AbortSignal,
  source: Source = sourceNamed(file.spec.source.name),
): Promise<Outcome> {
  const { merge } = source;
  if (merge === undefined) {
    throw new SystemError("INTERNAL", `the source ${source.name} merges no summaries`);
  }
  const { uri: folder } = file.spec.sink;
  const { options, inputs: specs } = file.spec.source;
  const samples = [...new Set(specs.map(({ sample }) => sample))];
  const made =
    inputs === null
      ? await merge.all(options, samples, (name) => storage.readIfPresent(joinUri(folder, name)))
      : await merge.sample(
          options,
          inputs.map((it) => partOf(file, jobId, it, storage, signal)),
          samples,
        );
  const reports = [];
  for (const one of made) reports.push(await write(storage, folder, one));
  return { kind: "merged", reports };
}

/** One input's summaries, read as they are asked for. */
function partOf(
  { spec, plan }: PlanFile,
  jobId: string,
  { input, shards }: { readonly input: number; readonly shards: number },
  storage: Storage,
  signal: AbortSignal,
): MergePart {
  const [inputSpec, planned] = [spec.source.inputs[input], plan.inputs[input]];
  if (inputSpec === undefined || planned === undefined) {
    throw new SystemError("INTERNAL", `the plan has no input ${input}`);
  }
  const summaries = async function* () {
    for (let shard = 0; shard < shards; shard += 1) {
      if (signal.aborted) throw new SystemError("CANCELLED", "the merge was cancelled");
      const uri = joinUri(spec.sink.uri, summaryFile(shardFile(jobId, input, shard)));
      yield { uri, bytes: await standing(storage, uri) };
    }
  };
  return { input: inputSpec, decisions: planned.decisions ?? plan.decisions, summaries };
}

async function standing(storage: Storage, uri: string): Promise<Uint8Array> {
  const bytes = await storage.readIfPresent(uri);
  if (bytes !== undefined) return bytes;
  throw new SystemError("SHARD_DAMAGED", "a file that a shard is made with is gone", { uri });
}

async function write(storage: Storage, folder: string, { bytes, ...named }: MergedFile) {
  const uri = joinUri(folder, named.file);
  if ((await storage.createIfAbsent(uri, bytes)) === "other") {
    throw new SystemError("DETERMINISM_ALARM", "other bytes stand under a report's name", { uri });
  }
  return { ...named, bytes: bytes.length, sha256: sha256Hex(bytes) };
}
