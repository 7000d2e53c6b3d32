/**
 * Pure core. Files that stand in a job's output. One whose receipt was lost with the log is looked
 * at by `verify` work before anything is computed, and none of them is computed while nobody has
 * looked; a receipt whose file is gone is lost, and its shard is made again. A file that is
 * damaged, or not as long as its receipt says, ends the job once all were looked at, so that its
 * error names every one of them. A shard's side file is held to the same.
 */
import { shardFile, shardNamed } from "../../../runtime/dataset/names.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { VERIFY_SHARDS_MAX } from "../../../runtime/limits.ts";
import type { Outcome, Receipt } from "../../../runtime/messages.ts";
import type { Listed } from "../../../runtime/storage/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import { MANIFEST_FILE, SUCCESS_FILE } from "../../../solver/manifest.ts";
import type { HeadState, ShardRange, Step } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { jobFolder, place, record, rewind, type Unplaced } from "../step.ts";

/** Damaged files that an error names; it counts them all. */
const DAMAGED_NAMED = 5;
/** Earlier jobs of an output that a claim is compared with. */
const EARLIER_MAX = 16;

/** Named by the first shard of its ranges: no two that are due at once have it in common. */
function verifyTask(jobId: string, [first]: readonly ShardRange[]): string {
  return `verify/${jobId}/${first?.input ?? 0}/${first?.from ?? 0}`;
}

/** What an executor needs to look at some ranges. */
function verifyWork(state: HeadState, job: DatasetJob, ranges: readonly ShardRange[]): Unplaced {
  const { id: jobId, planSha256, spec } = job;
  const where = { jobId, jobFolder: jobFolder(state, jobId), planSha256: planSha256 ?? "" };
  return { program: spec.program, work: { kind: "verify", ...where, ranges: [...ranges] } };
}

/** Asks for the claim, and for what stands in the output. */
export function askClaim(state: HeadState, step: Step, { id: jobId, spec }: DatasetJob): void {
  const { uri } = spec.sink;
  // An earlier look may be under way, and answer first.
  if (!state.arrived.has(jobId)) state.arrived.set(jobId, new Set());
  const earlier = [...state.durable.datasets.values()]
    .filter((job) => job.id !== jobId && job.spec.sink.uri === uri)
    .slice(-EARLIER_MAX)
    .map((job) => ({ jobId: job.id, spec: job.spec }));
  step.effects.push({ type: "claim", jobId, uri, spec, earlier });
}

/**
 * Takes note of what stands: receipts of files that don't are lost, and what has none is looked at.
 * @param files - all that stands in the output, or undefined where nobody looked.
 * @returns whether something that a sealed job needs isn't there, or isn't what was made.
 */
export function takeStanding(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  files: readonly Listed[] | undefined,
): boolean {
  const arrived = state.arrived.get(job.id);
  state.arrived.delete(job.id);
  state.standing.delete(job.id);
  if (files === undefined) return false;
  const sizes = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const { isLost, damaged } = compareReceipts(state, step, job, sizes, arrived);
  const unseen = unseenOf(job, files);
  const batches = batchesOf(unseen).reverse();
  const isDamaged = damaged.size > 0;
  if (batches.length > 0 || isDamaged) state.standing.set(job.id, { unseen, batches, damaged });
  return isLost || isDamaged || !sizes.has(MANIFEST_FILE) || !sizes.has(SUCCESS_FILE);
}

/**
 * Receipts against what stands. Those that came while the folder was read may be of files made
 * since.
 */
function compareReceipts(
  state: HeadState,
  step: Step,
  { id: jobId, inputs }: DatasetJob,
  sizes: ReadonlyMap<string, number>,
  arrived: ReadonlySet<string> | undefined,
): { readonly isLost: boolean; readonly damaged: Map<string, string> } {
  let isLost = false;
  const damaged = new Map<string, string>();
  for (const [input, { receipts }] of inputs.entries()) {
    for (const [shard, receipt] of receipts) {
      if (arrived?.has(receipt.file) === true) continue;
      for (const { file, bytes } of filesOf(receipt)) {
        const size = sizes.get(file);
        if (size !== undefined && size !== bytes) damaged.set(file, wrongSize(size, bytes));
      }
      if (filesOf(receipt).every(({ file }) => sizes.has(file))) continue;
      record(state, step, { type: "shard.lost", jobId, input, shard });
      isLost = true;
    }
  }
  return { isLost, damaged };
}

/** A shard and its side files. */
function filesOf({ file, bytes, quarantine, summary }: Receipt): { file: string; bytes: number }[] {
  const sides = [quarantine, summary].filter((side) => side !== undefined);
  return [{ file, bytes }, ...sides];
}

