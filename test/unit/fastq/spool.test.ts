/** Standard input kept as a file: the same bytes are the same input again. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { identifyInput } from "../../../actors/fastq/input.ts";
import { spoolInput } from "../../../actors/fastq/spool.ts";
import { failureOf, readAll } from "../actors/support.ts";

const folder = mkdtempSync(join(tmpdir(), "ligase-spool-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("all bytes are there, under a name of their own, and read as any file", async () => {
  const bytes = gzipSync("@a\nAC\n+\nII\n");
  const into = join(folder, "new", "spool");
  const spooled = await spoolInput(pieces(bytes, 7), into);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  expect(spooled).toMatchObject({ bytes: bytes.length, sha256 });
  expect(readFileSync(spooled.path)).toEqual(bytes);
  expect(await readAll(spooled.path)).toEqual([["a", "AC"]]);
  const before = await identifyInput(spooled.path);
  const again = await spoolInput(pieces(bytes, 1_000), into);
  expect(again).toEqual(spooled);
  // Its time too: it is part of the job's identity.
  expect(await identifyInput(again.path)).toEqual(before);
  expect(readdirSync(into)).toHaveLength(1);
});

test("a stream that breaks, or holds nothing, leaves nothing", async () => {
  const into = join(folder, "broken");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("@a\n");
    throw new Error("the pipe broke");
  }
  expect((await failureOf(spoolInput(broken(), into))).what).toContain("the pipe broke");
  expect((await failureOf(spoolInput(pieces(Buffer.alloc(0), 1), into))).code).toBe("INPUT_EMPTY");
  expect(readdirSync(into)).toEqual([]);
});

test("one that was cut since isn't taken for it", async () => {
  const into = join(folder, "cut");
  const { path } = await spoolInput(pieces(Buffer.from("@a\nAC\n+\nII\n"), 3), into);
  truncateSync(path, 4);
  const error = await failureOf(spoolInput(pieces(Buffer.from("@a\nAC\n+\nII\n"), 3), into));
  expect(error.code).toBe("STORAGE_FAILED");
  expect(statSync(path).size).toBe(4);
});
