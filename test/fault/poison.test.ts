/**
 * Records that end their executors: found, named, put aside or left out, while all other shards are
 * those of a job without them.
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SystemError } from "../../runtime/errors.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import { type Manifest, parseManifest } from "../../solver/manifest.ts";
import { type OwnCluster, runProgram, startCluster } from "../e2e/cluster.ts";
import { cleanUp, namesIn, newPlace, type Place } from "../e2e/support.ts";

const PROGRAM = fileURLToPath(new URL("./programs/trap.ts", import.meta.url));
/** Reads of each input: one shard. */
const READS = 24;

let place: Place;
let cluster: OwnCluster;
let inputs: readonly string[];
let clean: readonly Shard[];
let runs = 0;

/** A shard's number and digest. */
interface Shard {
  readonly input: number;
  readonly sha256: string;
  readonly rows: number;
}

beforeAll(async () => {
  place = await newPlace();
  inputs = await Promise.all(["a", "b", "c"].map(writeReads));
  cluster = await startCluster(place, { executors: 2 });
  clean = shardsOf((await sealed({}, {})).manifest);
}, 60_000);
afterAll(async () => {
  await cluster.stop();
  await cleanUp();
});

/** Reads `<name>0`, `<name>1`, ... of different lengths. */
async function writeReads(name: string): Promise<string> {
  const path = place.path(`${name}.fq`);
  await writeFile(path, Array.from({ length: READS }, (_, i) => recordOf(name, i)).join(""));
  return path;
}

function recordOf(name: string, i: number): string {
  return `@${name}${i}\n${"ACGT".repeat(i + 1)}\n+\n${"IIII".repeat(i + 1)}\n`;
}

interface Ran {
  readonly manifest: Manifest;
  readonly output: string;
  /** Batches that the stage was given: the first read's name and how many. */
  readonly batches: readonly string[];
}

/** A job whose reads have these traps, in a program and an output of its own. */
async function sealed(
  traps: Readonly<Record<string, string>>,
  how: {
    readonly policy?: string;
    readonly timeoutMs?: number;
    readonly files?: readonly string[];
  },
): Promise<Ran> {
  const { policy = "fail", timeoutMs = 60_000, files = inputs } = how;
  runs += 1;
  const [folder, output] = [place.path(`program-${runs}`), place.path(`out-${runs}`)];
  await mkdir(folder);
  await copyFile(PROGRAM, join(folder, "trap.ts"));
  await writeFile(join(folder, "traps.json"), JSON.stringify(traps));
  await writeFile(join(folder, "batches"), "");
  const argv = [output, policy, String(timeoutMs), ...files];
  const manifest = (await runProgram(cluster, join(folder, "trap.ts"), argv)) as string;
  const batches = (await readFile(join(folder, "batches"), "utf8")).trim().split("\n");
  return { manifest: parseManifest(await readFile(manifest)), output, batches };
}

function shardsOf({ shards }: Manifest): Shard[] {
  return shards.map(({ input, sha256, rows }) => ({ input, sha256, rows }));
}

