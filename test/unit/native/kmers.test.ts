/** k-mers, sketches and frames: C++, TypeScript, sourmash and Biopython say the same. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { readBatchOf } from "../../../actors/fastq/batch.ts";
import { describe, expect, test } from "vitest";
import { KMERS, PADDING, tokenize } from "../../../actors/kmer/tokens.ts";
import { geneticCode } from "../../../actors/native/codes.ts";
import {
  addKmerCounts,
  countTetramers,
  KmerTable,
  minimisers,
  type Sequences,
  Sketch,
  spectrumOf,
} from "../../../actors/native/kmers.ts";
import { type Frames, translate } from "../../../actors/native/translate.ts";

/** Made with sourmash 4.9.4 and Biopython 1.88, see their keys. */
interface Vectors {
  readonly sequence: string;
  readonly sourmash: readonly {
    readonly k: number;
    readonly scaled: number;
    readonly maxHash: string;
    readonly hashes: readonly (readonly [string, number])[];
  }[];
  readonly translated: {
    readonly sequence: string;
    /** By code: frames 1, 2, 3 of both strands. */
    readonly frames: Readonly<Record<string, readonly string[]>>;
  };
}

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "vectors.json"), "utf8"),
) as Vectors;
const FORCES = [undefined, "typescript"] as const;

function sequencesOf(...texts: readonly string[]): Sequences {
  const ends = [0];
  for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.length);
  return { bases: Buffer.from(texts.join("")), ends: Int32Array.from(ends) };
}

const dna = fc.array(fc.stringMatching(/^[ACGTacgtuNRy-]{0,60}$/), { maxLength: 6 });

