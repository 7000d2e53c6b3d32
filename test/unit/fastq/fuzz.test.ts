/** The reader on bytes that nobody meant: an error with its place, and the same in both forms. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { identify, readShardOf, temporaryFolder } from "../actors/support.ts";
import { bgzfOf } from "./bgzf.ts";
import { rangeOf } from "./shards.ts";

/** Which form is used, and how often the one in TypeScript was asked for. */
const form = vi.hoisted(() => ({ isPlain: false, asked: 0 }));
vi.mock("../../../actors/native/addon.ts", async (original) => {
  const actual = await original<typeof import("../../../actors/native/addon.ts")>();
  const nativeStatus = () => {
    if (form.isPlain) form.asked += 1;
    return form.isPlain ? { addon: undefined, text: "" } : actual.nativeStatus();
  };
  return { ...actual, nativeStatus };
});

const { write } = temporaryFolder();
const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const WITHIN_MS = LONG ? 1_200_000 : 60_000;
const FASTQ = "@a x\nACGT\n+\nII@I\n@b\n\n+\n\n@c/1\nGGN\n+c/1\n@+!\n";
const SEEDS: Readonly<Record<string, Buffer>> = {
  fastq: Buffer.from(FASTQ),
  dos: Buffer.from(FASTQ.replaceAll("\n", "\r\n")),
  wrapped: Buffer.from("@a\nAC\nGT\n+\nII\n@I\n@b\nA\n+\n+\n"),
  fasta: Buffer.from(">a x\nACGT\nNN\n\n>b\n>c\nuuu\n"),
  protein: Buffer.from("\uFEFF>p\nMEFLPQJZ*\nKKL\n"),
  gzip: gzipSync(FASTQ),
  members: Buffer.concat([gzipSync(FASTQ), gzipSync(FASTQ), Buffer.alloc(3)]),
  bgzf: bgzfOf(Buffer.from(FASTQ), 20),
  zstd: Buffer.concat([zstdCompressSync(Buffer.from(FASTQ)), zstdCompressSync(Buffer.from(FASTQ))]),
};

type Policy = "quarantine" | "skip" | undefined;

/** All that the product says of a file, as plain values. */
async function readingOf(bytes: Uint8Array, policy: Policy): Promise<unknown> {
  const reader = await fastqSource.open({});
  try {
    const input = await identify(write("fuzz", bytes));
    const [plan] = (await fastqSource.plan({ inputs: [input.uri] }, [input], policy)).inputs;
    const range = plan === undefined ? undefined : rangeOf(plan, 0);
    if (range === undefined) throw new Error("no range");
    const { reads, outcome } = await readShardOf(reader, input, range, 3, policy);
    const aside = outcome.bad?.map(({ record, byteOffset, code, length }) => {
      return [record, byteOffset, code, length];
    });
    return { reads, ...outcome, bad: aside };
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    const { code, where } = thrown;
    if (code !== "INPUT_EMPTY") expect(where.record, `${code}: ${thrown.what}`).toBeGreaterThan(0);
    return isOfBytes(code) ? { code, ...where } : { code };
  } finally {
    await reader.close();
  }
}

/** Damage is told where it is noticed, and the forms read ahead differently. */
function isOfBytes(code: string): boolean {
  return code.startsWith("FAST");
}

/** In C++ and in TypeScript, with every policy. */
async function sameInBothForms(bytes: Uint8Array): Promise<void> {
  for (const policy of [undefined, "quarantine", "skip"] as const) {
    const native = await readingOf(bytes, policy);
    form.isPlain = true;
    try {
      expect(await readingOf(bytes, policy)).toEqual(native);
    } finally {
      form.isPlain = false;
    }
  }
}

test.each(Object.keys(SEEDS))(
  "%s cut anywhere, and with any byte changed",
  async (name) => {
    const seed = SEEDS[name] ?? Buffer.alloc(0);
    const step = LONG ? 1 : Math.max(1, Math.floor(seed.length / 12));
    for (let at = 0; at < seed.length; at += step) {
      await sameInBothForms(seed.subarray(0, at));
      for (const mask of LONG ? [1, 2, 4, 8, 16, 32, 64, 128] : [1 << (at % 8)]) {
        const changed = Buffer.from(seed);
        changed[at] = (changed[at] ?? 0) ^ mask;
        await sameInBothForms(changed);
      }
    }
    expect(form.asked).toBeGreaterThan(0);
  },
  WITHIN_MS,
);

test(
  "lines that look like records, and bytes that look like nothing",
  async () => {
    const line = fc.constantFrom(
      "@a",
      ">a",
      "@",
      "+",
      "+a",
      "AC",
      "GT",
      "II",
      "@I",
      "",
      "A C",
      "\u0000",
    );
    const lines = fc
      .array(line, { maxLength: 12 })
      .map((all) => Buffer.from(`@a\n${all.join("\n")}`));
    const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const headed = noise.map((bytes) => Buffer.concat([Buffer.from("1f8b0800", "hex"), bytes]));
    await fc.assert(
      fc.asyncProperty(fc.oneof(lines, noise, headed), (bytes) => sameInBothForms(bytes)),
      { numRuns: LONG ? 5_000 : 60, endOnFailure: true },
    );
  },
  WITHIN_MS,
);
