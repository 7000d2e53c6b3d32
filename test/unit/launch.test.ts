/** What a solve may ask of Slurm: typed, bounded, and no part of what a solve is. */
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../runtime/ids.ts";
import { refusalOf } from "../../solver/launch.ts";
import { parseSolveSpec, solve, solveId } from "../../solver/solve.ts";

const HASH = "a".repeat(64);
const EVERY = {
  cpusPerTask: 4,
  memory: "16G",
  partition: "short,long",
  account: "lab-1",
  qos: "high",
  constraint: "[rack1|rack2]&ib",
  gpus: "a100:2",
  gres: "gpu:v100:1",
  sbatchArguments: ["--exclusive", "--nodes=2", "--mail-user=a b"],
  modules: ["mpi/openmpi-x86_64", "gcc/12.2.0"],
} as const;

describe("a spec", () => {
  test("without a word of Slurm is what it was before there were any", () => {
    expect(canonicalJson(solve({ ranks: 2 }).spec)).toBe(
      '{"fields":8,"k":15,"modes":16,"ranks":2,"seed":0,"timeLimitMinutes":60,' +
        '"times":[1,10,100,1000]}',
    );
  });

  test("keeps its id whatever it asks of Slurm", () => {
    const asked = solve({ ...EVERY, sbatchArguments: [...EVERY.sbatchArguments], modules: [] });
    expect(solveId(HASH, asked.spec, HASH)).toBe(solveId(HASH, solve().spec, HASH));
    // A wire format: the id of a solve that stands in logs.
    const known = "3a645df2c66ae003de70acad541847180c26ead248d6da0edadc9d7ddb11a76b";
    expect(solveId(HASH, solve().spec, HASH)).toBe(known);
  });

  test("that asks for everything crosses the wire unchanged", () => {
    const spec = parseSolveSpec(EVERY);
    expect(spec).toMatchObject(EVERY);
    expect(parseSolveSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  test.each<[string, unknown]>([
    ["cpusPerTask", 0],
    ["cpusPerTask", 1025],
    ["memory", "0"],
    ["memory", "16 G"],
    ["memory", "-1"],
    ["partition", "a b"],
    ["partition", "-a"],
    ["partition", "a,"],
    ["account", "a,b"],
    ["qos", "$(id)"],
    ["constraint", "a b"],
    ["constraint", "-a"],
    ["gpus", "a;b"],
    ["gres", ""],
    ["modules", ["-a"]],
    ["modules", ["a/../b"]],
    ["modules", ["a,b"]],
    ["modules", ["$(id)"]],
    ["modules", Array.from({ length: 33 }, () => "a")],
    ["modules", Array.from({ length: 10 }, () => "a".repeat(128))],
    ["sbatchArguments", ["--hold"]],
    ["sbatchArguments", [1, 2, 3].map((n) => `--x${n}=${"y".repeat(500)}`)],
    ["sbatchArguments", Array.from({ length: 33 }, () => "--exclusive")],
  ])("with a bad %s is refused: %j", (field, value) => {
    expect(() => parseSolveSpec({ [field]: value })).toThrow(
      expect.objectContaining({ code: "USAGE", what: expect.stringContaining(field) }),
    );
  });
});

describe("an option of sbatch", () => {
  test.each(["--exclusive", "--nodes=2", "--ntasks-per-node=4", "--mail-type=END", "--nice=10"])(
    "%s is free",
    (argument) => expect(refusalOf(argument)).toBeUndefined(),
  );

  test.each([
    ...["--hold", "--requeue", "--no-requeue", "--wrap=id", "--array=1-9", "--export=ALL"],
    ...["--job-name=x", "--output=/x", "--error=/x", "--input=/x", "--comment=x", "--chdir=/"],
    ...["--parsable", "--clusters=b", "--uid=0", "--test-only", "--wait", "--get-user-env"],
  ])("%s is the solve's own", (argument) => {
    expect(refusalOf(argument)).toMatch(/is the solve's own$/);
  });

  test.each(["--hol", "--expor=ALL", "--job=x", "--out=/x", "--wra=id", "--com=x", "--e=/x"])(
    "%s is one of them, shortened as sbatch takes it",
    (argument) => expect(refusalOf(argument)).toMatch(/is the solve's own$/),
  );

  test.each(["--ntasks=2", "--mem=1G", "--time=5", "--part=x", "--cpus=2", "--me=1"])(
    "%s has an option of its own",
    (argument) => expect(refusalOf(argument)).toMatch(/is an option of the solve itself$/),
  );

  test.each(["-H", "-J", "x", "", "--", "--a b", "--A", "--x=a\nb", "--x=é", ":", "--x="])(
    "%j is none",
    (argument) => expect(refusalOf(argument)).toMatch(/isn't --name or --name=value$/),
  );
});
