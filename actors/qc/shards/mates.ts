/** Both mates of a fragment as reads of their own, by turns: for encoders of one read a row. */
import { type ReadBatch, readBatchOf, type Reads } from "../../fastq/batch.ts";

/** Mate 1 of the first fragment, its mate 2, mate 1 of the next; single reads as they are. */
export function mateRows(batch: ReadBatch): ReadBatch {
  const { mate, format } = batch;
  if (mate === undefined) return batch;
  const names = byTurns(batch, mate, ({ names: bytes, nameEnds }) => [bytes, nameEnds]);
  const bases = byTurns(batch, mate, ({ bases: bytes, offsets }) => [bytes, offsets]);
  const qualities = byTurns(batch, mate, ({ qualities: bytes, offsets }) => [bytes, offsets]);
  return readBatchOf(
    {
      records: batch.records * 2,
      names: names.bytes,
      nameEnds: names.ends,
      bases: bases.bytes,
      qualities: qualities.bytes,
      ends: bases.ends,
    },
    format,
  );
}

function byTurns(
  first: Reads,
  second: Reads,
  of: (reads: Reads) => readonly [Uint8Array, Int32Array],
): { readonly bytes: Uint8Array; readonly ends: Int32Array } {
  const sides = [of(first), of(second)];
  const bytes = new Uint8Array(sides.reduce((sum, [all]) => sum + all.length, 0));
  const ends = new Int32Array(first.records * 2 + 1);
  let end = 0;
  for (let read = 0; read < first.records * 2; read++) {
    const [all, allEnds] = sides[read & 1] ?? [new Uint8Array(0), new Int32Array(0)];
    const part = all.subarray(allEnds[read >> 1], allEnds[(read >> 1) + 1]);
    bytes.set(part, end);
    end += part.length;
    ends[read + 1] = end;
  }
  return { bytes, ends };
}
