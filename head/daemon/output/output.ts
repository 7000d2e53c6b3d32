/**
 * What the head writes beside a dataset's shards: the claim (`_job.json`, once and for ever), the
 * manifest, and last of all `_SUCCESS`.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { sha256Hex, short12 } from "../../../runtime/ids.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";
import { anyStorage } from "../../../runtime/storage/open.ts";
import type { Listed, Storage } from "../../../runtime/storage/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import {
  MANIFEST_FILE,
  type Manifest,
  manifestBytes,
  parseManifest,
  SUCCESS_FILE,
} from "../../../solver/manifest.ts";
import { CLAIM_FILE, type Claim, claimBytes, claimOf, readClaim } from "./claim.ts";
import { differences } from "./differences.ts";

/** A job and the output that it wants. */
export interface Claimant {
  readonly jobId: string;
  readonly spec: DatasetSpec;
  /** Other jobs that had this output by the log, the latest last. */
  readonly earlier: readonly { readonly jobId: string; readonly spec: DatasetSpec }[];
}

/**
 * Puts a job's name on its output folder; settles as well when it stands there already.
 * @returns all names that stand there, with their sizes.
 * @throws {SystemError} OUTPUT_OF_ANOTHER_JOB when another job's does, or unclaimed files stand
 * there: it says what differs; OUTPUT_UNWRITABLE.
 */
export async function claimOutput(
  claimant: Claimant,
  storage: Storage = anyStorage,
): Promise<readonly Listed[]> {
  const { jobId, spec } = claimant;
  const { uri } = spec.sink;
  const path = joinUri(uri, CLAIM_FILE);
  const files = await storage.listSized(uri);
  if (!files.some(({ name }) => name === CLAIM_FILE)) {
    const others = files.filter(({ name }) => !name.startsWith("."));
    if (others.length > 0) throw ofNoJob(claimant);
    await storage.createIfAbsent(path, claimBytes(claimOf(jobId, spec)));
  }
  const standing = await storage.readIfPresent(path);
  const found = standing === undefined ? undefined : readClaim(standing);
  if (found?.jobId !== jobId) throw ofAnother(claimant, found);
  return withoutUnmade(files, uri, storage);
}

/**
 * A set of which a report is gone isn't whole: its manifest isn't told of, so that what was counted
 * is merged, and the set sealed, once more.
 */
async function withoutUnmade(
  files: readonly Listed[],
  folder: string,
  storage: Storage,
): Promise<readonly Listed[]> {
  if (!files.some(({ name }) => name === MANIFEST_FILE)) return files;
  const bytes = await storage.readIfPresent(joinUri(folder, MANIFEST_FILE));
  const names = new Set(files.map(({ name }) => name));
  const isWhole = reportsOf(bytes).every((file) => names.has(file));
  return isWhole ? files : files.filter(({ name }) => name !== MANIFEST_FILE);
}

/** Names of the reports that a manifest lists; what is wrong with one, its readers say. */
function reportsOf(bytes: Buffer | undefined): readonly string[] {
  if (bytes?.includes('"reports"') !== true) return [];
  try {
    return (parseManifest(bytes).reports ?? []).map(({ file }) => file);
  } catch {
    return [];
  }
}

/** The last job that the log tells of may have left them. */
function ofNoJob({ jobId, spec, earlier }: Claimant): SystemError {
  const last = earlier.at(-1);
  const what = `the folder holds files, and no ${CLAIM_FILE} says of which job`;
  if (last === undefined) return refused(what, spec);
  const said = sayDifferences(claimOf(last.jobId, last.spec), claimOf(jobId, spec));
  return refused(`${what}; the last one here was job ${short12(last.jobId)}: ${said}`, spec);
}

function ofAnother({ jobId, spec, earlier }: Claimant, found: Claim | undefined): SystemError {
  if (found === undefined) return refused(`its ${CLAIM_FILE} can't be read`, spec);
  const known = earlier.find((one) => one.jobId === found.jobId);
  const theirs =
    found.parts === undefined && known !== undefined ? claimOf(known.jobId, known.spec) : found;
  const said = sayDifferences(theirs, claimOf(jobId, spec));
  return refused(`the folder is of job ${short12(found.jobId)}: ${said}`, spec);
}

function sayDifferences(theirs: Claim, ours: ReturnType<typeof claimOf>): string {
  if (theirs.parts === undefined) return "an older release wrote its claim, which names no parts";
  const said = differences(theirs.parts, ours.parts);
  return said.length === 0 ? "nothing differs that its claim tells of" : said.join("; ");
}

function refused(why: string, { sink }: DatasetSpec): SystemError {
  // Some of it is from a file that anybody may have written.
  const what = `${why.replaceAll(/\p{Cc}/gu, "?")}. Take another --output, or --fresh`;
  return new SystemError("OUTPUT_OF_ANOTHER_JOB", what, { uri: sink.uri });
}

/**
 * Writes the manifest and then `_SUCCESS`; what stands already with the same bytes is left.
 * @returns the manifest's sha256.
 * @throws {SystemError} OUTPUT_OF_ANOTHER_JOB when another manifest stands there.
 */
export async function sealOutput(
  uri: string,
  manifest: Manifest,
  storage: Storage = anyStorage,
): Promise<string> {
  const bytes = manifestBytes(manifest);
  const sha256 = sha256Hex(bytes);
  await createOurs(storage, joinUri(uri, MANIFEST_FILE), bytes, "another manifest stands there");
  const success = Buffer.from(`${sha256}\n`);
  const another = "another job's _SUCCESS stands there";
  await createOurs(storage, joinUri(uri, SUCCESS_FILE), success, another);
  // Once all shards stand, temp files of dead attempts are nobody's work.
  await storage.sweep(uri);
  await removeSideFiles(storage, uri, manifest);
  return sha256;
}

/** Side files of attempts that didn't know all poison records yet: no shard names them. */
async function removeSideFiles(
  storage: Storage,
  uri: string,
  { jobId, quarantine = [] }: Manifest,
): Promise<void> {
  const listed = new Set(quarantine.map(({ file }) => file));
  for (const name of await storage.list(uri)) {
    const isOurs = name.startsWith("quarantine-") && name.includes(short12(jobId));
    if (isOurs && !listed.has(name)) await storage.remove(joinUri(uri, name));
  }
}

async function createOurs(
  storage: Storage,
  uri: string,
  bytes: Uint8Array,
  otherwise: string,
): Promise<void> {
  if ((await storage.createIfAbsent(uri, bytes)) !== "other") return;
  throw new SystemError("OUTPUT_OF_ANOTHER_JOB", otherwise, { uri });
}
