/**
 * What the head writes beside a dataset's shards: the claim (`_job.json`, once and for ever), the
 * manifest, and last of all `_SUCCESS`.
 */
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SystemError } from "../../runtime/errors.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import { createIfAbsent, hasCode, readIfPresent } from "../../runtime/storage/local.ts";
import {
  MANIFEST_FILE,
  type Manifest,
  manifestBytes,
  SUCCESS_FILE,
} from "../../solver/manifest.ts";

export const CLAIM_FILE = "_job.json";

/**
 * Puts a job's name on its output folder; settles as well when it stands there already.
 * @throws {SystemError} OUTPUT_OF_ANOTHER_JOB when another job's does, or unclaimed files stand
 * there; OUTPUT_UNWRITABLE.
 */
export async function claimOutput(uri: string, jobId: string): Promise<void> {
  const path = join(uri, CLAIM_FILE);
  if ((await readIfPresent(path)) === undefined) {
    const others = (await listFolder(uri)).filter((name) => !name.startsWith("."));
    if (others.length > 0 && !others.includes(CLAIM_FILE)) {
      throw new SystemError("OUTPUT_OF_ANOTHER_JOB", "the folder holds files of no job", { uri });
    }
  }
  const outcome = await createIfAbsent(path, Buffer.from(`${JSON.stringify({ jobId })}\n`));
  if (outcome === "other") {
    const what = "the folder is another job's: take another --output, or --fresh";
    throw new SystemError("OUTPUT_OF_ANOTHER_JOB", what, { uri });
  }
}

/**
 * Writes the manifest and then `_SUCCESS`; what stands already with the same bytes is left.
 * @returns the manifest's sha256.
 * @throws {SystemError} OUTPUT_OF_ANOTHER_JOB when another manifest stands there.
 */
export async function sealOutput(uri: string, manifest: Manifest): Promise<string> {
  const bytes = manifestBytes(manifest);
  const sha256 = sha256Hex(bytes);
  if ((await createIfAbsent(join(uri, MANIFEST_FILE), bytes)) === "other") {
    throw new SystemError("OUTPUT_OF_ANOTHER_JOB", "another manifest stands there", { uri });
  }
  if ((await createIfAbsent(join(uri, SUCCESS_FILE), Buffer.from(`${sha256}\n`))) === "other") {
    throw new SystemError("OUTPUT_OF_ANOTHER_JOB", "another job's _SUCCESS stands there", { uri });
  }
  await removeLeftovers(uri);
  return sha256;
}

/** Temp files of dead attempts: once all shards stand, none is anybody's work. */
async function removeLeftovers(uri: string): Promise<void> {
  for (const name of await listFolder(uri)) {
    if (!/^\.part-.*\.tmp$/.test(name)) continue;
    await unlink(join(uri, name)).catch(() => undefined);
  }
}

async function listFolder(uri: string): Promise<string[]> {
  try {
    return await readdir(uri);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return [];
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("OUTPUT_UNWRITABLE", what, { uri }, thrown);
  }
}
