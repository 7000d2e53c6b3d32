/** FASTQ from S3: the records of the same file in a folder, whatever breaks on the way. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { sampleChunks } from "../../../actors/sample.ts";
import type { InputPlan, InputSpec } from "../../../runtime/dataset/types.ts";
import { S3Storage } from "../../../runtime/storage/s3/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import {
  identify,
  planOf,
  type Read,
  readShardOf,
  temporaryFolder,
} from "../../unit/actors/support.ts";
import { BUCKET, findGateway, type Gateway, startGateway } from "./gateway.ts";
import { type Fault, type Proxy, startProxy } from "./proxy.ts";

const binary = await findGateway();
/** Faults that a client sees at once: its deadlines are the real ones here. */
const FAULTS: readonly Fault[] = ["half-answer", "500", "half-answer", "reset", "503"];
/** Over two shards, and over the reads ahead of one. */
const TEXT = Buffer.concat(
  Array.from(sampleChunks({ seed: 7, reads: 15_000, length: 300 }), (chunk) => Buffer.from(chunk)),
);

describe.skipIf(binary === undefined)("an input in S3", () => {
  const { write } = temporaryFolder();
  let gateway: Gateway;
  let proxy: Proxy;
  let direct: S3Storage;
  let requests = 0;
  let isFaulty = true;

  beforeAll(async () => {
    gateway = await startGateway(binary ?? "");
    proxy = await startProxy(gateway.url, () => {
      requests += 1;
      return isFaulty && requests % 3 === 0 ? FAULTS[(requests / 3) % FAULTS.length] : undefined;
    });
    direct = new S3Storage({ env: gateway.env, credentials: gateway.credentials });
    // The source uses the process's own storage, which is made by its first request.
    for (const [name, value] of Object.entries(gateway.env)) vi.stubEnv(name, value);
    vi.stubEnv("LIGASE_S3_ENDPOINT", proxy.url);
  });
  afterEach(() => (isFaulty = true));
  afterAll(async () => {
    vi.unstubAllEnvs();
    await proxy?.close();
    await gateway?.close();
  });

  const put = async (name: string, bytes: Uint8Array): Promise<string> => {
    const uri = joinUri(`s3://${BUCKET}`, "inputs", name);
    await direct.createIfAbsent(uri, bytes);
    return uri;
  };

  test.each<[string, (text: Buffer) => Buffer]>([
    ["plain", (text) => text],
    ["gzip", (text) => gzipSync(text, { level: 1 })],
    ["gzip of many members", members],
  ])("%s is read as from a folder", async (kind, packed) => {
    const bytes = packed(TEXT);
    const local = await identify(write(`${kind}.fastq`, bytes));
    const remote = await identify(await put(`${kind}.fastq`, bytes));
    expect([remote.bytes, remote.sample]).toEqual([local.bytes, local.sample]);
    expect(await planOf(remote)).toEqual(await planOf(local));
    const before = requests;
    expect(digestOf(await readAll(remote))).toBe(digestOf(await readAll(local)));
    expect(requests - before).toBeGreaterThan(3);
  });

  test("that changes between plan and read is INPUT_CHANGED", async () => {
    const uri = await put("changes.fastq", TEXT);
    const input = await identify(uri);
    const plan = await planOf(input);
    await direct.remove(uri);
    await put("changes.fastq", Buffer.from(TEXT).fill("A", 1_000, 1_001));
    isFaulty = false;
    await expect(readAll(input, plan)).rejects.toMatchObject({ code: "INPUT_CHANGED" });
  });

  test("that isn't there, or is none, is told by its name", async () => {
    const absent = joinUri(`s3://${BUCKET}`, "inputs", "none.fq");
    await expect(identify(absent)).rejects.toMatchObject({
      code: "INPUT_NOT_FOUND",
      where: { uri: absent },
    });
    await expect(identify(`s3://${BUCKET}`)).rejects.toMatchObject({ code: "USAGE" });
    const empty = await identify(await put("empty.fq", new Uint8Array()));
    await expect(planOf(empty)).rejects.toMatchObject({ code: "INPUT_EMPTY" });
  });
});

/** As bgzip writes: members of some kilobytes each. */
function members(text: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; at += 65_280) {
    parts.push(gzipSync(text.subarray(at, at + 65_280), { level: 1 }));
  }
  return Buffer.concat(parts);
}

async function readAll(input: InputSpec, planned?: InputPlan): Promise<Read[]> {
  const plan = planned ?? (await planOf(input));
  const reader = await fastqSource.open({});
  const reads: Read[] = [];
  try {
    for (let shard = 0; ; shard += 1) {
      const range =
        plan.kind === "ranges"
          ? plan.ranges[shard]
          : { firstRecord: shard * plan.recordsPerShard, records: plan.recordsPerShard };
      if (range === undefined) return reads;
      const part = await readShardOf(reader, input, range);
      reads.push(...part.reads);
      if (part.outcome.endOfInput !== undefined) return reads;
    }
  } finally {
    await reader.close();
  }
}

function digestOf(reads: readonly Read[]): string {
  const hash = createHash("sha256");
  for (const read of reads) hash.update(JSON.stringify(read));
  return `${reads.length} ${hash.digest("hex")}`;
}
