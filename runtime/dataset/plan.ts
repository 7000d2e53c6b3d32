/**
 * A job's plan in storage: `<job folder>/plan.json` = {schema, spec, plan}, made once by the
 * source in an executor and never changed. Who finds one there obeys it.
 */
import * as v from "valibot";
import { sourceNamed } from "../actor/registry.ts";
import { SystemError } from "../errors.ts";
import { canonicalJson, sha256Hex } from "../ids.ts";
import { type DatasetSpec, datasetSpec, type Outcome } from "../messages.ts";
import { storageOf } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import type { InputPlan, JsonObject, Plan, ShardRequest } from "./types.ts";

const decided = { decisions: v.exactOptional(v.record(v.string(), v.any())) };
const inputPlan = v.variant("kind", [
  v.object({
    kind: v.literal("ranges"),
    ranges: v.array(v.record(v.string(), v.any())),
    ...decided,
  }),
  v.object({
    kind: v.literal("rule"),
    recordsPerShard: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
    detail: v.exactOptional(v.record(v.string(), v.any())),
    ...decided,
  }),
]);

const planFile = v.object({
  schema: v.literal(1),
  spec: datasetSpec,
  plan: v.object({
    schema: v.literal(1),
    decisions: v.record(v.string(), v.any()),
    inputs: v.array(inputPlan),
  }),
});

export interface PlanFile {
  readonly spec: DatasetSpec;
  readonly plan: Plan;
  readonly sha256: string;
}

export function planPath(jobFolder: string): string {
  return `${jobFolder}/plan.json`;
}

/**
 * Makes the plan, or takes the one that stands.
 * @throws {SystemError} what the source says of its inputs.
 */
export async function runPlan(
  jobFolder: string,
  spec: DatasetSpec,
  storage: Storage = storageOf(jobFolder),
): Promise<Outcome> {
  const path = planPath(jobFolder);
  if ((await storage.readIfPresent(path)) === undefined) {
    const { name, options, inputs } = spec.source;
    const plan = await sourceNamed(name).plan(options, inputs, spec.onBadRecord);
    await storage.createIfAbsent(
      path,
      Buffer.from(`${canonicalJson({ schema: 1, spec, plan })}\n`),
    );
  }
  const standing = await readPlan(jobFolder, storage);
  if (canonicalJson(standing.spec) !== canonicalJson(spec)) {
    throw new SystemError("STORAGE_FAILED", "the plan is of another job", { uri: path });
  }
  const shards = standing.plan.inputs.map(countOf);
  return { kind: "planned", planSha256: standing.sha256, shards };
}

function countOf(input: InputPlan): number | null {
  return input.kind === "ranges" ? input.ranges.length : null;
}

/** A plan that isn't the one that was made: nothing of the state can mend it. */
export function planDamaged(uri: string, cause?: unknown): SystemError {
  const what =
    "the plan is damaged; move the state's folder away and run the same again: shards that stand " +
    "are adopted";
  return new SystemError("PLAN_DAMAGED", what, { uri }, cause);
}

/** The plan that stands. @throws {SystemError} STORAGE_FAILED without one, PLAN_DAMAGED. */
export async function readPlan(
  jobFolder: string,
  storage: Storage = storageOf(jobFolder),
): Promise<PlanFile> {
  const path = planPath(jobFolder);
  const bytes = await storage.readIfPresent(path);
  if (bytes === undefined) throw new SystemError("STORAGE_FAILED", "no plan", { uri: path });
  try {
    const { spec, plan } = v.parse(planFile, JSON.parse(bytes.toString("utf8")));
    return { spec, plan, sha256: sha256Hex(bytes) };
  } catch (thrown) {
    throw planDamaged(path, thrown);
  }
}

/**
 * What one shard reads, and the key that its bytes are a pure function of (with the stage's
 * variant).
 * @throws {SystemError} INTERNAL when the plan has no such shard.
 */
export function shardRequest(file: PlanFile, input: number, shard: number): ShardRequest {
  const { spec, plan } = file;
  const inputPlanned = plan.inputs[input];
  const inputSpec = spec.source.inputs[input];
  const range = inputPlanned === undefined ? undefined : rangeOf(inputPlanned, shard);
  if (inputSpec === undefined || range === undefined) {
    throw new SystemError("INTERNAL", `the plan has no shard ${shard} of input ${input}`);
  }
  return {
    input: inputSpec,
    inputIndex: input,
    shardIndex: shard,
    range,
    decisions: inputPlanned?.decisions ?? plan.decisions,
    batchSize: spec.stage.batchSize,
    ...(spec.onBadRecord === undefined ? {} : { onBadRecord: spec.onBadRecord }),
  };
}

/** What a shard of an input reads; undefined where there is no such shard. */
export function rangeOf(input: InputPlan, shard: number): JsonObject | undefined {
  if (input.kind === "ranges") return input.ranges[shard];
  const records = input.recordsPerShard;
  return { ...input.detail, firstRecord: shard * records, records };
}

/** Shards of a rule input that holds this many records; at least one. */
export function shardsOfRule(plan: Plan, input: number, records: number): number {
  const rule = plan.inputs[input];
  if (rule?.kind !== "rule") throw new SystemError("INTERNAL", `input ${input} has no rule`);
  return Math.max(1, Math.ceil(records / rule.recordsPerShard));
}
