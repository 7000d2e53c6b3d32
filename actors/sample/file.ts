/** The sample as a file of a run's own output folder. */
import { rename, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { toSystemError } from "../../runtime/errors.ts";
import { hasCode, makeFolder } from "../../runtime/storage/local.ts";
import { writeSample } from "./simulate.ts";

/** 20,000 reads of 1,000 bases: ~41 MB of FASTQ. */
const SAMPLE = { seed: 20_261_122, reads: 20_000, length: 1_000 } as const;

/**
 * Makes the sample unless it stands; a standing one is left, because its time is part of its
 * identity.
 * @returns `path`. @throws {SystemError} OUTPUT_UNWRITABLE.
 */
export async function ensureSample(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  }
  const temp = `${path}.${process.pid}.tmp`;
  try {
    await makeFolder(dirname(path));
    await writeSample(temp, SAMPLE);
    await rename(temp, path);
    return path;
  } catch (thrown) {
    // On a full disk it holds the space that the log needs to say so.
    await unlink(temp).catch(() => undefined);
    throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  }
}
