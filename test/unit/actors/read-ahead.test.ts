/** Reading ahead: all bytes in order, never more under way than its bound. */
import { expect, test } from "vitest";
import { ReadAhead } from "../../../actors/fastq/text/opened.ts";
import { READ_CHUNK_BYTES, S3_READ_BYTES, S3_READS_AHEAD } from "../../../runtime/limits.ts";

/** Answers a read when it is told to. */
class Reads {
  readonly asked: { from: number; to: number; give: (bytes: Buffer) => void }[] = [];

  readonly read = (from: number, to: number): Promise<Buffer> =>
    new Promise((give) => void this.asked.push({ from, to, give }));

  answerFirst(): void {
    const first = this.asked.shift();
    first?.give(Buffer.alloc(first.to - first.from));
  }

  /** Answers the reads that wait, the last one first. */
  answer(): void {
    for (const { from, to, give } of this.asked.splice(0).reverse()) {
      give(Buffer.alloc(to - from, from / READ_CHUNK_BYTES));
    }
  }
}

test("gives all bytes in order, whatever order they come in, and then none", async () => {
  const reads = new Reads();
  const [begin, end] = [3 * READ_CHUNK_BYTES, 40 * READ_CHUNK_BYTES + 7];
  const ahead = new ReadAhead(reads.read, begin, end);
  let position = begin;
  for (;;) {
    const next = ahead.next();
    reads.answer();
    const bytes = await next;
    if (bytes.length === 0) break;
    expect(bytes[0]).toBe(position / READ_CHUNK_BYTES);
    position += bytes.length;
  }
  expect(position).toBe(end);
  expect(reads.asked).toEqual([]);
});

test("begins with one short read, and holds no more than its bound", async () => {
  const reads = new Reads();
  const ahead = new ReadAhead(reads.read, 0, 1_000 * READ_CHUNK_BYTES);
  let next = ahead.next();
  expect(reads.asked.map(({ from, to }) => to - from)).toEqual([READ_CHUNK_BYTES]);
  for (let turn = 0; turn < 20; turn += 1) {
    reads.answerFirst();
    await next;
    const held = reads.asked.map(({ from, to }) => to - from);
    expect(held.length).toBeLessThanOrEqual(S3_READS_AHEAD);
    expect(Math.max(...held)).toBeLessThanOrEqual(S3_READ_BYTES);
    next = ahead.next();
  }
  expect(reads.asked).toHaveLength(S3_READS_AHEAD);
});

test("a read that fails is an error at its place, and not before", async () => {
  const ahead = new ReadAhead(
    async (from, to) => {
      if (from > 0) throw new Error(`no byte ${from}`);
      return Buffer.alloc(to - from);
    },
    0,
    10 * READ_CHUNK_BYTES,
  );
  expect(await ahead.next()).toHaveLength(READ_CHUNK_BYTES);
  await expect(ahead.next()).rejects.toThrow(`no byte ${READ_CHUNK_BYTES}`);
});
