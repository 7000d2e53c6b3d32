/** Log segments: their bytes, their checks, and the fence that making the next one is. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Fact } from "../../../head/core/facts.ts";
import {
  appendSegment,
  decodeSegment,
  encodeSegment,
  readLog,
  segmentUri,
} from "../../../head/daemon/log.ts";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import { PROGRAM, receiptOf } from "./support.ts";

const EPOCH = { number: 7, leader: "0b9e1c52-1c4b-4c2e-9a57-1d1f1f6ab2d0" };
const FACTS: readonly Fact[] = [
  { type: "epoch", ...EPOCH },
  { type: "program.submitted", jobId: "1".repeat(64), program: PROGRAM, argv: ["ü\n€"], atMs: 5 },
  {
    type: "shard.committed",
    jobId: "2".repeat(64),
    input: 0,
    shard: 1,
    receipt: receiptOf(0, 1),
  },
];
const GOLDEN = new URL("../../golden/log-segment.txt", import.meta.url);

async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgl-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A log in a folder. */
const placeOf = (stateUri: string) => ({ stateUri, storage: folderStorage });

async function segments(count: number): Promise<string> {
  const folder = await stateFolder();
  for (let n = 1; n <= count; n += 1) {
    await appendSegment(placeOf(folder), n, EPOCH, [{ type: "epoch", number: n, leader: "x" }]);
  }
  return folder;
}

describe("a segment", () => {
  test("has the bytes that every earlier log has", async () => {
    const golden = await readFile(GOLDEN);
    expect(encodeSegment(3, EPOCH, FACTS).toString("utf8")).toBe(golden.toString("utf8"));
    expect(decodeSegment(3, golden).facts).toEqual(FACTS);
  });

  test("gives back what it was made of", () => {
    const { header, facts } = decodeSegment(3, encodeSegment(3, EPOCH, FACTS));
    expect(facts).toEqual(FACTS);
    expect(header).toMatchObject({ ligase: 1, n: 3, epoch: 7, leader: EPOCH.leader, facts: 3 });
    expect(decodeSegment(1, encodeSegment(1, EPOCH, [])).facts).toEqual([]);
  });

  test("with any bit flipped is refused", () => {
    const bytes = encodeSegment(3, EPOCH, FACTS);
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      expect(() => decodeSegment(3, flipped), `byte ${at}`).toThrow("LOG_CORRUPT");
    }
  });

  test("cut anywhere is refused", () => {
    const bytes = encodeSegment(3, EPOCH, FACTS);
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => decodeSegment(3, bytes.subarray(0, end)), `at ${end}`).toThrow("LOG_CORRUPT");
    }
    expect(() => decodeSegment(3, Buffer.concat([bytes, bytes]))).toThrow("LOG_CORRUPT");
  });

  test("of another number, of another format or without a header is refused", () => {
    expect(() => decodeSegment(4, encodeSegment(3, EPOCH, FACTS))).toThrow("its header says 3");
    for (const text of ["null\n", "[]\n", "{}\n", "\n", '{"ligase":2}\n']) {
      expect(() => decodeSegment(3, Buffer.from(text)), text).toThrow("LOG_CORRUPT");
    }
  });
});

describe("a log", () => {
  test("is read in order, and says the next number", async () => {
    const folder = await segments(12);
    const { facts, next } = await readLog(folder);
    expect(facts.map((fact) => (fact.type === "epoch" ? fact.number : 0))).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    expect(next).toBe(13);
    expect(await readLog(join(folder, "nothing"))).toEqual({ facts: [], next: 1 });
  });

  test("with a segment missing in the middle is refused", async () => {
    const folder = await segments(4);
    await rm(segmentUri(folder, 2));
    await expect(readLog(folder)).rejects.toThrow("log segment 2: it is missing");
  });

  test("with a cut or empty segment, also the last, is refused", async () => {
    const folder = await segments(3);
    const path = segmentUri(folder, 3);
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    await expect(readLog(folder)).rejects.toMatchObject({
      code: "LOG_CORRUPT",
      where: { segment: 3 },
    });
    await writeFile(path, "");
    await expect(readLog(folder)).rejects.toMatchObject({ code: "LOG_CORRUPT" });
  });

  test("doesn't mind what a writer that was killed left behind", async () => {
    const folder = await segments(2);
    await writeFile(join(folder, "log", ".000000000003.abcdef.tmp"), "half a seg");
    expect((await readLog(folder)).next).toBe(3);
  });
});

describe("the fence", () => {
  const fact = (leader: string): Fact => ({ type: "epoch", number: 8, leader });

  test("lets exactly one of many writers make a number", async () => {
    const folder = await segments(1);
    const leaders = Array.from({ length: 20 }, (_, index) => `leader ${index}`);
    const outcomes = await Promise.allSettled(
      leaders.map((leader) =>
        appendSegment(placeOf(folder), 2, { number: 8, leader }, [fact(leader)]),
      ),
    );
    const won = leaders.filter((_, index) => outcomes[index]?.status === "fulfilled");
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toMatchObject({ code: "LOG_FENCED" });
    }
    expect((await readLog(folder)).facts.at(-1)).toEqual(fact(won[0] ?? ""));
    expect(await readdir(join(folder, "log"))).toHaveLength(2);
  });

  test("takes the same bytes again: an answer that got lost is asked for again", async () => {
    const folder = await segments(1);
    await appendSegment(placeOf(folder), 2, EPOCH, [fact("me")]);
    await appendSegment(placeOf(folder), 2, EPOCH, [fact("me")]);
    await expect(appendSegment(placeOf(folder), 2, EPOCH, [fact("you")])).rejects.toMatchObject({
      code: "LOG_FENCED",
    });
  });

  test("never changes what stands", async () => {
    const folder = await segments(2);
    const digest = async () =>
      createHash("sha256")
        .update(await readFile(segmentUri(folder, 2)))
        .digest("hex");
    const before = await digest();
    await expect(appendSegment(placeOf(folder), 2, EPOCH, [fact("you")])).rejects.toThrow(
      "LOG_FENCED",
    );
    expect(await digest()).toBe(before);
  });

  test("isn't there for a folder that can't be written: the head ends", async () => {
    const folder = await stateFolder();
    await mkdir(dirname(join(folder, "log")), { recursive: true });
    await writeFile(join(folder, "log"), "a file in the way");
    await expect(appendSegment(placeOf(folder), 1, EPOCH, [])).rejects.toMatchObject({
      code: "OUTPUT_UNWRITABLE",
    });
  });
});
