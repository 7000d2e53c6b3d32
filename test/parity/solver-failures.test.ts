/** The solver with bad input, bad places and lost ranks: one clear line, one exit code. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Manifest, manifestBytes, parseManifest } from "../../solver/manifest.ts";
import {
  factsOf,
  failures,
  makeSets,
  oracle,
  type Running,
  ranksOf,
  runAlone,
  runSolver,
  SOLVER,
  start,
} from "./support.ts";

let folder = "";
let output = "";
let copies = 0;
/** A fresh sealed copy of the small set. */
let set = "";
const damaged = (name: string) => join(folder, "damaged", `${name}.parquet`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ligase-parity-"));
  await makeSets(folder);
  mkdirSync(join(folder, "damaged"));
  await oracle("damaged", join(folder, "damaged"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  copies += 1;
  set = join(folder, `copy-${copies}`);
  cpSync(join(folder, "small"), set, { recursive: true });
  output = join(folder, `out-${copies}`, "x.nc");
  mkdirSync(join(folder, `out-${copies}`));
});

/** Runs a solve that must fail, alone or on ranks; nothing may be left in the output's folder. */
async function refused(
  args: readonly string[],
  code: string,
  exit: number,
  what: RegExp,
  ranks = 1,
): Promise<Readonly<Record<string, unknown>>> {
  const all = [...args, "--output", output];
  const ended = ranks === 1 ? await runAlone(all) : await runSolver(ranks, all);
  const said = failures(ended.stderr);
  expect(said, ended.stderr).toHaveLength(1);
  expect(said[0]).toMatchObject({ code, what: expect.stringMatching(what) });
  expect(ended.code).toBe(exit);
  expect(readdirSync(join(output, ".."))).toEqual([]);
  return said[0]?.where ?? {};
}

/** Rewrites the copy's manifest. */
function editManifest(edit: (manifest: Manifest) => Manifest): void {
  const path = join(set, "manifest.json");
  writeFileSync(path, manifestBytes(edit(parseManifest(readFileSync(path)))));
}

const lastShard = () => join(set, "part-00002-000004-0123456789ab.parquet");

describe("a set is refused", () => {
  test("when it isn't there", async () => {
    await refused(["--embeddings", join(folder, "nowhere")], "NO_INPUT", 66, /no such file/, 2);
  });

  test("when its folder has no _SUCCESS", async () => {
    rmSync(join(set, "_SUCCESS"));
    const where = await refused(["--embeddings", set], "NO_INPUT", 66, /_SUCCESS/, 2);
    expect(where).toMatchObject({ uri: set });
  });

  test("when its folder has no manifest", async () => {
    rmSync(join(set, "manifest.json"));
    await refused(["--embeddings", set], "NO_INPUT", 66, /manifest\.json/, 2);
  });

  test("when the manifest is damaged", async () => {
    appendFileSync(join(set, "manifest.json"), "}");
    await refused(["--embeddings", set], "BAD_DATA", 65, /manifest/, 2);
  });

  test("when a shard is missing", async () => {
    rmSync(lastShard());
    const where = await refused(["--embeddings", set], "NO_INPUT", 66, /No such file/, 2);
    expect(where).toMatchObject({ uri: lastShard() });
  });

  test("when a shard has another size", async () => {
    appendFileSync(lastShard(), "x");
    await refused(["--embeddings", set], "BAD_DATA", 65, /size is \d+, not \d+/, 2);
  });

  test("when one bit of a value differs", async () => {
    const bytes = readFileSync(lastShard());
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
    writeFileSync(lastShard(), bytes);
    await refused(["--embeddings", set], "BAD_DATA", 65, /crc32c/, 2);
  });

  test("when its row groups aren't the manifest's", async () => {
    editManifest((manifest) => ({
      ...manifest,
      shards: manifest.shards.map((one) =>
        one.rows === 300 ? { ...one, rowGroups: [100, 200] } : one,
      ),
    }));
    await refused(["--embeddings", set], "BAD_DATA", 65, /row groups differ/, 2);
  });

  test("when its width isn't the manifest's", async () => {
    editManifest((manifest) => ({ ...manifest, dimensions: 23 }));
    await refused(["--embeddings", set], "BAD_DATA", 65, /more than 23 values/, 2);
  });
});

describe("a file is refused", () => {
  test.each([
    ["cut", /Parquet/, {}],
    ["text", /Parquet/, {}],
    ["missing", /no column embedding/, {}],
    ["scalar", /list of float32/, {}],
    ["double", /list of float32/, {}],
    ["ragged", /fewer than 4/, { row: 5 }],
    ["long", /more than 4/, { row: 5 }],
    ["null_row", /null or empty/, { row: 5 }],
    ["null_value", /null or empty/, { row: 5 }],
    ["empty_row", /null or empty/, { row: 5 }],
  ])("that is %s", async (name, what, place) => {
    const where = await refused(["--embeddings", damaged(name)], "BAD_DATA", 65, what);
    expect(where).toMatchObject({ uri: damaged(name), ...place });
  });

  test.each(["nan", "inf"])("that holds a value that isn't finite: %s", async (name) => {
    const args = ["--embeddings", damaged(name)];
    const where = await refused(args, "NOT_FINITE", 76, /finite/, 2);
    expect(where).toMatchObject({ uri: damaged(name), row: 7 });
  });

  test("that holds a zero vector, under cosine alone", async () => {
    const args = ["--embeddings", damaged("zero")];
    const where = await refused([...args, "--metric", "cosine"], "BAD_DATA", 65, /zero vector/);
    expect(where).toMatchObject({ row: 0 });
    expect(await runAlone([...args, "--output", output])).toMatchObject({ code: 0 });
  });

  test.each(["one", "same", "empty"])("that has fewer than 2 nodes: %s", async (name) => {
    await refused(["--embeddings", damaged(name)], "TOO_FEW_NODES", 75, /needs 2 different/);
  });

  test("not when its column can't hold nulls at all", async () => {
    const ended = await runAlone(["--embeddings", damaged("required"), "--output", output]);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
  });

  test("not when it has just 2", async () => {
    const ended = await runSolver(3, ["--embeddings", damaged("pair"), "--output", output]);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(factsOf(ended)).toMatchObject({ nodes: 2, k: 1, components: 1 });
  });
});

describe("a budget of memory", () => {
  const args = () => ["--embeddings", join(folder, "large"), "--memory-bytes"];

  test("that a rank would exceed refuses the set before it is loaded", async () => {
    const where = await refused([...args(), "10000000"], "OVER_BUDGET", 77, /more ranks/, 2);
    expect(where).toMatchObject({ ranks: 2, neededBytes: expect.any(Number) });
  });

  test("that suffices changes nothing", async () => {
    const ended = await runAlone([...args(), "1000000000", "--output", output]);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
  });
});

describe("a command line is refused", () => {
  const good = () => ["--embeddings", damaged("good")];
  test.each<[string, () => string[], RegExp]>([
    ["without embeddings", () => [], /--embeddings is missing/],
    ["with an unknown option", () => [...good(), "--unknown", "1"], /unknown option --unknown/],
    ["with an option twice", () => [...good(), ...good()], /twice/],
    ["with an option that lacks its value", () => [...good(), "--k"], /--k needs a value/],
    ["with a metric that isn't one", () => [...good(), "--metric", "dot"], /metric/],
    ["with k = 0", () => [...good(), "--k", "0"], /within 1/],
    ["with k = 1001", () => [...good(), "--k", "1001"], /within 1/],
    ["with text for k", () => [...good(), "--k", "3x"], /isn't a number/],
    ["with descending times", () => [...good(), "--times", "10,1"], /ascending/],
    ["with time 0", () => [...good(), "--times", "0,1"], /ascending/],
    ["with an endless time", () => [...good(), "--times", "inf"], /ascending/],
    ["with no threads", () => [...good(), "--threads", "0"], /threads/],
    ["with no memory", () => [...good(), "--memory-bytes", "0"], /--memory-bytes/],
    ["with a restart from nowhere", () => [...good(), "--restart"], /--restart needs --work/],
    ["with an unknown instruction set", () => [...good(), "--isa", "mmx"], /instruction set/],
  ])("%s", async (_, args, what) => {
    await refused(args(), "USAGE", 64, what);
  });

  test("by one line of one rank", async () => {
    await refused([...good(), "--k", "0"], "USAGE", 64, /within 1/, 3);
  });

  test("with a settings file that isn't there, or isn't one", async () => {
    await refused([join(folder, "none.json"), ...good()], "NO_INPUT", 66, /settings/);
    const settings = join(set, "settings.json");
    writeFileSync(settings, '{"sigma": 3}');
    await refused([settings, ...good()], "BAD_DATA", 65, /unknown setting sigma/);
    writeFileSync(settings, '{"k": "3"}');
    await refused([settings, ...good()], "BAD_DATA", 65, /settings/);
  });
});

/** A solve that has claimed its output and has seconds of work before it. */
async function slowSolve(): Promise<Running> {
  const args = ["--embeddings", join(folder, "large"), "--output", output];
  const running = start(SOLVER, [...args, "--k", "100", "--times", "5000"]);
  await expect.poll(() => existsSync(`${output}.partial`), { timeout: 30_000 }).toBe(true);
  return running;
}

describe("the output", () => {
  test("is never replaced", async () => {
    writeFileSync(output, "mine");
    const ended = await runSolver(2, ["--embeddings", set, "--output", output]);
    expect(failures(ended.stderr)).toMatchObject([
      { code: "CANNOT_CREATE", where: { uri: output } },
    ]);
    expect(ended.code).toBe(73);
    expect(readFileSync(output, "utf8")).toBe("mine");
    expect(readdirSync(join(output, ".."))).toEqual(["x.nc"]);
  });

  test("needs a folder", async () => {
    output = join(folder, "nowhere", "x.nc");
    const ended = await runSolver(2, ["--embeddings", set, "--output", output]);
    expect(failures(ended.stderr)).toMatchObject([{ code: "CANNOT_CREATE" }]);
    expect(ended.code).toBe(73);
  });

  test("isn't replaced when it appears while the solver works", async () => {
    const running = await slowSolve();
    writeFileSync(output, "mine");
    const ended = await running.ended;
    expect(failures(ended.stderr)).toMatchObject([
      { code: "CANNOT_CREATE", where: { uri: output } },
    ]);
    expect(ended.code).toBe(73);
    expect(readFileSync(output, "utf8")).toBe("mine");
    expect(existsSync(`${output}.partial`)).toBe(false);
  });

  test("isn't made from a partial file that another solver took over", async () => {
    const running = await slowSolve();
    rmSync(`${output}.partial`);
    writeFileSync(`${output}.partial`, "theirs");
    const ended = await running.ended;
    expect(failures(ended.stderr)).toMatchObject([
      { code: "CANNOT_CREATE", where: { uri: `${output}.partial` } },
    ]);
    expect(ended.code).toBe(73);
    expect(existsSync(output)).toBe(false);
    expect(existsSync(`${output}.partial`)).toBe(true);
  });

  test("isn't there when the solver was killed, and the next solve succeeds", async () => {
    const running = await slowSolve();
    running.child.kill("SIGKILL");
    expect(await running.ended).toMatchObject({ signal: "SIGKILL" });
    expect(existsSync(output)).toBe(false);
    const ended = await runSolver(2, ["--embeddings", set, "--output", output]);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(readdirSync(join(output, "..")).sort()).toEqual(["x.nc", "x.nc.run.json"]);
  });
});

describe("a rank that fails alone", () => {
  test("in its own part makes all ranks end with its error", async () => {
    const elsewhere = join(set, "elsewhere");
    mkdirSync(elsewhere);
    // Rank 0 finds the manifest by a relative path; rank 1 stands where no shard is.
    const one = [...ranksOf(1), "--wdir", set, SOLVER, "--embeddings", "manifest.json"];
    const two = [...ranksOf(1), "--wdir", elsewhere, SOLVER, "--embeddings", "manifest.json"];
    const ended = await start("mpirun", [...one, "--output", output, ":", ...two]).ended;
    expect(failures(ended.stderr)).toMatchObject([{ code: "NO_INPUT" }]);
    expect(ended.code).toBe(66);
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });

  test("while all work together aborts the others", async () => {
    const args = ["--embeddings", join(folder, "large"), "--output", output];
    // Rank 1 may write 64 KiB into a file; the signal for more is ignored, so that writing fails.
    const limited = `trap '' XFSZ; ulimit -f 64; exec "$@"`;
    const one = [...ranksOf(1), SOLVER, ...args];
    const two = [...ranksOf(1), "bash", "-c", limited, "bash", SOLVER, ...args];
    // Shared memory would be a file too, and fall under the limit.
    const env = { OMPI_MCA_btl: "self,tcp", OMPI_MCA_btl_tcp_if_include: "lo" };
    const ended = await start("mpirun", [...one, ":", ...two], { env }).ended;
    expect(failures(ended.stderr)).toMatchObject([{ code: "IO_ERROR", where: { rank: 1 } }]);
    expect(ended.code).toBe(74);
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });
});
