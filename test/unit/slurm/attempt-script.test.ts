/** The batch script, run by bash with an `srun` of ours in front of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { filesIn } from "../../../head/slurm/attempt/files.ts";
import { submitRequest, type WrapperTimes } from "../../../head/slurm/solve-attempt.ts";

const WAIT = { timeout: 10_000, interval: 5 };
const TIMES: WrapperTimes = { fenceMs: 400, beatMs: 50, leaseMs: 5_000, stallMs: 60_000 };
let root: string;
let output: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "lgs-"));
  for (const name of ["bin", "state", "out dir"]) mkdirSync(join(root, name));
  release("c 5");
  output = join(root, "out dir", "x $(id)_sim.nc");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("an attempt", () => {
  test("publishes the result whole, with its side file, and leaves no scratch", async () => {
    expect(await attempt('echo data > "$out"; echo {} > "$out.run.json"')).toBe(0);
    expect(readFileSync(output, "utf8")).toBe("data\n");
    expect(readdirSync(join(root, "out dir")).sort()).toEqual([
      "x $(id)_sim.nc",
      "x $(id)_sim.nc.run.json",
    ]);
    expect(exitRecord()).toEqual({ exitCode: 0, signal: null });
    expect(readdirSync(join(root, "state")).sort()).toEqual([
      "exit.json",
      "released",
      "started",
      "stderr.log",
      "stdout.log",
    ]);
  });

  test("gives the solver its arguments byte for byte, the mark and a lower priority", async () => {
    const args = ["--embeddings", "a b\n;$(id)"];
    await attempt(`env > ${root}/env; echo x > "$out"`, args);
    const given = readFileSync(join(root, "args"), "utf8").split("\0").slice(0, -1);
    expect(given.slice(-5)).toEqual(["/bin/solver", ...args, "--output", expect.any(String)]);
    expect(given).toContain("--mpi=pmix");
    expect(given).toContain("--ntasks=2");
    expect(given).toContain("--export=ALL");
    expect(given.join(" ")).toContain("nice -n 5 /bin/solver");
    const env = readFileSync(join(root, "env"), "utf8");
    expect(env).toContain("LIGASE_MARK=00112233445566ff\n");
    expect(env).toContain("OMPI_MCA_btl=self,vader\n");
    expect(env).toMatch(new RegExp(`OMPI_MCA_btl_vader_backing_directory=${root}/ligase-`));
    expect(readdirSync(root).filter((name) => name.startsWith("ligase-"))).toEqual([]);
  });

  test("across machines leaves the way between ranks to Open MPI", async () => {
    const body = `env > ${root}/env; echo x > "$out"`;
    expect(await attempt(body, [], { SLURM_JOB_NUM_NODES: "2" })).toBe(0);
    expect(readFileSync(join(root, "env"), "utf8")).not.toContain("OMPI_MCA");
  });

  test("passes the solver's exit code on and shows no result", async () => {
    expect(await attempt('echo half > "$out"; echo bad >&2; exit 65')).toBe(65);
    expect(exitRecord()).toEqual({ exitCode: 65, signal: null });
    expect(readdirSync(join(root, "out dir"))).toEqual([]);
    expect(readFileSync(join(root, "state", "stderr.log"), "utf8")).toContain("bad\n");
  });

  test("without a result fails, though its solver said 0", async () => {
    expect(await attempt("exit 0")).toBe(91);
    expect(exitRecord()).toEqual({ exitCode: 91, signal: null });
  });

  test("records the signal that ended the solver", async () => {
    expect(await attempt("kill -9 $$")).toBe(137);
    expect(exitRecord()).toEqual({ exitCode: 137, signal: 9 });
  });
});

describe("what Slurm grants", () => {
  const budget = async (env: Record<string, string>) => {
    expect(await attempt('echo x > "$out"', [], env)).toBe(0);
    const given = readFileSync(join(root, "args"), "utf8").split("\0").slice(0, -1);
    const at = given.indexOf("--memory-bytes");
    return { given, bytes: at < 0 ? undefined : Number(given[at + 1]) };
  };

  test.each<[string, Record<string, string>, number | undefined]>([
    ["nothing", {}, undefined],
    ["all of a node", { SLURM_MEM_PER_NODE: "0" }, undefined],
    ["memory of a core", { SLURM_MEM_PER_CPU: "300" }, 300],
    ["and several cores", { SLURM_MEM_PER_CPU: "300", SLURM_CPUS_PER_TASK: "4" }, 1200],
    ["memory of a node", { SLURM_MEM_PER_NODE: "3000" }, 1500],
    ["two nodes", { SLURM_MEM_PER_NODE: "3000", SLURM_TASKS_PER_NODE: "1(x2)" }, 3000],
    ["uneven nodes", { SLURM_MEM_PER_NODE: "3000", SLURM_TASKS_PER_NODE: "2(x3),10,1" }, 300],
  ])("of %s reaches the solver as bytes of a rank", async (_what, env, megabytes) => {
    const { bytes, given } = await budget(env);
    expect(bytes).toBe(megabytes === undefined ? undefined : megabytes * 2 ** 20);
    expect(given.at(-2)).toBe("--output");
  });

  test("of cores reaches the ranks' launcher", async () => {
    const { given } = await budget({ SLURM_CPUS_PER_TASK: "4" });
    expect(given).toContain("--cpus-per-task=4");
    expect((await again()).given.join(" ")).not.toContain("--cpus-per-task");
  });

  /** Another attempt of the same test. */
  async function again() {
    for (const folder of ["state", "out dir"]) {
      rmSync(join(root, folder), { recursive: true });
      mkdirSync(join(root, folder));
    }
    release("c 5");
    return await budget({});
  }
});

