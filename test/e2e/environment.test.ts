/**
 * What a run says when the machine, the output or the command line isn't fit: exit codes 2 and 4.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SLURM_INSTALL } from "../../head/slurm/select.ts";
import type { ErrorCode } from "../../runtime/errors.ts";
import { nothingLeft } from "./processes.ts";
import {
  cleanUp,
  type Ended,
  environment,
  errorOf,
  factsNamed,
  makeInputs,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  ROOT,
  run,
  start,
  startRun,
} from "./support.ts";

let place: Place;
let input: string;
let output: string;
beforeEach(async () => {
  place = await newPlace();
  [input = ""] = await makeInputs(place, { files: 1, reads: 60 });
  output = place.path("out");
});
afterEach(() => cleanUp());

const runOn = (args: readonly string[], options = {}) =>
  run(place, ["--input", input, "--output", output, ...args], options);

async function expectFailure(ended: Ended, code: ErrorCode, exit: number): Promise<void> {
  expect([errorOf(ended).code, ended.code]).toEqual([code, exit]);
  expect(ended.stderr).toContain(`ligase: ${code}`);
  await nothingLeft(place);
  expect(namesIn(place.temporary)).toEqual([]);
}

describe("the output", () => {
  test("another job's folder is refused, and nothing in it is touched", async () => {
    const first = resultOf(await runOn(["--no-solve"]));
    const [other = ""] = await makeInputs(place, { files: 1, reads: 61 });
    const before = await whole(join(output, "embeddings"));
    const ended = await run(place, ["--no-solve", "--input", other, "--output", output]);
    await expectFailure(ended, "OUTPUT_OF_ANOTHER_JOB", 4);
    expect(errorOf(ended).what).toContain("--fresh");
    expect(await whole(join(output, "embeddings"))).toEqual(before);
    expect(first.rows).toBe(60);
  });

  test("a folder with files of no job is refused", async () => {
    await mkdir(join(output, "embeddings"), { recursive: true });
    await writeFile(join(output, "embeddings", "notes.txt"), "mine");
    await expectFailure(await runOn(["--no-solve"]), "OUTPUT_OF_ANOTHER_JOB", 4);
    expect(namesIn(join(output, "embeddings"))).toEqual(["notes.txt"]);
  });

  test.each([
    ["a file in the way", () => input],
    ["a file in the way of its parent", () => join(input, "below")],
    ["/proc", () => "/proc/ligase/out"],
  ])("%s is OUTPUT_UNWRITABLE", async (_what, folder) => {
    const ended = await run(place, ["--no-solve", "--input", input, "--output", folder()]);
    await expectFailure(ended, "OUTPUT_UNWRITABLE", 4);
  });

  test("a result that someone else put there isn't replaced", async () => {
    const netcdf = join(output, "results", "reads-0_sim.nc");
    await mkdir(join(output, "results"), { recursive: true });
    await writeFile(netcdf, "mine");
    const ended = await runOn(["--slurm", "private"]);
    await expectFailure(ended, "SOLVE_FAILED", 6);
    expect(await readFile(netcdf, "utf8")).toBe("mine");
    expect(namesIn(join(output, "results"))).toEqual(["reads-0_sim.nc"]);
  });
});

describe("the machine", () => {
  test("a taken NATS port is NATS_PORT_TAKEN and names the port", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    try {
      const port = await new Promise<number>((settle) => {
        server.once("listening", () => settle((server.address() as { port: number }).port));
      });
      const ended = await runOn(["--no-solve", "--nats-port", String(port)]);
      await expectFailure(ended, "NATS_PORT_TAKEN", 4);
      expect(errorOf(ended).where).toMatchObject({ port });
    } finally {
      server.close();
    }
  });

  test("without a Slurm of the machine, --slurm system is SLURM_MISSING", async () => {
    const env = { SLURM_CONF: place.path("no-slurm.conf") };
    const ended = await runOn(["--slurm", "system"], { env });
    await expectFailure(ended, "SLURM_MISSING", 4);
  });

  test.skipIf(!canHide())(
    "without Slurm's programs the error says what to install; with them only the solve is made",
    async () => {
      const hidden =
        "for f in slurmctld slurmd sinfo sbatch; do mount --bind /dev/null $(command -v $f); done";
      const command = [...UNSHARE, "sh", "-c", `${hidden}; exec "$@"`, "sh", process.execPath];
      const bin = join(ROOT, "head", "cli", "ligase.mjs");
      const args = ["run", "--json", "--input", input, "--output", output, "--slurm", "private"];
      const env = { PATH: `${process.env["PATH"]}:/usr/sbin` };
      const ended = await start(place, [bin, ...args], { command, env }).ended;
      await expectFailure(ended, "SLURM_MISSING", 4);
      expect(errorOf(ended).what).toMatch(/^sbatch, sinfo, slurmctld, slurmd not found/);
      expect(errorOf(ended).what).toContain(SLURM_INSTALL);
      expect(namesIn(join(output, "results"))).toEqual([]);
      const before = await whole(join(output, "embeddings"));
      expect(before.length).toBe(4);
      const again = resultOf(await runOn(["--slurm", "private"]));
      expect([again.slurm?.state, again.seconds.phase1]).toEqual(["COMPLETED", 0]);
      expect(await whole(join(output, "embeddings"))).toEqual(before);
    },
  );

  test("a solver that isn't built is SETUP_MISSING, after the embeddings", async () => {
    const env = { LIGASE_SOLVER: place.path("nowhere") };
    await expectFailure(await runOn(["--slurm", "private"], { env }), "SETUP_MISSING", 4);
    expect(namesIn(join(output, "embeddings"))).toContain("_SUCCESS");
  });
});

describe("the command", () => {
  test.each([
    [["--executors", "0"]],
    [["--slurm", "cloud"]],
    [["--no-such-option"]],
    [["--state", ""]],
    [["--encoder", "no-such-encoder", "--no-solve"]],
  ])("%j is USAGE, exit code 2", async (args) => {
    const ended = await runOn(args);
    expect([errorOf(ended).code, ended.code]).toEqual(["USAGE", 2]);
    expect(namesIn(join(output, "embeddings"))).toEqual([]);
    await nothingLeft(place);
  });

  test("goes on, and ends with 0, when nobody reads what it says", async () => {
    const args = ["--no-solve", "--input", input, "--output", output];
    const { child, ended } = startRun(place, args);
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    expect((await ended).code).toBe(0);
    expect(namesIn(join(output, "embeddings"))).toContain("_SUCCESS");
  });

  test("--no-solve ends after the embeddings, and a later run adds the solve alone", async () => {
    const first = resultOf(await runOn(["--no-solve"]));
    expect([first.netcdf, first.slurm, first.seconds.solve]).toEqual([null, null, 0]);
    const before = await whole(join(output, "embeddings"));
    const second = resultOf(await runOn(["--slurm", "private", "--ranks", "3"]));
    expect(second).toMatchObject({ jobId: first.jobId, slurm: { state: "COMPLETED" } });
    expect([second.seconds.phase1, second.seconds.solve > 0]).toEqual([0, true]);
    expect(await whole(join(output, "embeddings"))).toEqual(before);
    expect((await factsNamed(output, "shard.committed")).length).toBe(1);
    const third = await runOn(["--no-solve"]);
    expect(third.stdout).toContain("this job was finished already");
  });

  test("paths count from where npm was called; --fresh takes the first free folder", async () => {
    const env = { npm_lifecycle_event: "start", INIT_CWD: place.folder };
    const manifests: string[] = [];
    for (const more of [[], ["--fresh"], ["--fresh"]]) {
      const args = ["--no-solve", "--input", "./reads-0.fastq", ...more];
      manifests.push(resultOf(await run(place, args, { cwd: ROOT, env })).manifest);
    }
    const folders = ["reads-0", "reads-0-2", "reads-0-3"];
    const path = (name: string) => place.path("ligase-runs", name, "embeddings", "manifest.json");
    expect(manifests).toEqual(folders.map(path));
  });

  test("npx ligase works from the checkout", () => {
    const env = environment(place);
    const args = ["--no-install", "ligase", "--version"];
    const said = execFileSync("npx", args, { cwd: ROOT, env, encoding: "utf8" });
    expect(said).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

/** Every file of a folder: its bytes and when they were written. */
async function whole(folder: string): Promise<readonly unknown[]> {
  return await Promise.all(
    namesIn(folder).map(async (name) => {
      const path = join(folder, name);
      return [name, (await stat(path)).mtimeMs, (await readFile(path)).toString("base64")];
    }),
  );
}

/** A name space of mounts of our own; as an ordinary user, in a name space of users too. */
const UNSHARE = process.getuid?.() === 0 ? ["unshare", "-m"] : ["unshare", "-rm"];

/** Whether this machine lets us hide a program from a run. */
function canHide(): boolean {
  const [file, ...args] = [...UNSHARE, "mount", "--bind", "/dev/null", "/usr/bin/env"];
  return spawnSync(file, args).status === 0;
}
