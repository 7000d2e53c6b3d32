/**
 * A person's own program, in a folder of its own: it imports `ligase` and `ligase/actors`, has a
 * stage of its own, and runs as a job. Its log replays to the state of the head that wrote it.
 */
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../head/core/core.ts";
import { replay } from "../../head/daemon/durable/replica.ts";
import { programAt } from "../../runtime/client/connect.ts";
import { parseManifest } from "../../solver/manifest.ts";
import { type OwnCluster, resultOfProgram, runProgram, startCluster } from "./cluster.ts";
import { check } from "./python.ts";
import { cleanUp, makeInputs, namesIn, newPlace, type Place } from "./support.ts";

/** Every import leaves a line in one file, every run of main in another. */
const PROGRAM = `
import { appendFileSync } from "node:fs";
import { actor, type Cluster, type Table } from "ligase";
import { Embedder, encoderOf, type ReadBatch, readFastq } from "ligase/actors";

export { Embedder };

export const Composition = actor("composition", class {
  async count(batch: ReadBatch): Promise<Table> {
    const values = new Float32Array(batch.records * 2);
    for (let i = 0; i < batch.records; i += 1) {
      const [begin = 0, end = 0] = [batch.offsets[i], batch.offsets[i + 1]];
      for (let at = begin; at < end; at += 1) {
        const isGc = batch.bases[at] === 67 || batch.bases[at] === 71;
        values[2 * i + (isGc ? 1 : 0)] += 1;
      }
    }
    const embedding = { kind: "vector" as const, values, dimensions: 2 };
    return { rows: batch.records, columns: { embedding }, filtered: {} };
  }
  describe() {
    const sha256 = "0".repeat(64);
    const metric = "l2" as const;
    return { name: "composition", sha256, provider: "cpu", variant: "any", dimensions: 2, metric };
  }
});

appendFileSync(new URL("./imported", import.meta.url), process.pid + "\\n");

export default async function main(cluster: Cluster, argv: string[]) {
  appendFileSync(new URL("./ran", import.meta.url), process.pid + "\\n");
  const [output = "", ...inputs] = argv;
  const reads = readFastq(...inputs);
  const counted = reads.mapBatches(Composition, { method: "count" });
  const own = await counted.writeParquet(output + "/own");
  const model = encoderOf("kmer");
  const kmers = await reads
    .mapBatches(Embedder, { method: "embed", constructorArgs: [{ model }] })
    .writeParquet(output + "/kmer");
  return { own: own.manifest, kmers: kmers.manifest, workers: (await cluster.status()).workers };
}
`;

let place: Place;
let inputs: string[];
let cluster: OwnCluster;
let output: string;
let path: string;

beforeAll(async () => {
  place = await newPlace();
  inputs = await makeInputs(place, { files: 3, reads: 100 });
  output = place.path("out");
  path = await program("program", PROGRAM);
  cluster = await startCluster(place, { executors: 2 });
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  await cleanUp();
});

/** A program in a folder of its own, outside of this package. */
async function program(name: string, text: string): Promise<string> {
  await mkdir(place.path(name));
  const file = place.path(name, "main.ts");
  await writeFile(file, text);
  return file;
}

const lines = (name: string) =>
  readFileSync(place.path("program", name), "utf8").trim().split("\n");

describe("a program outside of the package", () => {
  test("uses this package's ligase, reads, maps with its own stage, and writes", async () => {
    const result = await runProgram(cluster, path, [output, ...inputs]);
    const [own, kmers] = ["own", "kmer"].map((name) => join(output, name, "manifest.json"));
    expect(result).toEqual({ own, kmers, workers: 1 });
    const manifest = parseManifest(readFileSync(own ?? ""));
    expect(manifest).toMatchObject({ rows: 300, dimensions: 2, metric: "l2" });
    expect(manifest.encoder.name).toBe("composition");
    expect(manifest.inputs.map(({ reads }) => reads.passed)).toEqual([100, 100, 100]);
    expect(await check(place, "shards", join(output, "kmer"))).toMatchObject({ rows: 300 });
  });

  test("main runs once; whoever works for it only imports the module", () => {
    expect(lines("ran").length).toBe(1);
    expect(new Set(lines("imported")).size).toBeGreaterThan(1);
    expect(lines("imported").length).toBe(new Set(lines("imported")).size);
  });

  test("submitted again it is a new program and the same datasets: nothing is made", async () => {
    const before = namesIn(join(output, "own"));
    const facts = (await cluster.client.digest()).facts;
    await runProgram(cluster, path, [output, ...inputs]);
    expect(namesIn(join(output, "own"))).toEqual(before);
    // Only that it was submitted and that it returned.
    expect((await cluster.client.digest()).facts).toBe(facts + 2);
  });

  test("an edited program is another one, also where its older version was loaded", async () => {
    await writeFile(path, PROGRAM.replace('name: "composition"', 'name: "edited"'));
    await runProgram(cluster, path, [place.path("edited"), ...inputs]);
    const manifest = parseManifest(readFileSync(place.path("edited", "own", "manifest.json")));
    expect(manifest.encoder.name).toBe("edited");
  });

  test("two programs may name two classes alike; a stage that loses records fails", async () => {
    const lossy = await program("lossy", PROGRAM.replace("rows: batch.records", "rows: 1"));
    const argv = [place.path("lossy-out"), ...inputs];
    const error: unknown = await runProgram(cluster, lossy, argv).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      code: "APPLICATION",
      what: "the stage was given 100 records and accounts for 1",
    });
  });

  test.each([
    ["throws", "throw new Error('while it was imported');", "PROGRAM_INVALID", "while it was"],
    ["mainless", "export const nothing = 1;", "PROGRAM_INVALID", "no main"],
    [
      "failing",
      "export default async () => { throw new Error('in main'); };",
      "APPLICATION",
      "in main",
    ],
  ])("one that is %s is refused", async (name, text, code, what) => {
    const file = await program(name, text);
    const error: unknown = await runProgram(cluster, file, []).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, what: expect.stringContaining(what) });
  });

  test("the log replays to the state of the head that wrote it", async () => {
    const lived = await cluster.client.digest();
    expect(lived).toEqual(digestOf((await replay(cluster.stateDir)).state));
    expect(lived.facts).toBeGreaterThan(10);
  });

  test("a program can be cancelled while its main waits", async () => {
    const text = "export default () => new Promise(() => setInterval(() => {}, 1000));";
    const url = new URL(`file://${await program("waiting", text)}`);
    const jobId = await cluster.client.submitProgram(await programAt(url), []);
    await cluster.client.cancel(jobId);
    await expect(resultOfProgram(cluster.client, jobId)).rejects.toThrow(/^CANCELLED/);
  });
});