describe("modules", () => {
  /** A node whose `module` is a function of bash, as everywhere; `load bad` fails. */
  const node = (): Record<string, string> => {
    mkdirSync(join(root, "m", "init"), { recursive: true });
    const body = `[ "$1" = load ] && [ "$2" != bad ] && export LOADED="\${LOADED:-}$2;"`;
    writeFileSync(join(root, "m", "init", "bash"), `unset_before=$UNSET\nmodule() { ${body}; }\n`);
    return { MODULESHOME: join(root, "m") };
  };

  test("are loaded in order before the ranks start, in shells that -eu would end", async () => {
    const body = `env > ${root}/env; echo x > "$out"`;
    expect(await attempt(body, [], node(), ["gcc/12", "mpi"])).toBe(0);
    expect(readFileSync(join(root, "env"), "utf8")).toContain("LOADED=gcc/12;mpi;\n");
  });

  test("of which one can't be loaded end the attempt, recorded, before any rank", async () => {
    expect(await attempt('echo x > "$out"', [], node(), ["mpi", "bad"])).toBe(92);
    expect(exitRecord()).toEqual({ exitCode: 92, signal: null });
    expect(existsSync(join(root, "args"))).toBe(false);
    const said = readFileSync(join(root, "state", "stderr.log"), "utf8");
    expect(said).toContain("module bad can't be loaded");
  });
});

describe("a result that stands already", () => {
  test("is never replaced by other bytes", async () => {
    writeFileSync(output, "older\n");
    expect(await attempt('echo newer > "$out"')).toBe(91);
    expect(readFileSync(output, "utf8")).toBe("older\n");
    expect(readFileSync(join(root, "state", "stderr.log"), "utf8")).toContain("File exists");
    expect(readdirSync(join(root, "out dir"))).toHaveLength(1);
  });

  test("of equal bytes is success, and stays the very file", async () => {
    writeFileSync(output, "same\n");
    const before = statSync(output).ino;
    expect(await attempt('echo same > "$out"')).toBe(0);
    expect(statSync(output).ino).toBe(before);
  });
});

