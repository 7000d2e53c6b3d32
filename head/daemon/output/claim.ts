/**
 * The claim: `_job.json` in an output says whose it is, and of what parts that job is made, so that
 * another one can say what differs. Created once; of one that stands, the job's id alone decides.
 * It is read by more people than the state is: options that look like secrets stand there by hash.
 */
import * as v from "valibot";
import { canonicalJson, sha256Hex, short12 } from "../../../runtime/ids.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";
import { packageFolders } from "../../package-hash.ts";

/** The claim's name in an output folder. */
export const CLAIM_FILE = "_job.json";
const SCHEMA = 1;
/** UTF-16 units of a value that stands there as it is. */
const VALUE_TEXT_MAX = 256;
const SECRET = /secret|token|passw|credential|auth|key/i;

const leaves = v.record(v.string(), v.string());
const parts = v.object({
  runtimeVersion: v.string(),
  program: v.object({ url: v.string(), sha256: v.string(), folders: v.optional(leaves) }),
  source: v.string(),
  inputs: v.array(
    v.object({ uri: v.string(), sample: v.string(), etag: v.string(), bytes: v.number() }),
  ),
  /** Of the source, and of the stage's constructor: path -> JSON of a value, or its hash. */
  options: leaves,
  arguments: leaves,
  stage: v.object({ actor: v.string(), method: v.string(), batchSize: v.number() }),
  /** Left out where the job fails at a bad record. */
  onBadRecord: v.optional(v.picklist(["quarantine", "skip"])),
  idempotency: v.nullable(v.string()),
});
/** What a job's id is made of, for people. */
export type JobParts = v.InferOutput<typeof parts>;

/** Releases before the schema had a number wrote the id alone. */
const claim = v.object({
  jobId: v.string(),
  schema: v.optional(v.number()),
  parts: v.optional(parts),
});
export type Claim = v.InferOutput<typeof claim>;

/** What a job's claim says. */
export function claimOf(jobId: string, spec: DatasetSpec): Claim & { readonly parts: JobParts } {
  const { runtimeVersion, program, source, stage, onBadRecord, idempotency = null } = spec;
  const { actor, method, batchSize, constructorArgs } = stage;
  const folders = packageFolders(program);
  const ofJob = {
    runtimeVersion,
    program: { ...program, ...(folders === undefined ? {} : { folders }) },
    source: source.name,
    inputs: source.inputs,
    options: leavesOf(source.options),
    arguments: leavesOf(constructorArgs),
    stage: { actor, method, batchSize },
    ...(onBadRecord === undefined ? {} : { onBadRecord }),
    idempotency: idempotency === null ? null : hidden(idempotency),
  };
  return { schema: SCHEMA, jobId, parts: ofJob };
}

/** Equal claims give equal bytes. */
export function claimBytes(said: Claim): Uint8Array {
  return Buffer.from(`${canonicalJson(said)}\n`);
}

/** Undefined for bytes that are no claim. Parts of a later schema are left out. */
export function readClaim(bytes: Uint8Array): Claim | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  const whole = v.safeParse(claim, value);
  if (whole.success && (whole.output.schema ?? SCHEMA) === SCHEMA) return whole.output;
  const id = v.safeParse(v.object({ jobId: v.string() }), value);
  return id.success ? id.output : undefined;
}

/** Every value in a tree by its path, as text. */
function leavesOf(tree: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (value: unknown, path: string): void => {
    if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
      const dot = path === "" ? "" : ".";
      for (const [name, part] of Object.entries(value)) walk(part, `${path}${dot}${name}`);
    } else found[path] = shown(path, value);
  };
  walk(tree, "");
  return found;
}

function shown(path: string, value: unknown): string {
  const text = canonicalJson(value);
  const isShort = text.length <= VALUE_TEXT_MAX;
  // A URL may hold a password before its host.
  const isSecret = SECRET.test(path) || /:\/\/[^/\s]*@/.test(text);
  return isShort && !(typeof value === "string" && isSecret) ? text : hidden(text);
}

function hidden(text: string): string {
  return `(sha256 ${short12(sha256Hex(text))})`;
}
