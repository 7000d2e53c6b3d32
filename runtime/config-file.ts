/**
 * What a process of ours is told at its start, its key included: a file that it removes as it reads
 * it. User code runs as the same user and knows the folder, so that no key may lie there.
 */
import { readFile, rm, writeFile } from "node:fs/promises";

/** Leaves a configuration, as JSON for this user alone, to a process that starts after this. */
export async function leaveConfig(path: string, config: object): Promise<void> {
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
}

/** The configuration that was left; it is there no more. */
export async function takeConfig(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } finally {
    await rm(path, { force: true });
  }
}
