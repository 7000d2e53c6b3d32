/**
 * A stream that can be read once, such as standard input, kept as a file: named by its bytes, so
 * that the same bytes are the same input again.
 */
import { createHash, randomBytes } from "node:crypto";
import { link, mkdir, open, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SystemError } from "../../runtime/errors.ts";

/** What a stream came to. */
export interface Spooled {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes all of a stream to a folder, synced. A file of the same bytes stays as it is, with its
 * time, which is part of what an input is known by.
 * @throws {SystemError} INPUT_EMPTY without a byte, OUTPUT_UNWRITABLE; what the stream says.
 */
export async function spoolInput(
  stream: AsyncIterable<Uint8Array>,
  folder: string,
): Promise<Spooled> {
  const temp = join(folder, `.spool.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    const { bytes, sha256 } = await written(stream, temp);
    if (bytes === 0) {
      throw new SystemError("INPUT_EMPTY", "standard input holds nothing", { uri: "-" });
    }
    const path = join(folder, `stdin-${sha256.slice(0, 16)}`);
    await link(temp, path).catch((error: unknown) => whenThere(error, path, bytes));
    return { path, bytes, sha256 };
  } catch (thrown) {
    if (thrown instanceof SystemError) throw thrown;
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("OUTPUT_UNWRITABLE", what, { uri: folder }, thrown);
  } finally {
    await unlink(temp).catch(() => undefined);
  }
}

async function written(
  stream: AsyncIterable<Uint8Array>,
  path: string,
): Promise<Omit<Spooled, "path">> {
  const hash = createHash("sha256");
  const file = await open(path, "wx");
  let bytes = 0;
  try {
    for await (const piece of stream) {
      hash.update(piece);
      bytes += piece.length;
      await file.writeFile(piece);
    }
    await file.sync();
    return { bytes, sha256: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

/** The name says the bytes: what stands under it is the same, unless it was cut. */
async function whenThere(error: unknown, path: string, bytes: number): Promise<void> {
  const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
  if (!isThere) throw error;
  if ((await stat(path)).size === bytes) return;
  throw new SystemError("STORAGE_FAILED", "a spooled input isn't whole any more", { uri: path });
}
