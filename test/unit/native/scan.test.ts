/** Scanning: C++ at every level, TypeScript, and a reference written apart say the same. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nativeStatus } from "../../../actors/native/addon.ts";
import { RecordScanner, type ScanOptions } from "../../../actors/native/scan.ts";
import { dataFile, dataNames, hasData } from "./data.ts";
import { reference } from "./reference.ts";
import { type Scanned, scanAll, WAYS } from "./scanned.ts";

const FOLDER = "biopython-quality";

test("the addon is built for this very Node", () => {
  const { addon, text } = nativeStatus();
  expect(text).toMatch(/^native addon, (plain|avx2|avx512)$/);
  expect(addon?.modules).toBe(process.versions.modules);
});

/** All ways and several cuts give one result. */
function scanSame(bytes: Uint8Array, options: ScanOptions, cuts: readonly number[]): Scanned {
  const expected = scanAll(bytes, { ...options, force: "typescript" });
  for (const force of WAYS) {
    for (const cut of cuts) {
      expect(scanAll(bytes, { ...options, force }, cut), `${force}, ${cut}`).toEqual(expected);
    }
  }
  return expected;
}

describe("four lines a record", () => {
  const piece = fc.oneof(
    fc.constantFrom("@r", "@r x", "+", "+r x", "ACGT", "acgu", "NNN", "IIII", "@II", "+II", "!~"),
    fc.constantFrom("", "\r", "\n", "\n\n", "@", "+", "A".repeat(70), "I".repeat(70), "é"),
  );
  const record = fc
    .tuple(fc.stringMatching(/^[!-~]{0,9}( [ -~]{0,5})?$/), fc.nat(150), fc.boolean(), fc.boolean())
    .map(([name, length, repeats, dos]) => {
      const quality = Array.from({ length }, (_, i) => "@+I!~"[(i * 7 + length) % 5]).join("");
      const title = repeats ? name : "";
      const lines = [`@${name}`, "ACGTNacgtn".repeat(15).slice(0, length), `+${title}`, quality];
      return lines.join(dos ? "\r\n" : "\n") + (dos ? "\r\n" : "\n");
    });

  test("valid records come out as they are, however they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
        (all, cut) => {
          const scanned = scanSame(Buffer.from(all.join("")), { format: "fastq" }, [cut, 1 << 20]);
          expect(scanned.error).toBeUndefined();
          expect(scanned.records).toHaveLength(all.length);
          const lengths = all.map((text) => text.length);
          expect(scanned.begins).toEqual(lengths.map((_, i) => sum(lengths.slice(0, i))));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("anything else gives what the reference gives, to the byte", () => {
    const text = fc.array(fc.oneof(piece, record, fc.constant("\n")), { maxLength: 14 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), (pieces, cut) => {
        const bytes = Buffer.from(pieces.join(""));
        const scanned = scanSame(bytes, { format: "fastq" }, [cut, 1 << 20]);
        const { records, error } = reference(bytes);
        expect(scanned.error).toBe(error);
        expect(scanned.records.map((one) => one.split("\n").slice(0, 2).join("\n"))).toEqual(
          records,
        );
      }),
      { numRuns: 300 },
    );
  });

  test("a batch is cut by records or bases alone", () => {
    const bytes = Buffer.from("@a\nACGT\n+\nIIII\n".repeat(10));
    for (const force of WAYS) {
      const byRecords = scanAll(bytes, { format: "fastq", force }, 7, 4, 1000);
      const byBases = scanAll(bytes, { format: "fastq", force }, 5, 100, 9);
      expect([byRecords.batches, byBases.batches]).toEqual([
        [4, 4, 2],
        [3, 3, 3, 1],
      ]);
    }
  });

  test("a record over its bound is refused at its first byte", () => {
    const bytes = Buffer.from(`@a\nAC\n+\nII\n@b\n${"A".repeat(100)}\n+\n${"I".repeat(100)}\n`);
    const options = { format: "fastq", recordBytesMax: 60 } as const;
    const { error } = scanSame(bytes, options, [16, 1 << 20]);
    expect(error).toBe("FASTQ_LINE_TOO_LONG record 2 byte 11: the record is longer than 60 bytes");
  });
});

describe("several lines a record", () => {
  const wrapped = { format: "wrapped-fastq" } as const;

  test("sequence and quality are joined, also where a quality line looks like a name", () => {
    const bytes = Buffer.from("@a 1\r\nACG\r\nT\r\n+a 1\r\n@+I\r\n@\r\n@b\n\n+\n\n@c\nA\n+\n+");
    const { records, flags, begins, error } = scanSame(bytes, wrapped, [1, 5, 99]);
    expect(error).toBeUndefined();
    expect(records).toEqual(["a\nACGT\n@+I@", "b\n\n", "c\nA\n+"]);
    expect([flags, begins]).toEqual([
      [5, 2, 0],
      [0, 28, 35],
    ]);
  });

  test.each([
    ["@a\nAC\n\nGT\n+\nIIII\n", "FASTQ_BAD_RECORD record 1 byte 6: an empty line"],
    ["@a\nAC\n+\nI\n@b\nA\n+\nI\n", "FASTQ_LENGTHS_DIFFER record 1 byte 0:"],
    ["@a\nAC\nGT\n+\nIII\n", "FASTQ_TRUNCATED record 1 byte 0:"],
    ["@a\nAC\nG T\n+\nIIIII\n", "FASTQ_BAD_RECORD record 1 byte 7: sequence character 0x20"],
  ])("%j is refused", (text, error) => {
    expect(scanSame(Buffer.from(text), wrapped, [1, 6, 99]).error).toMatch(error);
  });

  test("records of four lines are the same records", () => {
    const text = "@a x\nACGT\n+\n@III\n@b\n\n+\n\n@c\nNN\n+c\n++\n";
    const four = scanAll(Buffer.from(text), { format: "fastq" });
    expect(scanSame(Buffer.from(text), wrapped, [3, 99])).toEqual(four);
  });

  test("any bytes give the same in every way", () => {
    const line = fc.constantFrom("@a", "@", "+", "+a", "AC", "GT", "II", "@I", "", "+I", "A C");
    const lines = fc.array(line, { maxLength: 14 }).map((all) => Buffer.from(all.join("\n")));
    for (const format of ["wrapped-fastq", "fasta"] as const) {
      fc.assert(
        fc.property(lines, fc.integer({ min: 1, max: 9 }), (bytes, cut) => {
          scanSame(bytes, { format }, [cut, 99]);
        }),
        { numRuns: 200 },
      );
    }
  });
});

describe("FASTA", () => {
  test("lines are joined, empty ones may stand behind a record", () => {
    const bytes = Buffer.from(">a desc\nACGT\nNN\n\n>b\n>c\r\nuU-\r\n");
    const { records, flags, error } = scanSame(bytes, { format: "fasta" }, [1, 4, 99]);
    expect([records, flags, error]).toEqual([["a\nACGTNN", "b\n", "c\nuU-"], [4, 2, 1], undefined]);
  });

  test("residues need `protein`", () => {
    const bytes = Buffer.from(">p\nMEFLJ*\n");
    expect(scanSame(bytes, { format: "fasta", protein: true }, [99]).records).toEqual([
      "p\nMEFLJ*",
    ]);
    expect(scanSame(bytes, { format: "fasta" }, [99]).error).toBe(
      "FASTA_BAD_RECORD record 1 byte 4: sequence character 0x45 isn't a base or IUPAC code",
    );
  });

  test.each([
    ["A>\n", "record begins with 0x41, not with '>'"],
    [">a\nAC\n\nGT\n", "byte 6: an empty line stands inside a record"],
  ])("%j is refused", (text, error) => {
    expect(scanSame(Buffer.from(text), { format: "fasta" }, [1, 99]).error).toMatch(error);
  });
});

describe.runIf(hasData)("public files", () => {
  test.each(dataNames(FOLDER, /\.fastq$/))("%s: as the reference reads it", (name) => {
    const bytes = dataFile(FOLDER, name);
    const scanned = scanSame(bytes, { format: "fastq" }, [61, 4096]);
    const { records, error } = reference(bytes);
    expect(scanned.error).toBe(error);
    expect(scanned.records).toHaveLength(records.length);
  });

  test("all 22 error files are refused in both grammars, the wrapped one reads the others", () => {
    const names = dataNames(FOLDER, /\.fastq$/);
    const bad = names.filter((name) => name.startsWith("error_"));
    expect(bad).toHaveLength(22);
    for (const name of names) {
      const bytes = dataFile(FOLDER, name);
      const { error } = scanSame(bytes, { format: "wrapped-fastq" }, [61, 4096]);
      if (name.startsWith("error_")) expect(error, name).toMatch(/^FASTQ_\w+ record \d+ byte \d+/);
      else expect(error, name).toBeUndefined();
      if (!name.startsWith("error_")) continue;
      expect(scanAll(bytes, { format: "fastq" }).error, name).toMatch(/^FASTQ_/);
    }
  });

  test("proteins, with every residue", () => {
    const bytes = dataFile("seqkit", "titin.fas");
    const options = { format: "fasta", protein: true } as const;
    const { records } = scanSame(bytes, options, [999, 1 << 20]);
    const lines = bytes.toString("latin1").split("\n");
    expect(records).toHaveLength(lines.filter((line) => line.startsWith(">")).length);
    const residues = lines.filter((line) => !line.startsWith(">")).join("");
    expect(records.map((one) => one.slice(one.indexOf("\n") + 1)).join("")).toBe(residues);
  });
});

describe("buffers", () => {
  test("that were transferred are refused, and a second call under way too", async () => {
    const scanner = new RecordScanner({ format: "fastq" });
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(() => scanner.feed(gone)).toThrow("was transferred");
    scanner.feed(Buffer.from("@a\nA\n+\nI\n".repeat(5000)));
    const first = scanner.next(100_000, 1 << 20);
    expect(() => scanner.end()).toThrow("under way");
    await expect(scanner.next(1, 1)).rejects.toThrow("under way");
    expect(await first).toEqual({ kind: "input" });
  });

  test("that shrank give what is left", () => {
    const buffer = new ArrayBuffer(20, { maxByteLength: 40 });
    const bytes = new Uint8Array(buffer);
    bytes.set(Buffer.from("@a\nA\n+\nI\n"));
    const scanner = new RecordScanner({ format: "fastq" });
    buffer.resize(9);
    scanner.feed(bytes);
    scanner.end();
    const step = scanner.nextNow(10, 10);
    expect(step.kind === "ended" && step.batch.records).toBe(1);
    expect(() => scanner.nextNow(0, 1)).toThrow(RangeError);
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
