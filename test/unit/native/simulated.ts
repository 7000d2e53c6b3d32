/** Reads with everything that quality control looks for: adapters, poly-G, poor ends, N, pairs. */

export const ADAPTERS = [
  "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA",
  "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT",
] as const;

export interface SimulatedPair {
  readonly first: string;
  readonly second: string;
}

/** Two FASTQ texts of `pairs` reads of up to `length` bases, the same for the same seed. */
export function simulatePairs(seed: number, pairs: number, length: number): SimulatedPair {
  const random = generator(seed);
  const genome = Array.from({ length: 5000 }, () => "ACGT"[random(4)]).join("");
  const texts = ["", ""];
  for (let i = 0; i < pairs; i++) {
    const insert = 20 + random(3 * length);
    const begin = random(genome.length - insert - 1);
    const fragment = genome.slice(begin, begin + insert);
    const mates = [fragment, reversed(fragment)];
    for (const mate of [0, 1] as const) {
      const n = random(9) === 0 ? random(length + 1) : length;
      const fill = random(3) === 0 ? "G".repeat(length) : genome.slice(0, length);
      const bases = `${mates[mate]}${ADAPTERS[mate]}${fill}`.slice(0, n);
      texts[mate] += record(`r${i} ${mate + 1}:N:0`, bases, random);
    }
  }
  return { first: texts[0] ?? "", second: texts[1] ?? "" };
}

function record(name: string, bases: string, random: (below: number) => number): string {
  const poor = random(4) === 0 ? random(60) : 5;
  const goodEnd = bases.length - random(bases.length + 1);
  let read = "";
  let quality = "";
  for (const [i, base] of Array.from(bases).entries()) {
    const isPoor = random(100) < poor || (poor > 40 && i > goodEnd);
    const q = isPoor ? 2 + random(13) : 25 + random(16);
    const isWrong = random(isPoor ? 8 : 300) === 0;
    read += isWrong ? ("ACGTN"[random(5)] ?? "N") : base;
    quality += String.fromCharCode(33 + q);
  }
  return `@${name}\n${read}\n+\n${quality}\n`;
}

function reversed(bases: string): string {
  const mates: Readonly<Record<string, string>> = { A: "T", C: "G", G: "C", T: "A" };
  return Array.from(bases)
    .reverse()
    .map((base) => mates[base])
    .join("");
}

/** Numbers below a bound, the same for the same seed (xorshift). */
export function generator(seed: number): (below: number) => number {
  let state = seed + 0x9e37_79b9;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
