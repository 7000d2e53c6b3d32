/**
 * How fast simulated text is made on one core, without writing it:
 *
 *     node test/unit/simulate/speed.ts
 *
 * Rates are of FASTQ or FASTA bytes by CPU time of this process, so that others on the machine
 * count little.
 */
import { makeCommunity } from "../../../actors/simulate/community.ts";
import { simulateContigs } from "../../../actors/simulate/contigs.ts";
import { QUALITY_MODELS } from "../../../actors/simulate/quality.ts";
import { type Piece, simulateReads, type Summary } from "../../../actors/simulate/reads.ts";

function rate(name: string, pieces: Generator<Piece, Summary, void>): void {
  const before = process.cpuUsage();
  let bytes = 0;
  for (const { first, second } of pieces) bytes += first.length + second.length;
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const megabytes = bytes / 1e6;
  console.log(`${name}: ${megabytes.toFixed(0)} MB, ${(megabytes / seconds).toFixed(0)} MB/s`);
}

const started = process.cpuUsage();
const community = makeCommunity({
  seed: 1,
  genomes: [
    { name: "eco", chain: "escherichia", length: 4_000_000, strains: 2 },
    { name: "akk", chain: "akkermansia", length: 4_000_000 },
  ],
});
const made = process.cpuUsage(started);
console.log(`community of 12 Mbases: ${((made.user + made.system) / 1e6).toFixed(2)} s`);
const pairs = { layout: "paired", length: 150, insert: { mean: 300, sd: 60 } } as const;
rate("single 1,000 bases", simulateReads(community, { seed: 2, reads: 50_000, length: 1_000 }));
rate("pairs of 150 bases", simulateReads(community, { seed: 2, reads: 150_000, ...pairs }));
rate(
  "the same, with everything on",
  simulateReads(community, {
    ...{ seed: 2, reads: 150_000, ...pairs, duplicates: 0.2, colours: "two", dark: 0.02 },
    ...{ noCalls: { share: 0.01, longest: 20 }, quality: QUALITY_MODELS.binned },
    names: { style: "casava", labels: true },
  }),
);
rate(
  "contigs of 2,000 bases",
  simulateContigs(community, { seed: 3, contigs: 4_500, length: 2_000 }),
);
