/**
 * The same reads make the same shards, byte for byte: whatever the number of executors, the folder,
 * the run, and the order and pace of the work. And the same vectors, plain or compressed.
 */
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freeze, partsOf, receipts, thaw } from "./processes.ts";
import { check } from "./python.ts";
import {
  cleanUp,
  digestsOf,
  makeInputs,
  newPlace,
  type Place,
  resultOf,
  run,
  startRun,
} from "./support.ts";

const FILES = 6;

let place: Place;
let inputs: string[];
let expected: readonly string[];

beforeAll(async () => {
  place = await newPlace();
  inputs = await makeInputs(place, { files: FILES, reads: 2_000 });
  expected = await shardsOf("one", ["--executors", "1"]);
}, 120_000);
afterAll(() => cleanUp());

const argsOf = (name: string, more: readonly string[], files: readonly string[] = inputs) => {
  return ["--no-solve", "--input", ...files, "--output", place.path(name), ...more];
};

async function shardsOf(name: string, more: readonly string[]): Promise<readonly string[]> {
  expect(resultOf(await run(place, argsOf(name, more))).shards).toBe(FILES);
  return await digestsOf(place.path(name));
}

describe("sha256 of every shard", () => {
  test("differs between shards, as a check of the checks below", () => {
    expect(new Set(expected).size).toBe(FILES);
  });

  test("is the same for another run, folder and number of executors", async () => {
    expect(await shardsOf("two", ["--executors", "2"])).toEqual(expected);
  });

  test("is the same when executors are stopped and go on at random", async () => {
    const seed = Date.now() % 1_000_000;
    const random = randomOf(seed);
    const output = place.path("delayed");
    const started = startRun(place, argsOf("delayed", ["--executors", "3"]));
    const isOver = started.ended.then(() => true);
    let stops = 0;
    for (;;) {
      const executors = partsOf(place, "executor");
      const chosen = executors.filter(() => random() < 0.5);
      if (chosen.length > 0 && (await receipts(output)) < FILES) {
        await Promise.all(chosen.map(freeze)).catch(() => undefined);
        stops += chosen.length;
      }
      const pause = new Promise<false>((settle) => setTimeout(() => settle(false), 150 * random()));
      if (await Promise.race([isOver, pause])) break;
      chosen.forEach(thaw);
    }
    expect(resultOf(await started.ended).shards, `seed ${seed}`).toBe(FILES);
    expect(stops, `seed ${seed}`).toBeGreaterThan(3);
    expect(await digestsOf(output), `seed ${seed}`).toEqual(expected);
  });
});

describe("the vectors", () => {
  test("of a compressed file are those of the plain one", async () => {
    const [plain = ""] = inputs;
    const compressed = place.path("compressed.fastq.gz");
    await writeFile(compressed, gzipSync(await readFile(plain)));
    const folders: string[] = [];
    for (const [name, file] of [
      ["plain", plain],
      ["gzip", compressed],
    ] as const) {
      resultOf(await run(place, argsOf(name, [], [file])));
      folders.push(place.path(name, "embeddings"));
    }
    expect(await check(place, "equal", ...folders)).toEqual({ rows: 2_000 });
  });
});

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