describe("the fence", () => {
  const untouched = (...names: string[]) => {
    expect(readdirSync(join(root, "state")).sort()).toEqual(names);
    expect(existsSync(output)).toBe(false);
    expect(existsSync(join(root, "args"))).toBe(false);
  };

  test.each([
    ["by another slurm job", "7\nboot pid:[1] 2 3\n"],
    ["by a head that gave it up", "never cancelled\n"],
  ])("keeps an attempt that was started %s from doing anything at all", async (_who, text) => {
    writeFileSync(join(root, "state", "started"), text);
    expect(await attempt('echo data > "$out"')).toBe(90);
    untouched("released", "started");
  });

  test.each([
    ["isn't released", undefined],
    ["isn't the released one", "c 4"],
    ["is another cluster's", "d 5"],
  ])("keeps a slurm job that %s from the attempt's start", async (_what, released) => {
    rmSync(join(root, "state", "released"));
    if (released !== undefined) release(released);
    expect(await attempt('echo data > "$out"')).toBe(93);
    untouched(...(released === undefined ? [] : ["released"]));
  });

  test("waits for a release that shows late", async () => {
    rmSync(join(root, "state", "released"));
    const child = start('echo data > "$out"', [], {}, [], { ...TIMES, fenceMs: 8_000 });
    await vi.waitUntil(() => existsSync(`/proc/${child.pid}/fd/8`), WAIT);
    release("c 5");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("says whose process holds it: this machine sees whether that lives", async () => {
    const child = start(`: > ${root}/up; exec sleep 5`);
    await vi.waitUntil(() => existsSync(join(root, "up")), WAIT);
    const started = readFileSync(join(root, "state", "started"), "utf8");
    const files = filesIn(join(root, "state"));
    expect(started).toMatch(/^5\n/);
    expect(files.isWrapperAlive(started)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(files.isWrapperAlive(started)).toBe(false);
    expect(files.isWrapperAlive("5\nother-boot pid:[1] 5 6\n")).toBeUndefined();
  });
});

describe("the watcher", () => {
  const body = (): string => `: > ${root}/up; trap 'exit 143' TERM; while :; do sleep 0.05; done`;

  test("beats while the ranks run", async () => {
    const child = start(body());
    const beats = () => Number(readOr("heartbeat"));
    await vi.waitUntil(() => beats() > 2, WAIT);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([143, null]);
  });

  test("ends the ranks when the head has given the attempt up", async () => {
    const child = start(body());
    await vi.waitUntil(() => existsSync(join(root, "up")), WAIT);
    writeFileSync(join(root, "state", "ended"), "cancelled\n");
    expect(await once(child, "exit")).toEqual([94, null]);
    expect(exitRecord()).toEqual({ exitCode: 94, signal: null });
  });

  test("ends the ranks when no beat can be written any more", async () => {
    mkdirSync(join(root, "state", "heartbeat"));
    expect(await once(start(body(), [], {}, [], { ...TIMES, leaseMs: 300 }), "exit")).toEqual([
      96,
      null,
    ]);
  });

  const line = (steps: number) =>
    `{"progress":{"phase":"knn","fraction":0.5,"steps":${steps},"seconds":1}}`;
  test("ends ranks whose solver makes no step, though it goes on to say so", async () => {
    const said = `(while :; do echo '${line(7)}'; sleep 0.05; done) &\ntalker=$!
      trap 'kill $talker; exit 143' TERM; while :; do sleep 0.05; done`;
    expect(await once(start(said, [], {}, [], { ...TIMES, stallMs: 400 }), "exit")).toEqual([
      95,
      null,
    ]);
  });

  test("leaves ranks alone that make steps, however little gets done", async () => {
    const said = `for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
      printf '{"progress":{"phase":"knn","fraction":0,"steps":%d,"seconds":1}}\\n' $n
      sleep 0.2
    done; echo x > "$out"`;
    expect(await once(start(said, [], {}, [], { ...TIMES, stallMs: 1_500 }), "exit")).toEqual([
      0,
      null,
    ]);
  });
});

test("SIGTERM reaches the ranks' launcher, and the end is recorded", async () => {
  const body = `trap 'echo told > ${root}/told; exit 9' TERM; : > ${root}/up
    while :; do read -r line < ${root}/pipe; done`;
  const pipe = spawn("mkfifo", [`${root}/pipe`]);
  await once(pipe, "exit");
  const child = start(body);
  await vi.waitUntil(() => existsSync(join(root, "up")), WAIT);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  // The launcher's own end counts, not that of the interrupted wait.
  expect(code).toBe(9);
  expect(readFileSync(join(root, "told"), "utf8")).toBe("told\n");
  expect(exitRecord()).toEqual({ exitCode: 9, signal: null });
  expect(existsSync(output)).toBe(false);
});

async function attempt(
  body: string,
  args: readonly string[] = [],
  env = {},
  modules: readonly string[] = [],
): Promise<number> {
  const child = start(body, args, env, modules);
  const [code] = (await once(child, "exit")) as [number];
  return code;
}

/** Runs the script with an srun that notes its arguments, then does `body`; $out = --output's. */
function start(
  body: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  modules: readonly string[] = [],
  times: WrapperTimes = TIMES,
) {
  const note = `printf '%s\\0' "$@" > ${root}/args; for out; do :; done`;
  const text = `#!/bin/sh\n${note}\n${body}\n`;
  writeFileSync(join(root, "bin", "srun"), text, { mode: 0o755 });
  const { script, scriptArguments } = submitRequest(
    {
      solveId: "0123456789abcdef".repeat(4),
      attempt: 1,
      ranks: 2,
      timeLimitMinutes: 1,
      folder: join(root, "state"),
      output,
      mark: "00112233445566ff",
      solver: "/bin/solver",
      solverArguments: args,
      modules,
      times,
    },
    "0011",
  );
  const job = { SLURM_JOB_ID: "5", SLURM_CLUSTER_NAME: "c" };
  return spawn("bash", [script, ...scriptArguments], {
    env: { PATH: `${root}/bin:/usr/bin:/bin`, TMPDIR: root, ...job, ...env },
    stdio: "ignore",
  });
}

/** What the head does before it lets the slurm job go. */
function release(as: string): void {
  writeFileSync(join(root, "state", "released"), `${as}\n`);
}

function readOr(name: string): string {
  return existsSync(join(root, "state", name))
    ? readFileSync(join(root, "state", name), "utf8")
    : "";
}

function exitRecord(): unknown {
  return JSON.parse(readFileSync(join(root, "state", "exit.json"), "utf8"));
}
