/** Simulated files: containers, what our reader makes of them, bad records, contigs. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  bgzfBlock,
  type PackOptions,
  writeSimulated,
} from "../../../actors/simulate/containers.ts";
import { simulateContigs } from "../../../actors/simulate/contigs.ts";
import { simulateReads } from "../../../actors/simulate/reads.ts";
import { BAD_KINDS, type BadKind } from "../../../actors/simulate/text.ts";
import {
  failureOf,
  identify,
  planOf,
  readAll,
  readShardOf,
  temporaryFolder,
} from "../actors/support.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { collect, digestOf, fragmentOf, reads, recordsOf, smallCommunity } from "./support.ts";

const { folder, write } = temporaryFolder();
const COMMUNITY = smallCommunity();
const GOLDEN_CONTIGS = "a05094f10df9e4ed70935b5d44ff167000ee139a84395c4bad304240c47cd122";
const OPTIONS = { seed: 5, reads: 4_000, length: 120 } as const;

async function written(name: string, pack: PackOptions) {
  const files = { first: join(folder, name), truth: join(folder, `${name}.tsv`), ...pack };
  const summary = await writeSimulated(files, simulateReads(COMMUNITY, OPTIONS));
  return { path: files.first, truth: files.truth, summary };
}

describe("a file", () => {
  const plain = reads(COMMUNITY, OPTIONS);

  test.each<[string, PackOptions]>([
    ["plain", { container: "plain" }],
    ["gzip of many members", { container: "gzip", memberBytes: 10_000 }],
    ["bgzf", { container: "bgzf" }],
    ["bgzf without its end block", { container: "bgzf", endBlock: false }],
    ["stored bgzf", { container: "bgzf", level: 0 }],
  ])("of %s holds the text, and the reader finds every read", async (name, pack) => {
    const { path, truth, summary } = await written(name.replaceAll(" ", "-"), pack);
    const bytes = readFileSync(path);
    const text = pack.container === "plain" ? bytes : gunzipSync(bytes);
    expect(text.toString("latin1")).toBe(plain.first);
    expect(readFileSync(truth, "utf8").split("\n").length).toBe(4_002);
    expect(summary.sha256.first).toBe(digestOf(plain.first));
    expect(summary.sha256.first).toBe(createHash("sha256").update(text).digest("hex"));
    const found = await readAll(path);
    expect(found).toEqual(recordsOf(plain.first).map(({ name: id, bases }) => [id, bases]));
  });

  test("of gzip has as many members as its text needs", async () => {
    const { path } = await written("members.gz", { container: "gzip", memberBytes: 100_000 });
    // A member's head as zlib writes it; by chance elsewhere: once in 2^56 bytes.
    const heads = readFileSync(path)
      .toString("latin1")
      .split("\x1f\x8b\x08\x00\x00\x00\x00").length;
    expect(heads - 1).toBe(Math.ceil(plain.first.length / 100_000));
  });

  test("of bgzf has blocks of which the size is in the head, and an empty last one", async () => {
    const { path } = await written("blocks.gz", { container: "bgzf" });
    const bytes = readFileSync(path);
    let blocks = 0;
    let last = 0;
    for (let at = 0; at < bytes.length; blocks++) {
      expect(bytes.toString("latin1", at + 12, at + 14)).toBe("BC");
      last = at;
      at += bytes.readUInt16LE(at + 16) + 1;
    }
    expect(blocks).toBe(Math.ceil(plain.first.length / 65_280) + 1);
    expect(bytes.length - last).toBe(28);
  });

  test("of bgzf takes what doesn't shrink", () => {
    const noise = Buffer.alloc(65_280);
    for (let i = 0; i < noise.length; i += 32)
      createHash("sha256").update(String(i)).digest().copy(noise, i);
    const block = bgzfBlock(noise);
    expect(block.length).toBeLessThanOrEqual(65_536);
    expect(gunzipSync(block).equals(noise)).toBe(true);
  });

  test("that can't be written says so", async () => {
    const pieces = simulateReads(COMMUNITY, OPTIONS);
    const failure = await failureOf(writeSimulated({ first: "/dev/full" }, pieces));
    expect(failure.code).toBe("OUTPUT_UNWRITABLE");
  });

  test("needs no more memory when it is ten times as long", () => {
    const script = `
      import { smallCommunity } from "./test/unit/simulate/support.ts";
      import { simulateReads } from "./actors/simulate/reads.ts";
      import { writeSimulated } from "./actors/simulate/containers.ts";
      const options = { seed: 1, reads: Number(process.argv[1]), length: 150 };
      await writeSimulated({ first: "/dev/null", truth: "/dev/null" },
        simulateReads(smallCommunity(), options));
      console.log(process.resourceUsage().maxRSS);`;
    const [small = 0, large = 0] = [15_000, 150_000].map((count) => {
      const args = ["--input-type=module", "--max-semi-space-size=1", "-e", script, String(count)];
      const cwd = join(import.meta.dirname, "../../..");
      return Number(execFileSync(process.execPath, args, { cwd, timeout: 60_000 }).toString());
    });
    // 47 MB more text; the heap's own growth is a few MB.
    expect(large - small).toBeLessThan(16 * 1024);
  });
});

describe("bad records", () => {
  /** Kinds that spoil their own record alone, for a reader that puts records aside. */
  const kinds = BAD_KINDS.filter((kind) => kind !== "cut");

  test.each(kinds)("%s is refused, as its record", async (kind) => {
    const { first, truth } = reads(COMMUNITY, { reads: 60, bad: bad(kind) });
    expect(truth.filter(({ bad: is }) => is === kind).map((row) => row["fragment"])).toEqual([
      "17",
    ]);
    const failure = await failureOf(readAll(write(`${kind}.fastq`, first)));
    expect(failure.code).toMatch(/^FASTQ_/);
    // The reader counts from 1.
    expect(failure.where.record).toBe(18);
  });

  test.each(kinds)("%s is put aside, and no other", async (kind) => {
    const { first } = reads(COMMUNITY, { reads: 60, bad: bad(kind) });
    const input = await identify(write(`aside-${kind}.fastq`, first));
    const plan = await planOf(input);
    if (plan.kind !== "ranges" || plan.ranges[0] === undefined) throw new Error("no range");
    const reader = await fastqSource.open({});
    const { reads: found } = await readShardOf(reader, input, plan.ranges[0], 64, "quarantine");
    await reader.close();
    const sound = recordsOf(reads(COMMUNITY, { reads: 60 }).first).map(({ name }) => name);
    expect(found.map(([id]) => id)).toEqual(sound.filter((name) => name !== "sim_17"));
  });

  test("cut ends the file within a record", async () => {
    const { first, summary } = reads(COMMUNITY, { reads: 60, bad: bad("cut") });
    expect([summary.records, summary.bad]).toEqual([18, 1]);
    const failure = await failureOf(readAll(write("cut.fastq", first)));
    expect(failure.code).toBe("FASTQ_TRUNCATED");
  });

  test("come as often as asked for, by the kinds in turn", () => {
    const every = { kinds: ["short-quality", "no-plus"] as const, every: 10, first: 3 };
    const { truth } = reads(COMMUNITY, { reads: 40, bad: every });
    const found = truth.filter((row) => row["bad"] !== "");
    expect(found.map((row) => [row["fragment"], row["bad"]])).toEqual([
      ["3", "short-quality"],
      ["13", "no-plus"],
      ["23", "short-quality"],
      ["33", "no-plus"],
    ]);
  });
});

