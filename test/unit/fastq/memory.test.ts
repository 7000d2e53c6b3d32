/** Memory is flat: ten times the input takes no more of it. */
import { execFile } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { temporaryFolder } from "../actors/support.ts";

const { folder } = temporaryFolder();
const run = promisify(execFile);
const LONG = process.env["LIGASE_TEST_LONG"] === "1";
/** Of text; of less than some shards the process hasn't its garbage yet. */
const BYTES = (LONG ? 256 : 64) * 1024 * 1024;
const MOST = 1.1;
/** V8 lets its own young heap grow by its age, whatever is read. */
const HEAP = ["--max-semi-space-size=2"];

/** Reads of 150 random bases: some megabytes, to be repeated. */
function block(): Buffer {
  let state = 5;
  const next = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0);
  const records = Array.from({ length: 12_000 }, (_, i) => {
    const bases = Array.from({ length: 150 }, () => "ACGT"[next() >>> 30]).join("");
    return `@SIM:1:${i}:${i * 7} 1:N:0\n${bases}\n+\n${bases.replaceAll(/[ACGT]/g, "F")}\n`;
  });
  return Buffer.from(records.join(""));
}

async function mostMemoryOf(name: string, piece: Buffer, times: number) {
  const path = join(folder, name);
  const file = openSync(path, "w");
  for (let i = 0; i < times; i++) writeSync(file, piece);
  closeSync(file);
  const script = join(import.meta.dirname, "read-all.ts");
  const { stdout } = await run(process.execPath, [...HEAP, script, path], { timeout: 120_000 });
  return JSON.parse(stdout) as { records: number; shards: number; maxRssKib: number };
}

test.each(["gzip", ...(LONG ? ["plain"] : [])])(
  "a %s file",
  async (kind) => {
    const text = block();
    const piece = kind === "gzip" ? gzipSync(text, { level: 1 }) : text;
    const times = Math.ceil(BYTES / text.length);
    const one = await mostMemoryOf("one", piece, times);
    const ten = await mostMemoryOf("ten", piece, 10 * times);
    expect(ten.records).toBe(10 * one.records);
    expect(ten.maxRssKib / one.maxRssKib).toBeLessThan(MOST);
  },
  240_000,
);
