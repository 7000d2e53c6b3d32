/**
 * The log is lost: the state's folder is deleted at the worst times. What stands is adopted by what
 * it holds, untouched; the rest is made; the result is that of an undisturbed run.
 */
import { appendFile, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nothingLeft } from "../e2e/processes.ts";
import {
  digestsOf,
  errorOf,
  factsNamed,
  makeInputs,
  namesIn,
  resultOf,
  run,
  startRun,
} from "../e2e/support.ts";
import { expected, inputs, place, useReads } from "./reads-suite.ts";
import { atGate, frozenRun, makeGate, SHARDS } from "./support.ts";

useReads();

/** Which file stands under each name in the embeddings, and since when. */
async function standing(output: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(output, "embeddings");
  const files = namesIn(folder).map(async (name) => {
    const { ino, mtimeNs, size } = await stat(join(folder, name), { bigint: true });
    return [name, `${ino} ${mtimeNs} ${size}`] as const;
  });
  return new Map((await Promise.all(files)).filter(([name]) => !name.startsWith(".")));
}

const shardsIn = (files: ReadonlyMap<string, string>): string[] =>
  [...files.keys()].filter((name) => name.endsWith(".parquet"));

async function loseLog(output: string): Promise<ReadonlyMap<string, string>> {
  await rm(join(output, ".ligase"), { recursive: true });
  return standing(output);
}

/** All that stood is the same file still. */
async function expectUntouched(output: string, before: ReadonlyMap<string, string>): Promise<void> {
  const after = await standing(output);
  for (const [name, file] of before) expect([name, after.get(name)]).toEqual([name, file]);
}

describe("the state is deleted", () => {
  test("in the middle of the shards: the others are made, and none twice", async () => {
    const { started, output, args } = await frozenRun(place, inputs, { committed: 3 });
    started.child.kill("SIGKILL");
    await nothingLeft(place);
    const before = await loseLog(output);
    const count = shardsIn(before).length;
    expect(count >= 3 && count < SHARDS, `${count} shards stand`).toBe(true);
    expect(resultOf(await run(place, args)).shards).toBe(SHARDS);
    await expectUntouched(output, before);
    expect(await digestsOf(output)).toEqual(expected);
    expect((await factsNamed(output, "shard.committed")).length).toBe(SHARDS);
  });

  test("after the seal: nothing is made, and the new log says what the old one did", async () => {
    const output = place.path("out");
    const args = ["--no-solve", "--input", ...inputs, "--output", output];
    resultOf(await run(place, args));
    const receiptsOf = async () =>
      (await factsNamed(output, "shard.committed")).map((fact) => JSON.stringify(fact)).sort();
    const receipts = await receiptsOf();
    const sealed = await factsNamed(output, "dataset.sealed");
    const before = await loseLog(output);
    expect(resultOf(await run(place, args)).shards).toBe(SHARDS);
    expect(await standing(output)).toEqual(before);
    expect(await receiptsOf()).toEqual(receipts);
    const again = await factsNamed(output, "dataset.sealed");
    expect(again.map((fact) => fact.manifestSha256)).toEqual(
      sealed.map((fact) => fact.manifestSha256),
    );
  });

  test("while the solver runs: the set stands, and is solved once more", async () => {
    const gate = await makeGate(place);
    const output = place.path("out");
    const [input = ""] = await makeInputs(place, { files: 1, reads: 200 });
    const args = ["--slurm", "private", "--ranks", "2", "--input", input, "--output", output];
    const started = startRun(place, args, { env: gate.env });
    await atGate(place, 2);
    started.child.kill("SIGKILL");
    await nothingLeft(place);
    const before = await loseLog(output);
    expect(namesIn(join(output, "results"))).toEqual([]);
    await gate.open();
    expect(resultOf(await run(place, args, { env: gate.env })).slurm?.state).toBe("COMPLETED");
    expect(await standing(output)).toEqual(before);
  });
});

describe("what stands", () => {
  test("and is damaged ends the run by name; moved away, it is made again", async () => {
    const output = place.path("out");
    const args = ["--no-solve", "--input", ...inputs, "--output", output];
    resultOf(await run(place, args));
    const names = shardsIn(await standing(output));
    const [cut = "", flipped = "", gone = ""] = names.map((name) =>
      join(output, "embeddings", name),
    );
    await truncate(cut, 1_000);
    const bytes = await readFile(flipped);
    bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
    await writeFile(flipped, bytes);
    const before = await loseLog(output);
    const ended = await run(place, args);
    expect([errorOf(ended).code, ended.code]).toEqual(["SHARD_DAMAGED", 5]);
    for (const name of names.slice(0, 2)) expect(errorOf(ended).what).toContain(name);
    expect(errorOf(ended).what).toContain("2 of its files are damaged");
    await expectUntouched(output, before);
    await rename(cut, place.path("cut"));
    await rename(flipped, place.path("flipped"));
    resultOf(await run(place, args));
    // Those whose receipts are in the log are looked at as well, in a set that is sealed.
    await truncate(cut, 1_000);
    await rename(gone, place.path("gone"));
    const short = errorOf(await run(place, args));
    expect([short.code, short.where]).toEqual(["SHARD_DAMAGED", { uri: cut }]);
    expect(short.what).toContain("it has 1000 bytes, and ");
    await rename(cut, place.path("cut"));
    resultOf(await run(place, args));
    expect(await digestsOf(output)).toEqual(expected);
    expect(shardsIn(await standing(output))).toEqual(names);
  });

  test("of another job is left, and the run says in which part it differs", async () => {
    const output = place.path("out");
    const [input = ""] = await makeInputs(place, { files: 1, reads: 100 });
    const args = ["--no-solve", "--input", input, "--output", output];
    resultOf(await run(place, args));
    const before = await standing(output);
    await appendFile(input, await readFile(input));
    const changed = errorOf(await run(place, args));
    expect(changed.code).toBe("OUTPUT_OF_ANOTHER_JOB");
    expect(changed.what).toMatch(/input \S+ changed: \d+ bytes of \S+ -> \d+ bytes of \S+\. Take/);
    // The claim of a job of another model, runtime and program, over the same input.
    const claim = join(output, "embeddings", "_job.json");
    const mine = place.path("other");
    resultOf(await run(place, ["--no-solve", "--input", input, "--output", mine]));
    const parts = JSON.parse(await readFile(join(mine, "embeddings", "_job.json"), "utf8")).parts;
    parts.arguments["0.model.sha256"] = JSON.stringify("0".repeat(64));
    parts.runtimeVersion = "0.0.1";
    parts.program = { ...parts.program, sha256: "1".repeat(64) };
    parts.program.folders.worker = "2".repeat(12);
    await writeFile(claim, JSON.stringify({ schema: 1, jobId: "3".repeat(64), parts }));
    const { what } = errorOf(await run(place, args));
    expect(what).toContain("of job 333333333333: model sha256: 000000000000 -> ");
    expect(what).toContain("runtime version: 0.0.1 -> ");
    expect(what).toContain("the program: sources of Ligase changed in worker");
    expect(what).not.toContain("input ");
    expect(shardsIn(await standing(output))).toEqual(shardsIn(before));
  });
});