function wrongSize(bytes: number, wanted: number): string {
  return `it has ${bytes} bytes, and ${wanted} were written`;
}

/** Shards that stand without a receipt, by input. */
function unseenOf(job: DatasetJob, files: readonly Listed[]): Set<number>[] {
  const unseen = job.inputs.map(() => new Set<number>());
  for (const { name } of files) {
    const { input = -1, shard = -1 } = shardNamed(job.id, name) ?? {};
    const progress = job.inputs[input];
    if (progress === undefined || progress.receipts.has(shard)) continue;
    if (progress.shards === null || shard < progress.shards) unseen[input]?.add(shard);
  }
  return unseen;
}

/** In order, as many shards each as one task takes; of several inputs where these have few. */
function batchesOf(unseen: readonly ReadonlySet<number>[]): ShardRange[][] {
  const batches: ShardRange[][] = [];
  let room = 0;
  for (const [input, shards] of unseen.entries()) {
    for (const shard of [...shards].sort((a, b) => a - b)) {
      if (room === 0) batches.push([]);
      room = room === 0 ? VERIFY_SHARDS_MAX - 1 : room - 1;
      const batch = batches.at(-1) ?? [];
      const last = batch.at(-1);
      if (last?.input === input && last.to === shard) batch[batch.length - 1] = extended(last);
      else batch.push({ input, from: shard, to: shard + 1 });
    }
  }
  return batches;
}

function extended(range: ShardRange): ShardRange {
  return { ...range, to: range.to + 1 };
}

/** Whether a shard may not be made: it stands and nobody has looked at it, or it is damaged. */
export function isTaken(state: HeadState, jobId: string, input: number, shard: number): boolean {
  const standing = state.standing.get(jobId);
  if (standing === undefined) return false;
  if (standing.unseen[input]?.has(shard) === true) return true;
  return standing.damaged.size > 0 && standing.damaged.has(shardFile(jobId, input, shard));
}

/** How many of a job's shards stand and wait to be looked at. */
export function countUnseen(state: HeadState, jobId: string): number {
  const unseen = state.standing.get(jobId)?.unseen ?? [];
  return unseen.reduce((sum, shards) => sum + shards.size, 0);
}

/** Places `verify` work while there is room. Whether there may be room for more than that. */
export function placeVerify(state: HeadState, step: Step, job: DatasetJob): boolean {
  const standing = state.standing.get(job.id);
  for (;;) {
    const ranges = standing?.batches.at(-1);
    if (standing === undefined || ranges === undefined) return true;
    const task = verifyTask(job.id, ranges);
    if (!place(state, step, task, verifyWork(state, job, ranges))) return false;
    standing.batches.pop();
  }
}

/** An attempt to look came to nothing: another one is due. */
export function lookAgain(state: HeadState, jobId: string, ranges: readonly ShardRange[]): void {
  if (ranges.length > 0) state.standing.get(jobId)?.batches.push([...ranges]);
}

/**
 * Some ranges were looked at: what isn't there is made. Receipts are taken by the caller.
 * @param ranges - empty where this leader didn't ask: then it looks itself.
 */
export function looked(
  state: HeadState,
  jobId: string,
  ranges: readonly ShardRange[],
  { found, damaged }: Extract<Outcome, { kind: "verified" }>,
): void {
  const standing = state.standing.get(jobId);
  for (const { input, from, to } of ranges) {
    for (let shard = from; shard < to; shard += 1) standing?.unseen[input]?.delete(shard);
    rewind(state, jobId, input, from);
  }
  for (const { input, shard } of found) standing?.unseen[input]?.delete(shard);
  for (const { input, shard, what } of damaged) {
    standing?.damaged.set(shardFile(jobId, input, shard), what);
  }
}

/** Why a job can't go on, once all that stands was looked at. */
export function damageOf(state: HeadState, { id, spec }: DatasetJob): SystemError | undefined {
  const damaged = state.standing.get(id)?.damaged;
  if (damaged === undefined || countUnseen(state, id) > 0) return undefined;
  const [first] = damaged.keys();
  if (first === undefined) {
    state.standing.delete(id);
    return undefined;
  }
  const named = [...damaged].slice(0, DAMAGED_NAMED).map(([file, what]) => `${file}: ${what}`);
  const more = damaged.size > DAMAGED_NAMED ? `; and ${damaged.size - DAMAGED_NAMED} more` : "";
  const what =
    `${damaged.size} of its files ${damaged.size === 1 ? "is" : "are"} damaged ` +
    `(${named.join("; ")}${more}); no file is ever written over: move each away, and run the ` +
    "same again: it is made anew";
  return new SystemError("SHARD_DAMAGED", what, { uri: joinUri(spec.sink.uri, first) });
}
