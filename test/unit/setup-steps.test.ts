/** What the single steps of the set-up promise, and how test results are counted. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { setUp, type Step, type Tools } from "../../deploy/setup/runner.mjs";
import { countsOf, summaryLine } from "../../deploy/setup/stages.mjs";
import { aptStep } from "../../deploy/setup/steps/apt.mjs";
import { isNewEnough } from "../../deploy/setup/steps/nats.mjs";

const CI_SCRIPT = join(import.meta.dirname, "..", "..", ".ci", "run");

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ligase-setup-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function runOne(step: Step) {
  let output = "";
  const code = await setUp([step], {
    lockFolders: [join(folder, "lock")],
    logFolder: join(folder, "log"),
    mark: `test-${folder}`,
    signal: new AbortController().signal,
    write: (text) => {
      output += text;
    },
  });
  return { code, output };
}

describe("system packages", () => {
  const missing = () => [{ name: "slurmd" }, { name: "munge" }];

  test("without rights give the one line to run, no log, and exit code 4", async () => {
    const step = aptStep({ missing, prefix: () => undefined, hasApt: () => true });
    const { code, output } = await runOne(step);
    const line =
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends slurmd munge\n";
    expect(output).toContain(line);
    expect(output).not.toContain("The whole log");
    expect(code).toBe(4);
  });

  test("on another system are named", async () => {
    const { code, output } = await runOne(aptStep({ missing, hasApt: () => false }));
    expect(output).toContain("slurmd munge");
    expect(code).toBe(4);
  });

  test("cost nothing when none is missing", async () => {
    const step = aptStep({ missing: () => [], prefix: () => undefined, hasApt: () => false });
    expect(await runOne(step)).toMatchObject({ code: 0 });
  });

  test("are installed without questions or recommends, after a repair when it fails", async () => {
    const commands: string[] = [];
    let failures = 1;
    const tools: Tools = {
      log: () => {},
      say: () => {},
      run: async (command, args) => {
        commands.push([command, ...args].join(" "));
        if (args.includes("munge") && failures-- > 0) throw new Error("half configured");
      },
    };
    await aptStep({ missing, prefix: () => ["sudo", "-n"], hasApt: () => true }).run(tools);
    expect(commands.every((line) => line.startsWith("sudo -n env DEBIAN_FRONTEND="))).toBe(true);
    const words = commands.map((line) => line.replace(/^.*LC_ALL=C /, ""));
    const options = "-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -q -y";
    const install = `apt-get ${options} install --no-install-recommends slurmd munge`;
    expect(words).toEqual([
      `apt-get ${options} update`,
      install,
      "dpkg --force-confold --configure -a",
      `apt-get ${options} --fix-broken --no-install-recommends install`,
      install,
    ]);
    const temporary = /TMPDIR=(\S+)/.exec(commands[0] ?? "")?.[1] ?? "";
    expect([temporary.startsWith(tmpdir()), existsSync(temporary)]).toEqual([true, false]);
  });
});

test.each([
  ["2.9.10", false],
  ["2.11.0", true],
  ["2.15.1", true],
  ["3.0.0", true],
  [undefined, false],
])("nats-server %s is new enough: %s", (version, isEnough) => {
  expect(isNewEnough(version)).toBe(isEnough);
});

describe("counts of a vitest run", () => {
  const file = (status: string, ...statuses: string[]) => ({
    status,
    assertionResults: statuses.map((one) => ({ status: one })),
  });

  test("are those of its tests", () => {
    const report = { testResults: [file("passed", "passed", "skipped"), file("failed", "failed")] };
    expect(countsOf(report, false)).toEqual({ passed: 1, failed: 1, skipped: 1 });
  });

  test("have a failure for a file that didn't load", () => {
    const report = { testResults: [file("failed"), file("passed", "passed")] };
    expect(countsOf(report, false)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  test("have a failure for an error beside the tests and for no report at all", () => {
    expect(countsOf({ testResults: [file("passed", "passed")] }, false).failed).toBe(1);
    expect(countsOf(undefined, false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  test("are told on one line", () => {
    expect(summaryLine({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed");
    expect(summaryLine({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped");
  });
});

describe("the script of continuous integration", () => {
  /** Its end with an npm that prints this and exits so. */
  function runWith(output: string, exitCode: number) {
    const npm = join(folder, "npm");
    writeFileSync(npm, `#!/bin/sh\nprintf '${output}'\nexit ${exitCode}\n`);
    chmodSync(npm, 0o755);
    const PATH = `${folder}${delimiter}${process.env["PATH"]}`;
    const options = { encoding: "utf8", env: { ...process.env, PATH } } as const;
    const { status, stdout } = spawnSync(CI_SCRIPT, [], options);
    return [stdout.trimEnd().split("\n").at(-1), status];
  }

  test("ends with the line of the tests", () => {
    expect(runWith("x\\n5 passed, 0 failed, 1 skipped\\n", 0)).toEqual([
      "5 passed, 0 failed, 1 skipped",
      0,
    ]);
  });

  test("repeats that line after what npm adds", () => {
    const output = "5 passed, 2 failed\\nnpm error code 1\\n";
    expect(runWith(output, 1)).toEqual(["5 passed, 2 failed", 1]);
  });

  test("counts one failure when npm dies early", () => {
    expect(runWith("npm error\\n", 4)).toEqual(["0 passed, 1 failed", 1]);
    expect(runWith("", 0)).toEqual(["0 passed, 1 failed", 1]);
  });

  test("never says that all is well when npm failed", () => {
    expect(runWith("5 passed, 0 failed\\nnpm error\\n", 1)).toEqual(["5 passed, 1 failed", 1]);
  });
});