describe("canonical 4-mers", () => {
  test("are those that the encoder `kmer` counts", async () => {
    await fc.assert(
      fc.asyncProperty(dna, async (texts) => {
        const sequences = sequencesOf(...texts);
        const nameless = { names: new Uint8Array(0), nameEnds: new Int32Array(texts.length + 1) };
        const parts = { records: texts.length, qualities: new Uint8Array(0), ...sequences };
        const tokens = tokenize(readBatchOf({ ...parts, ...nameless }, "fasta"));
        const expected = new Int32Array(texts.length * KMERS);
        for (let i = 0; i < texts.length; i++) {
          const begin = sequences.ends[i] ?? 0;
          for (let at = 0; at < (tokens.counts[i] ?? 0); at++) {
            const place = i * KMERS + (tokens.values[begin + at] ?? PADDING);
            expected[place] = (expected[place] ?? 0) + 1;
          }
        }
        for (const force of FORCES) {
          expect(await countTetramers(sequences, force)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("k-mer tables", () => {
  test("in both forms hold the same, exact or sampled, in one piece or in parts", async () => {
    const k = fc.integer({ min: 1, max: 31 });
    await fc.assert(
      fc.asyncProperty(
        dna,
        dna,
        k,
        fc.constantFrom(5, 50, 1000),
        async (one, other, size, most) => {
          const tables = await Promise.all(
            FORCES.map(async (force) => {
              const whole = new KmerTable(size, most, force);
              const parts = [new KmerTable(size, most, force), new KmerTable(size, most, force)];
              await whole.add(sequencesOf(...one));
              await whole.add(sequencesOf(...other));
              await parts[0]?.add(sequencesOf(...one));
              await parts[1]?.add(sequencesOf(...other));
              const [left, right] = parts.map((part) => part.counts());
              if (left === undefined || right === undefined) throw new Error("no parts");
              return { whole: whole.counts(), merged: addKmerCounts(left, right, most) };
            }),
          );
          expect(tables[0]).toEqual(tables[1]);
          expect(tables[0]?.merged).toEqual(tables[0]?.whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("count both strands as one", async () => {
    const table = new KmerTable(3);
    await table.add(sequencesOf("ACGTT", "AACGT", "AANAC"));
    const { keys, counts, windows, halvings } = table.counts();
    // AAC = GTT (1) and ACG = CGT (6).
    expect([[...keys], [...counts], windows, halvings]).toEqual([[1n, 6n], [2, 4], 6, 0]);
    expect([...spectrumOf(table.counts(), 3)]).toEqual([0, 0, 1, 1]);
  });

  test("minimisers are the same in both forms, and on both strands", async () => {
    await fc.assert(
      fc.asyncProperty(dna, fc.integer({ min: 1, max: 31 }), async (texts, k) => {
        const found = await minimisers(sequencesOf(...texts), k);
        expect(await minimisers(sequencesOf(...texts), k, "typescript")).toEqual(found);
      }),
      { numRuns: 40 },
    );
    const [one, other] = await minimisers(sequencesOf("ACGTTGCA", "TGCAACGT"), 5);
    expect(one).toBe(other);
  });
});

describe("sketches", () => {
  const LEVELS = ["typescript", "plain", "avx2", "avx512"] as const;

  test("are the same in every form, for any k and any letters", async () => {
    const long = fc.array(fc.stringMatching(/^[ACGTacgtuN]{0,200}$/), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(long, fc.integer({ min: 1, max: 31 }), async (texts, k) => {
        const found = [];
        for (const level of LEVELS) {
          const sketch = new Sketch(k, 2, level);
          await sketch.add(sequencesOf(...texts));
          found.push(sketch.hashes());
        }
        for (const one of found.slice(1)) expect(one).toEqual(found[0]);
      }),
      { numRuns: 80 },
    );
  });

  test.each(vectors.sourmash)("k $k, scaled $scaled: sourmash's hashes", async (vector) => {
    for (const force of LEVELS) {
      const sketch = new Sketch(vector.k, vector.scaled, force);
      await sketch.add(sequencesOf(vectors.sequence));
      const { keys, counts } = sketch.hashes();
      expect(sketch.maxHash).toBe(BigInt(vector.maxHash));
      expect([...keys].map((key, i) => [String(key), counts[i]])).toEqual(vector.hashes);
    }
  });
});

/** Stretches as text: sequence, frame, place, residues. */
function shown(frames: Frames): readonly string[] {
  const residues = Buffer.from(frames.residues).toString("latin1");
  return [...frames.frames].map((frame, i) => {
    const place = `${frames.sequences[i]} ${frame} ${frames.begins[i]}-${frames.stops[i]}`;
    return `${place} ${residues.slice(frames.ends[i], frames.ends[i + 1])}`;
  });
}

describe("frames", () => {
  const { sequence, frames } = vectors.translated;

  test.each(Object.keys(frames))("of code %s are Biopython's", async (code) => {
    for (const force of FORCES) {
      const options = { orf: "frames", code: Number(code) } as const;
      const all = await translate(sequencesOf(sequence), options, force);
      const residues = shown(all).map((one) => one.split(" ")[3]);
      // Biopython tells apart what a codon may be: B, J and Z; here it isn't certain.
      expect(residues).toEqual(frames[code]?.map((one) => one.replaceAll(/[BJZ]/g, "X")));
    }
  });

  test("open ones end at stops or at the sequence, and lie where they say", async () => {
    // Frame 1: M K * L V; the other strand's frame 1: N Q L F H.
    const text = "ATGAAATAGTTGGTT";
    for (const force of FORCES) {
      const all = await translate(sequencesOf("", text), { orf: "all", lengthMin: 2 }, force);
      expect(shown(all)).toContain("1 1 0-6 MK");
      expect(shown(all)).toContain("1 1 9-15 LV");
      expect(shown(all)).toContain("1 -1 0-15 NQLFH");
      const longest = await translate(sequencesOf(text), { lengthMin: 2 }, force);
      expect(shown(longest)).toEqual(["0 -1 0-15 NQLFH"]);
    }
  });

  test("of equal ones the first in +1 +2 +3 -1 -2 -3 is the longest", async () => {
    const ties = await translate(sequencesOf("CCCCCCCCC", "TAACCCCC"), { lengthMin: 2 });
    expect(shown(ties)).toEqual(["0 1 0-9 PPP", "1 2 1-7 NP"]);
    expect(shown(await translate(sequencesOf("CCCCCCCCC"), { lengthMin: 4 }))).toEqual([]);
  });

  test("are the same in both forms", async () => {
    const mode = fc.constantFrom("frames", "longest", "all");
    await fc.assert(
      fc.asyncProperty(dna, mode, fc.constantFrom(1, 2, 4, 33), async (texts, orf, code) => {
        const options = { orf, code, lengthMin: 3 } as const;
        const native = await translate(sequencesOf(...texts), options);
        expect(await translate(sequencesOf(...texts), options, "typescript")).toEqual(native);
      }),
      { numRuns: 100 },
    );
  });

  test("of an unknown code are refused", async () => {
    expect(() => geneticCode(7)).toThrow(RangeError);
    const wild = { bases: Buffer.from("ACGT"), ends: Int32Array.of(0, 9) };
    await expect(translate(wild)).rejects.toThrow("end with 4");
    await expect(countTetramers(wild)).rejects.toThrow(RangeError);
  });
});