/** Rows of the side files, by their lines; each file is what the manifest says. */
async function asideOf({ manifest, output }: Ran): Promise<readonly Record<string, unknown>[]> {
  const names = namesIn(output).filter((name) => name.startsWith("quarantine-"));
  expect(names).toEqual((manifest.quarantine ?? []).map(({ file }) => file));
  const rows: Record<string, unknown>[] = [];
  for (const { file, sha256, records } of manifest.quarantine ?? []) {
    const bytes = await readFile(join(output, file));
    expect(sha256Hex(bytes)).toBe(sha256);
    const lines = bytes.toString("utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(records);
    for (const line of lines) rows.push(JSON.parse(line) as Record<string, unknown>);
  }
  return rows;
}

describe("poison", () => {
  test("reads of one batch are put aside, each with its reason; others' shards stay", async () => {
    const ran = await sealed({ b9: "abort", b14: "segfault" }, { policy: "quarantine" });
    const shards = shardsOf(ran.manifest);
    expect(shards.filter(({ input }) => input !== 1)).toEqual(
      clean.filter(({ input }) => input !== 1),
    );
    expect(shards[1]?.rows).toBe(READS - 2);
    expect(ran.manifest.reads).toMatchObject({ in: 3 * READS, quarantined: 2, skipped: 0 });
    const what = "it ends its executor: ";
    const place = (i: number) => ({ record: i + 1, byteOffset: offsetOf("b", i) });
    expect(await asideOf(ran)).toEqual([
      ...[
        { ...place(9), code: "POISON_RECORD", what: `${what}SIGABRT` },
        { ...place(14), code: "POISON_RECORD", what: `${what}SIGSEGV` },
      ].map((row) => ({ ...row, bytes: textOf(row.record).length, text: textOf(row.record) })),
    ]);
  }, 60_000);

  test("read ends the job, named by where it stands, with the way to go on", async () => {
    const ended = sealed({ c20: "exit" }, {});
    const error = await ended.then(
      () => undefined,
      (thrown: unknown) => thrown as SystemError,
    );
    expect(error).toBeInstanceOf(SystemError);
    const where = { uri: inputs[2], record: 21, byteOffset: offsetOf("c", 20) };
    expect(error).toMatchObject({ code: "POISON_RECORD", where });
    expect(error?.what).toMatch(/exit code 3.*--on-bad-record quarantine/);
  }, 60_000);

  test("read that never ends is left out when its batch's time is over", async () => {
    const ran = await sealed({ a3: "loop" }, { policy: "skip", timeoutMs: 500 });
    expect(ran.manifest.reads).toMatchObject({ in: 3 * READS, quarantined: 0, skipped: 1 });
    expect(await asideOf(ran)).toEqual([]);
    expect(shardsOf(ran.manifest).slice(1)).toEqual(clean.slice(1));
  }, 60_000);
});

test("a stage that can't be loaded ends its job, not as poison, and no other's", async () => {
  const [bad, good] = await Promise.allSettled([sealed({ "": "segfault" }, {}), sealed({}, {})]);
  expect(bad).toMatchObject({ reason: { code: "SHARD_FAILED" } });
  expect(String(bad.status === "rejected" && bad.reason)).toMatch(/failed 3 times.*SIGSEGV/);
  expect(good.status === "fulfilled" && shardsOf(good.value.manifest)).toEqual(clean);
}, 60_000);

describe("without memory", () => {
  test.each([
    ["the stage's buffers", "no-memory"],
    ["the executor's heap", "heap"],
  ])(
    "in %s batches are halved for their shard alone, which says so",
    async (_where, trap) => {
      const ran = await sealed({ a10: trap }, { policy: "quarantine" });
      // 8 and 4 are too many for a10, 2 aren't: and so is the whole shard made.
      expect(ran.batches).toContain("a8 8");
      expect(ran.batches).toContain("a8 4");
      expect(ran.batches).toContain("a10 2");
      expect(ran.manifest.reads).toMatchObject({ in: 3 * READS, passed: 3 * READS });
      expect(shardsOf(ran.manifest).slice(1)).toEqual(clean.slice(1));
      const shard = await readFile(join(ran.output, ran.manifest.shards[0]?.file ?? ""));
      expect(shard.includes('\\"variant\\":\\"any-h2\\"')).toBe(true);
    },
    60_000,
  );

  test("for one read alone, it is put aside for that", async () => {
    const ran = await sealed({ b1: "never-memory" }, { policy: "quarantine" });
    expect((await asideOf(ran)).map(({ record, what }) => [record, what])).toEqual([
      [2, "it ends its executor: out-of-memory"],
    ]);
    expect(ran.manifest.reads.passed).toBe(3 * READS - 1);
  }, 60_000);
});

/** Record `number`, from 1, of input b as it stands there. */
function textOf(number: number): string {
  return recordOf("b", number - 1);
}

function offsetOf(name: string, i: number): number {
  return Array.from({ length: i }, (_, k) => recordOf(name, k).length).reduce((a, b) => a + b, 0);
}
