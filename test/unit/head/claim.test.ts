/** What a claim says, and what it lets another job say of what differs. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { claimBytes, claimOf, readClaim } from "../../../head/daemon/output/claim.ts";
import { differences } from "../../../head/daemon/output/differences.ts";
import { claimOutput } from "../../../head/daemon/output/output.ts";
import { pipelineProgram } from "../../../head/package-hash.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";
import { inputOf, jobIdOf, specOf } from "./support.ts";

const model = (sha256: string, name = "kmer") => ({ model: { name, sha256, dimensions: 3 } });

/** A spec as `ligase run` makes them, in a folder of its own. */
async function spec(change: Partial<DatasetSpec> = {}): Promise<DatasetSpec> {
  const folder = await mkdtemp(join(tmpdir(), "lgc-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { schema, runtimeVersion, program, ...base } = specOf("one", 2);
  return {
    ...{ schema, runtimeVersion, program },
    source: { ...base.source, options: { inputs: ["/in/0.fq", "/in/1.fq"] } },
    stage: { ...base.stage, constructorArgs: [model("d".repeat(64))] },
    sink: { kind: "parquet", uri: join(folder, "embeddings") },
    ...change,
  };
}

/** What a second job is told that wants the output of the first one. */
async function told(
  first: DatasetSpec,
  second: DatasetSpec,
  earlier: readonly DatasetSpec[] = [],
): Promise<string> {
  const claimants = [first, second].map((one) => ({
    jobId: jobIdOf(one),
    spec: one,
    earlier: earlier.map((other) => ({ jobId: jobIdOf(other), spec: other })),
  }));
  const [one, other] = claimants;
  if (one !== undefined) await claimOutput(one);
  const error: unknown = other === undefined ? 0 : await claimOutput(other).catch((it) => it);
  expect(error).toMatchObject({ code: "OUTPUT_OF_ANOTHER_JOB", where: { uri: first.sink.uri } });
  return (error as { what: string }).what;
}

test("names the job that has the output, and the ways out", async () => {
  const first = await spec();
  const what = await told(first, { ...first, runtimeVersion: "0.4.0" });
  expect(what).toBe(
    `the folder is of job ${jobIdOf(first).slice(0, 12)}: runtime version: 0.0.0 -> 0.4.0. ` +
      "Take another --output, or --fresh",
  );
});

const changes: [string, (spec: DatasetSpec) => DatasetSpec, string][] = [
  [
    "an input's bytes",
    (it) => ({
      ...it,
      source: {
        ...it.source,
        inputs: [inputOf(0), { ...inputOf(1), etag: "12-1700000000123456789", bytes: 12 }],
      },
    }),
    "input /in/1.fq changed: 9 bytes, etag 9-9 -> 12 bytes of 2023-11-14T22:13:20.123Z",
  ],
  [
    "another input",
    (it) => ({
      ...it,
      source: {
        ...it.source,
        options: { inputs: ["/in/0.fq", "/in/7.fq"] },
        inputs: [inputOf(0), inputOf(7)],
      },
    }),
    "input /in/7.fq wasn't among its inputs; its input /in/1.fq isn't among these",
  ],
  [
    "the order of inputs",
    (it) => ({
      ...it,
      source: {
        ...it.source,
        options: { inputs: ["/in/1.fq", "/in/0.fq"] },
        inputs: [inputOf(1), inputOf(0)],
      },
    }),
    "the order of the inputs",
  ],
  [
    "the model",
    (it) => ({ ...it, stage: { ...it.stage, constructorArgs: [model("e".repeat(64), "tiny")] } }),
    `model name: "kmer" -> "tiny"; model sha256: ${"d".repeat(12)} -> ${"e".repeat(12)}`,
  ],
  [
    "an option of the source",
    (it) => ({
      ...it,
      source: { ...it.source, options: { ...it.source.options, onBadRecord: "skip" } },
    }),
    'option onBadRecord: unset -> "skip"',
  ],
  [
    "the batch size",
    (it) => ({ ...it, stage: { ...it.stage, batchSize: 16 } }),
    "batch size: 8 -> 16",
  ],
  [
    "the program",
    (it) => ({ ...it, program: { ...it.program, sha256: "b".repeat(64) } }),
    `program sha256: ${"a".repeat(12)} -> ${"b".repeat(12)}`,
  ],
  [
    "what becomes of bad records",
    (it) => ({ ...it, onBadRecord: "skip" }),
    "--on-bad-record: fail -> skip",
  ],
  ["an idempotency text", (it) => ({ ...it, idempotency: "2" }), "idempotency: none -> (sha256 "],
];
test.each(changes)("says that %s differs, and nothing else", async (_what, change, said) => {
  const first = await spec();
  const what = await told(first, change(first));
  expect(what).toContain(`: ${said}`);
  expect(what.includes("option inputs")).toBe(false);
});

test("says in which folders of the package's own program sources changed", () => {
  const program = pipelineProgram();
  const ours = claimOf("1".repeat(64), { ...specOf("one"), program }).parts;
  expect(Object.keys(ours.program.folders ?? {})).toEqual(["actors", "runtime", "worker"]);
  const folders = { ...ours.program.folders, worker: "another" };
  const theirs = { ...ours, program: { ...program, sha256: "b".repeat(64), folders } };
  expect(differences(theirs, ours)).toEqual(["the program: sources of Ligase changed in worker"]);
});

test("says no more than a few of many differences", async () => {
  const first = await spec();
  const inputs = Array.from({ length: 100 }, (_, index) => inputOf(index + 2));
  const what = await told(first, { ...first, source: { ...first.source, inputs } });
  expect(what).toContain("and 97 more of the kind");
  expect(what.length).toBeLessThan(1_000);
});

test("a claim of the id alone is compared by what the log knows of that job", async () => {
  const first = await spec();
  const { uri } = first.sink;
  await mkdir(uri);
  await writeFile(join(uri, "_job.json"), JSON.stringify({ jobId: jobIdOf(first) }));
  const second = { ...first, runtimeVersion: "0.4.0" };
  expect(await told(first, second, [first])).toContain("runtime version: 0.0.0 -> 0.4.0");
  expect(await told(first, second)).toContain("an older release wrote its claim");
});

test("files without a claim are compared with the last job of the log there", async () => {
  const first = await spec();
  await mkdir(first.sink.uri);
  await writeFile(join(first.sink.uri, "part-0.parquet"), "");
  const second = { ...first, runtimeVersion: "0.4.0" };
  const claimant = (earlier: readonly DatasetSpec[]) => ({
    jobId: jobIdOf(second),
    spec: second,
    earlier: earlier.map((one) => ({ jobId: jobIdOf(one), spec: one })),
  });
  await expect(claimOutput(claimant([first]))).rejects.toThrow(
    `no _job.json says of which job; the last one here was job ${jobIdOf(first).slice(0, 12)}: ` +
      "runtime version: 0.0.0 -> 0.4.0",
  );
  await expect(claimOutput(claimant([]))).rejects.toThrow("no _job.json says of which job.");
});

test("a claim tells no secret, and is the same each time", async () => {
  const secrets = {
    apiKey: "hunter2",
    url: "https://me:hunter2@host/x",
    long: "hunter2".repeat(99),
  };
  const first = await spec();
  const secret = { ...first, stage: { ...first.stage, constructorArgs: [secrets] } };
  const bytes = claimBytes(claimOf(jobIdOf(secret), secret));
  expect(Buffer.from(bytes).toString()).not.toContain("hunter2");
  await claimOutput({ jobId: jobIdOf(secret), spec: secret, earlier: [] });
  expect(await readFile(join(first.sink.uri, "_job.json"))).toEqual(Buffer.from(bytes));
});

test("of a later schema a claim is read for its id, and no claim at all isn't one", () => {
  const id = "1".repeat(64);
  const later = Buffer.from(JSON.stringify({ schema: 2, jobId: id, parts: { other: 1 } }));
  expect(readClaim(later)).toEqual({ jobId: id });
  expect(readClaim(Buffer.from("{}"))).toBeUndefined();
  expect(readClaim(Buffer.from("half a l"))).toBeUndefined();
});

test("what a foreign claim says steers no terminal, and adds no line", async () => {
  const mine = await spec();
  const { uri } = mine.sink;
  const { parts } = claimOf("e".repeat(64), mine);
  const hostile = { ...parts, runtimeVersion: "\u001b]0;x\u0007\u001b[2J\nligase: all is well" };
  await mkdir(uri, { recursive: true });
  const claim = { schema: 1, jobId: "e".repeat(64), parts: hostile };
  await writeFile(join(uri, "_job.json"), JSON.stringify(claim));
  const ours = { jobId: jobIdOf(mine), spec: mine, earlier: [] };
  const error: unknown = await claimOutput(ours).catch((it) => it);
  expect(error).toMatchObject({ code: "OUTPUT_OF_ANOTHER_JOB" });
  expect((error as Error).message).toContain("runtime version: ?]0;x??[2J?ligase: all is well");
});
