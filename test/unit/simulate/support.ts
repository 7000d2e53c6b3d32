/** What the simulator's tests share: small communities, and pieces read back as text. */
import { createHash } from "node:crypto";
import {
  type Community,
  type CommunityOptions,
  makeCommunity,
} from "../../../actors/simulate/community.ts";
import {
  type Piece,
  type ReadsOptions,
  simulateReads,
  type Summary,
} from "../../../actors/simulate/reads.ts";

export interface Collected {
  readonly first: string;
  readonly second: string;
  readonly truth: readonly Readonly<Record<string, string>>[];
  readonly summary: Summary;
  /** sha256 of first, second and truth, one after the other. */
  readonly digest: string;
}

export interface Record4 {
  readonly name: string;
  readonly bases: string;
  readonly quality: string;
}

/** Two genomes of 60,000 bases, the second with a strain. */
export function smallCommunity(more: Partial<CommunityOptions> = {}): Community {
  return makeCommunity({
    seed: 7,
    genomes: [
      { name: "eco", chain: "escherichia", length: 60_000 },
      { name: "akk", chain: "akkermansia", length: 60_000, strains: 2 },
    ],
    ...more,
  });
}

export function collect(pieces: Generator<Piece, Summary, void>): Collected {
  const streams = { first: "", second: "", truth: "" };
  let step = pieces.next();
  for (; step.done !== true; step = pieces.next()) {
    streams.first += Buffer.from(step.value.first).toString("latin1");
    streams.second += Buffer.from(step.value.second).toString("latin1");
    streams.truth += Buffer.from(step.value.truth).toString("latin1");
  }
  const [head = "", ...lines] = streams.truth.trimEnd().split("\n");
  const columns = head.split("\t");
  const truth = lines.map((line) => {
    const cells = line.split("\t");
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""]));
  });
  const hash = createHash("sha256");
  for (const text of [streams.first, streams.second, streams.truth]) hash.update(text, "latin1");
  const { first, second } = streams;
  return { first, second, truth, summary: step.value, digest: hash.digest("hex") };
}

export function reads(community: Community, options: Partial<ReadsOptions>): Collected {
  return collect(simulateReads(community, { seed: 5, reads: 1_000, length: 100, ...options }));
}

/** Records of FASTQ with four lines each. */
export function recordsOf(text: string): Record4[] {
  const lines = text.split("\n");
  const records: Record4[] = [];
  for (let i = 0; i + 3 < lines.length; i += 4) {
    const [name = "", bases = "", , quality = ""] = lines.slice(i, i + 4);
    records.push({ name: name.slice(1), bases, quality });
  }
  return records;
}

/** The fragment of a truth line as letters, as its first read sees it. */
export function fragmentOf(
  { strains }: Community,
  row: Readonly<Record<string, string>> | undefined,
): string {
  const strain = strains.find(({ name }) => name === row?.["strain"]);
  const start = Number(row?.["start"]);
  const piece = strain?.bases.slice(start, start + Number(row?.["size"] ?? row?.["length"]));
  const letters = Array.from(piece ?? [], (base) => "ACGT"[base]).join("");
  return row?.["strand"] === "-" ? reverseComplement(letters) : letters;
}

export function reverseComplement(letters: string): string {
  return Array.from(letters, (letter) => "TGCA"["ACGT".indexOf(letter)])
    .toReversed()
    .join("");
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}
