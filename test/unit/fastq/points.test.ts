/** Marks beside the plan: they spare inflating, and no record depends on them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test, vi } from "vitest";
import { planInput } from "../../../actors/fastq/plan.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import type { InputSpec } from "../../../runtime/dataset/types.ts";
import { identify, type Read, readShardOf, temporaryFolder } from "../actors/support.ts";
import { nativeStatus } from "../../../actors/native/addon.ts";
import { rangeOf } from "./shards.ts";

const { write } = temporaryFolder();
const folders: string[] = [];
afterAll(() => folders.map((folder) => rmSync(folder, { recursive: true, force: true })));

function stateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ligase-points-"));
  folders.push(folder);
  return folder;
}

/** Some megabytes of text, so that restart points stand in it. */
const READS = Array.from({ length: 20_000 }, (_, i): Read => {
  let state = i + 1;
  const next = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0);
  return [`r${i}`, Array.from({ length: 60 + (i % 90) }, () => "ACGT"[next() >>> 30]).join("")];
});
const TEXT = READS.map(([id, bases]) => `@${id}\n${bases}\n+\n${"I".repeat(bases.length)}\n`);
const SHARD_BYTES = 400_000;
const hasAddon = nativeStatus().addon !== undefined;

/** One shard by a reader of its own, and how many compressed bytes it read. */
async function shardOf(input: InputSpec, shard: number, state?: string) {
  const range = rangeOf(await planInput(input, undefined, SHARD_BYTES), shard) ?? {};
  const reader = await fastqSource.open({}, state);
  const part = await readShardOf(reader, input, range, 512);
  await reader.close();
  return part;
}

async function allOf(input: InputSpec, order: (shards: number[]) => number[], state?: string) {
  const plan = await planInput(input, undefined, SHARD_BYTES);
  const each = plan.kind === "rule" ? plan.recordsPerShard : 0;
  const shards = Array.from({ length: Math.ceil(READS.length / each) }, (_, i) => i);
  const parts = new Map<number, readonly Read[]>();
  for (const shard of order(shards)) parts.set(shard, (await shardOf(input, shard, state)).reads);
  return shards.flatMap((shard) => parts.get(shard) ?? []);
}

describe.each([
  ["one gzip member", "gz", () => gzipSync(TEXT.join(""))],
  [
    "many gzip members",
    "members.gz",
    () =>
      Buffer.concat(
        Array.from({ length: 40 }, (_, i) => gzipSync(TEXT.slice(i * 500, i * 500 + 500).join(""))),
      ),
  ],
])("shards of %s", (_, name, data) => {
  const inputOf = async (): Promise<InputSpec> => identify(write(`points.fq.${name}`, data()));

  test("hold the same records with marks, without, and with damaged ones", async () => {
    const input = await inputOf();
    const state = stateFolder();
    expect(await allOf(input, (shards) => shards)).toEqual(READS);
    expect(await allOf(input, (shards) => shards, state)).toEqual(READS);
    const points = join(state, "points");
    const left = readdirSync(points);
    expect(left.length).toBeGreaterThan(hasAddon || name !== "gz" ? 5 : -1);
    expect(await allOf(input, (shards) => shards.toReversed(), state)).toEqual(READS);
    for (const [i, file] of left.entries()) {
      const path = join(points, file);
      const bytes = readFileSync(path);
      bytes[(i * 37) % bytes.length] = 0x20;
      writeFileSync(path, bytes);
    }
    expect(await allOf(input, (shards) => shards.toReversed(), state)).toEqual(READS);
  });

  test("that begin at a mark read nothing before it", async () => {
    const input = await inputOf();
    const state = stateFolder();
    await allOf(input, (shards) => shards, state);
    const last = Math.floor(
      READS.length / recordsOf(await planInput(input, undefined, SHARD_BYTES)),
    );
    const began = vi.fn<(bytes: number) => void>();
    const { GzipText } = await import("../../../actors/fastq/text/gzip.ts");
    const original = GzipText.prototype.next;
    const spy = vi.spyOn(GzipText.prototype, "next").mockImplementation(async function (
      this: InstanceType<typeof GzipText>,
    ) {
      const piece = await original.call(this);
      began(piece.length);
      return piece;
    });
    try {
      const { reads } = await shardOf(input, last, state);
      expect(reads).toEqual(READS.slice(-reads.length));
      const inflated = began.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
      // The plan's own look, a megabyte or two, and no more than the last shards.
      if (hasAddon) expect(inflated).toBeLessThan(TEXT.join("").length);
    } finally {
      spy.mockRestore();
    }
  });
});

test("a mark of another file isn't used", async () => {
  const state = stateFolder();
  const one = await identify(write("one.fq.gz", gzipSync(TEXT.join(""))));
  await allOf(one, (shards) => shards, state);
  const other = await identify(write("other.fq.gz", gzipSync(TEXT.toReversed().join(""))));
  expect(await allOf(other, (shards) => shards.toReversed(), state)).toEqual(READS.toReversed());
});

test("a folder that can't be written is no error", async () => {
  const file = write("no-folder", "a file");
  const input = await identify(write("readonly.fq.gz", gzipSync(TEXT.join(""))));
  expect(await allOf(input, (shards) => shards, file)).toEqual(READS);
});

function recordsOf(plan: Awaited<ReturnType<typeof planInput>>): number {
  return plan.kind === "rule" ? plan.recordsPerShard : 1;
}