describe("contigs", () => {
  const options = { seed: 3, contigs: 60, length: { min: 500, max: 1_500 }, lineWidth: 70 };

  test("are the same for the same seed, for ever", () => {
    expect(collect(simulateContigs(COMMUNITY, options)).digest).toBe(GOLDEN_CONTIGS);
  });

  test("are windows that don't meet, as their truth says", () => {
    const { first, truth, summary } = collect(simulateContigs(COMMUNITY, options));
    const sequences = first.split(">").slice(1);
    expect(sequences.length).toBe(60);
    for (const [i, sequence] of sequences.entries()) {
      const [name, ...lines] = sequence.trimEnd().split("\n");
      expect(name).toBe(`contig_${i}`);
      expect(lines.join("")).toBe(fragmentOf(COMMUNITY, truth[i]));
      expect(lines.slice(0, -1).every((line) => line.length === 70)).toBe(true);
    }
    expect(summary.strains.map(({ count }) => count)).toEqual([20, 20, 20]);
    for (const { name } of summary.strains) {
      const own = truth.filter(({ strain }) => strain === name);
      const ordered = own.toSorted((a, b) => Number(a["start"]) - Number(b["start"]));
      for (const [i, row] of ordered.slice(1).entries()) {
        const end = Number(ordered[i]?.["start"]) + Number(ordered[i]?.["length"]);
        expect(Number(row["start"])).toBeGreaterThanOrEqual(end);
      }
      expect(own).not.toEqual(ordered);
    }
  });

  test("have as many errors as asked for", () => {
    const { summary } = collect(simulateContigs(COMMUNITY, { ...options, errorRate: 0.05 }));
    const expected = 0.05 * summary.bases;
    expect(Math.abs(summary.errors - expected)).toBeLessThan(5 * Math.sqrt(expected));
  });

  test("don't come from genomes that are too short for them", () => {
    const many = { ...options, contigs: 600 };
    expect(() => collect(simulateContigs(COMMUNITY, many))).toThrow(/eco\.0 has 60000 bases/);
  });
});

function bad(kind: BadKind) {
  return { kinds: [kind], every: 1_000, first: 17 };
}
