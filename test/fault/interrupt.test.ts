/** Ctrl-C, a parent that is gone, and second commands on one output. */
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freeze, nothingLeft, partOf, thaw } from "../e2e/processes.ts";
import {
  BIN,
  cleanUp,
  errorOf,
  makeInputs,
  namesIn,
  newPlace,
  patience,
  type Place,
  resultOf,
  run,
  type Started,
  start,
  startRun,
  until,
} from "../e2e/support.ts";
import { atGate, frozenRun, type Gate, makeGate, makeReads } from "./support.ts";

/** Seconds from the first Ctrl-C to the command's end. */
const SECONDS_TO_END = 5;

let place: Place;
let gate: Gate;
let output: string;
beforeEach(async () => {
  place = await newPlace();
  gate = await makeGate(place);
  output = place.path("out");
});
afterEach(() => cleanUp());

/** Start their arguments as a command and stay: at once, or as npm starts a script. */
const START = `
  require("child_process").spawn(process.argv[1], process.argv.slice(2), { stdio: "ignore" });
  setInterval(() => {}, 1000);`;
const START_AS_NPM = `
  const env = { ...process.env, npm_lifecycle_event: "start" };
  const shell = ["-c", '"$0" "$@"; true', ...process.argv.slice(1)];
  require("child_process").spawn("sh", shell, { stdio: "ignore", env });
  setInterval(() => {}, 1000);`;

/** Sends what a terminal sends to all of the command's process group. */
function interrupt({ pid }: Started): void {
  process.kill(-pid, "SIGINT");
}

/** A run in the middle of its solve. */
async function solving(): Promise<{ started: Started; args: string[] }> {
  const inputs = await makeInputs(place, { files: 1, reads: 200 });
  const args = ["--slurm", "private", "--ranks", "2", "--input", ...inputs, "--output", output];
  const started = startRun(place, args, { env: gate.env });
  await atGate(place, 2);
  return { started, args };
}

async function expectInterrupted(started: Started, sinceMs: number): Promise<void> {
  const ended = await started.ended;
  const seconds = (performance.now() - sinceMs) / 1_000;
  expect([ended.code, errorOf(ended).code]).toEqual([130, "CANCELLED"]);
  expect(seconds).toBeLessThan(SECONDS_TO_END * patience());
  const left = await nothingLeft(place, sinceMs);
  report(`ended after ${seconds.toFixed(1)} s, nothing left after ${left.toFixed(1)} s`);
  expect(namesIn(place.temporary)).toEqual([]);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}

describe("Ctrl-C", () => {
  test("in phase 1 ends with 130, leaves nothing, and the next run goes on", async () => {
    const inputs = await makeReads(place);
    const { started, args } = await frozenRun(place, inputs);
    interrupt(started);
    await expectInterrupted(started, performance.now());
    expect(resultOf(await run(place, args)).shards).toBe(inputs.length);
  });

  test("while the solver runs ends with 130 and cancels the slurm job", async () => {
    const { started, args } = await solving();
    interrupt(started);
    await expectInterrupted(started, performance.now());
    expect(namesIn(`${output}/results`)).toEqual([]);
    await gate.open();
    expect(resultOf(await run(place, args, { env: gate.env })).slurm?.state).toBe("COMPLETED");
  });

  test("while Slurm doesn't answer ends with 130 as well", async () => {
    const { started } = await solving();
    await freeze(await partOf(place, "slurmctld"));
    interrupt(started);
    await expectInterrupted(started, performance.now());
  });

  test("while the cluster starts ends with 130", async () => {
    const inputs = await makeInputs(place, { files: 1, reads: 60 });
    const started = startRun(place, ["--no-solve", "--input", ...inputs, "--output", output]);
    await partOf(place, "supervisor");
    interrupt(started);
    await expectInterrupted(started, performance.now());
  });

  test("twice ends the command at once, and still nothing is left", async () => {
    const { started } = await solving();
    // Its Slurm doesn't answer, so that the first one has to wait.
    await freeze(await partOf(place, "slurmctld"));
    interrupt(started);
    const log = `${output}/.ligase/logs/supervisor.log`;
    await until("the first one is taken", async () =>
      (await readFile(log, "utf8")).includes(" ending"),
    );
    interrupt(started);
    const sinceMs = performance.now();
    const ended = await started.ended;
    const seconds = (performance.now() - sinceMs) / 1_000;
    expect([ended.code, seconds < patience()]).toEqual([130, true]);
    const left = await nothingLeft(place, sinceMs);
    report(`ended after ${seconds.toFixed(1)} s, nothing left after ${left.toFixed(1)} s`);
  });

  test.each([
    ["a parent", START],
    ["npm, whose shell stays,", START_AS_NPM],
  ])("%s that is killed ends the run", async (_what, script) => {
    const [input = ""] = await makeInputs(place, { files: 1, reads: 200 });
    const args = ["run", "--json", "--slurm", "private", "--input", input, "--output", output];
    const command = [process.execPath, "-e", script];
    const parent = start(place, [process.execPath, BIN, ...args], { command, env: gate.env });
    await atGate(place, 2);
    const sinceMs = performance.now();
    parent.child.kill("SIGKILL");
    report(`nothing left after ${(await nothingLeft(place, sinceMs)).toFixed(1)} s`);
    expect(namesIn(place.temporary)).toEqual([]);
  });
});

describe("a second command on one output", () => {
  test("follows the first when it asks the same, and ends with its result", async () => {
    const { started, args } = await solving();
    const second = startRun(place, args, { env: gate.env });
    // The solver stands at its gate, so that the first one's last word is of its solve for good.
    await until("it says what the first is at", () => second.stderr().includes("solving: "));
    expect(second.stderr()).toContain("following it");
    await gate.open();
    const [first, followed] = [await started.ended, await second.ended];
    expect(resultOf(followed)).toEqual(resultOf(first));
    await nothingLeft(place);
  });

  test("ends with the first one's error and exit code", async () => {
    const { started, args } = await solving();
    const second = startRun(place, args, { env: gate.env });
    await until("it follows", () => second.stderr().includes("following it"));
    started.child.kill("SIGTERM");
    const [first, followed] = [await started.ended, await second.ended];
    expect([first.code, followed.code]).toEqual([130, 130]);
    expect(errorOf(followed)).toEqual(errorOf(first));
    await nothingLeft(place);
  });

  test("is OUTPUT_BUSY, exit code 4, when it asks for something else", async () => {
    const { started, args } = await solving();
    const ended = await run(place, ["--no-solve", ...args], { env: gate.env });
    expect([errorOf(ended).code, ended.code]).toEqual(["OUTPUT_BUSY", 4]);
    await gate.open();
    expect(resultOf(await started.ended).slurm?.state).toBe("COMPLETED");
  });

  test("may be interrupted: the first goes on", async () => {
    const inputs = await makeReads(place);
    const { started, executor, args } = await frozenRun(place, inputs);
    const second = startRun(place, args);
    await until("it follows", () => second.stderr().includes("following it"));
    interrupt(second);
    expect((await second.ended).code).toBe(130);
    thaw(executor);
    expect(resultOf(await started.ended).shards).toBe(inputs.length);
  });
});
