/** Slurm jobs through the port, on a real private Slurm. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connectSlurm } from "../../../head/slurm/commands.ts";
import { readExit } from "../../../head/slurm/attempt/ends.ts";
import { filesIn } from "../../../head/slurm/attempt/files.ts";
import { signalExactly } from "../../../runtime/processes.ts";
import {
  compileMpiProgram,
  JOB_WAIT,
  look,
  newAttempt,
  release,
  requestOf,
  startTestSlurm,
  submit,
  type TestSlurm,
  toEnd,
  untilEnd,
} from "./support.ts";

const run = promisify(execFile);
let at: TestSlurm;

beforeAll(async () => {
  at = await startTestSlurm();
});
afterAll(() => at?.close());

describe("an attempt", () => {
  test("waits held until it is released, and then completes", async () => {
    const script = `echo "$LIGASE_MARK $(nice)" > "$out"`;
    const attempt = { ...(await newAttempt(at, { script })), ranks: 1 };
    const ref = await submit(at.slurm, attempt);
    expect(ref.clusterName).toBe(at.started.clusterName);
    const held = await at.slurm.poll(ref);
    expect(held).toMatchObject({ state: "PENDING", held: true, reason: "JobHeldUser" });
    expect(readdirSync(attempt.folder)).toEqual([]);

    const outcome = await toEnd(at.slurm, ref, attempt);
    expect(outcome).toEqual({ state: "COMPLETED", exitCode: 0, reason: "None", error: null });
    expect(await readExit(filesIn(attempt.folder))).toEqual({ exitCode: 0, signal: null });
    expect(readFileSync(attempt.output, "utf8")).toBe(`${at.mark} ${getPriority() + 5}\n`);
    expect(readFileSync(join(attempt.folder, "started"), "utf8").split("\n")[0]).toBe(ref.id);
  });

  test("runs its ranks as one MPI program", async () => {
    const solver = await compileMpiProgram(at.root);
    const attempt = await newAttempt(at, { solver, args: [] });
    const outcome = await toEnd(at.slurm, await submit(at.slurm, attempt), attempt);
    expect(outcome).toMatchObject({ state: "COMPLETED", error: null });
    expect(readFileSync(attempt.output, "utf8")).toBe("2 1\n");
  });

  test("has the cores and the memory that it asked for, and its ranks know of both", async () => {
    const script = `printf '%s\\n' "$SLURM_CPUS_PER_TASK" "$@" > "$out"`;
    const options = ["--mem-per-cpu=100M", "--cpus-per-task=2", "--nice=7", "--partition=main"];
    const attempt = { ...(await newAttempt(at, { script })), ranks: 1, options };
    const ref = await submit(at.slurm, attempt);
    const show = ["--oneliner", "show", "job", ref.id];
    const { stdout } = await run("scontrol", show, { env: at.env });
    expect(stdout).toMatch(/ Nice=7 .* CPUs\/Task=2 .* MinMemoryCPU=100M /);
    expect((await toEnd(at.slurm, ref, attempt)).error).toBeNull();
    const given = readFileSync(attempt.output, "utf8").split("\n");
    expect(given.slice(0, 3)).toEqual(["2", "--memory-bytes", String(200 * 2 ** 20)]);
    expect(at.slurm.countsMemory).toBe(false);
  });

  test("that asks for what there isn't is refused, and no job of it is left", async () => {
    const attempt = { ...(await newAttempt(at, {})), options: ["--partition=nowhere"] };
    const refused = submit(at.slurm, attempt);
    await expect(refused).rejects.toMatchObject({ code: "SLURM_REFUSED" });
    await expect(refused).rejects.toThrow(/partition/i);
    expect(await at.slurm.find(requestOf(attempt).name)).toEqual([]);
  });

  test("that needs a module that no node has ends before its ranks, and says so", async () => {
    const attempt = await newAttempt(at, { script: `echo ran > "$out"` });
    const needy = { ...attempt, modules: ["ligase-tests/none-such"] };
    const outcome = await toEnd(at.slurm, await submit(at.slurm, needy), needy);
    expect(outcome).toMatchObject({ state: "FAILED", exitCode: 92 });
    expect(outcome.error?.what).toContain("a module can't be loaded");
    expect(existsSync(attempt.output)).toBe(false);
  });

  test("tells what its solver says while it runs", async () => {
    const line = '{"progress":{"phase":"knn","fraction":0.5,"seconds":1}}';
    const gate = join(at.root, "gate");
    const wait = `echo '${line}'; while [ ! -e '${gate}' ]; do sleep 0.05; done`;
    const attempt = await newAttempt(at, { script: `${wait}\necho x > "$out"` });
    const ref = await submit(at.slurm, attempt);
    const looked = () => look(at.slurm, ref, attempt);
    const held = { slurmState: "PENDING", reason: "JobHeldUser", progress: null };
    expect(await looked()).toEqual({ kind: "running", at: held });
    await release(at.slurm, ref, attempt);
    const seen = await vi.waitUntil(async () => {
      const answer = await looked();
      return answer.kind === "running" && answer.at.progress ? answer.at : undefined;
    }, JOB_WAIT);
    const progress = { phase: "knn", fraction: 0.5, seconds: 1 };
    expect(seen).toEqual({ slurmState: "RUNNING", reason: "None", progress });
    writeFileSync(gate, "");
    expect((await untilEnd(at.slurm, ref, attempt)).error).toBeNull();
  });

  test("that fails gives its exit code and its error line, and no result", async () => {
    const line = '{"error":{"code":"BAD_DATA","what":"a NaN","where":{"row":7}}}';
    const attempt = await newAttempt(at, {
      script: `echo half > "$out"; echo '${line}' >&2; exit 7`,
    });
    const outcome = await toEnd(at.slurm, await submit(at.slurm, attempt), attempt);
    expect(outcome).toMatchObject({
      state: "FAILED",
      exitCode: 7,
      reason: "NonZeroExitCode",
      error: { code: "SOLVE_FAILED", what: "BAD_DATA: a NaN", where: { row: 7 } },
    });
    expect(existsSync(attempt.output)).toBe(false);
  });

  test("whose rank is killed fails with its signal", async () => {
    const attempt = await newAttempt(at, { script: "kill -9 $$" });
    const outcome = await toEnd(at.slurm, await submit(at.slurm, attempt), attempt);
    expect(outcome).toMatchObject({ state: "FAILED", exitCode: 137 });
    expect(outcome.error?.what).toBe("the solver ended with exit code 137, signal 9");
  });

  test("of which a rank stands still ends whole, in time, and is worth another", async () => {
    const line = '{"progress":{"phase":"knn","fraction":0.5,"steps":7,"seconds":1}}';
    const stop = `echo $$ > '${at.root}/stopped'; kill -STOP $$`;
    const stands = `if [ "$SLURM_PROCID" = 1 ]; then ${stop}; fi`;
    const says = `while :; do echo '${line}'; sleep 0.2; done`;
    const first = await newAttempt(at, { script: `${stands}\n${says}` });
    const times = { fenceMs: 5_000, beatMs: 200, leaseMs: 5_000, stallMs: 1_000 };
    const attempt = { ...first, times };
    const outcome = await toEnd(at.slurm, await submit(at.slurm, attempt), attempt);
    expect(outcome).toMatchObject({
      state: "STALLED",
      exitCode: 95,
      error: { code: "SOLVE_LOST" },
    });
    const pid = Number(readFileSync(join(at.root, "stopped"), "utf8"));
    await vi.waitUntil(() => !existsSync(`/proc/${pid}`), JOB_WAIT);
    expect(existsSync(attempt.output)).toBe(false);
  });

  test("that its head has given up ends its ranks, though Slurm was told nothing", async () => {
    const attempt = await newAttempt(at, { script: "exec sleep 600" });
    const ref = await submit(at.slurm, attempt);
    await release(at.slurm, ref, attempt);
    const files = filesIn(attempt.folder);
    await vi.waitUntil(async () => (await files.read("heartbeat")) !== undefined, JOB_WAIT);
    await files.create("ended", "cancelled\n");
    expect(await untilEnd(at.slurm, ref, attempt)).toMatchObject({ state: "CANCELLED" });
  });

  test("whose second copy somebody releases runs once, as the job that was meant", async () => {
    const attempt = await newAttempt(at, { script: `echo "$SLURM_JOB_ID" > "$out"` });
    const short = {
      ...attempt,
      times: { fenceMs: 200, beatMs: 200, leaseMs: 5_000, stallMs: 60_000 },
    };
    const ref = await submit(at.slurm, short);
    const copy = await at.slurm.submitHeld(requestOf(short));
    if (copy.kind !== "submitted") throw new Error(copy.why);
    await at.slurm.release(copy.job);
    const ended = await vi.waitUntil(async () => {
      const job = await at.slurm.poll(copy.job);
      return job?.state === "FAILED" ? job : undefined;
    }, JOB_WAIT);
    expect(ended).toMatchObject({ exitCode: 93 });
    expect((await toEnd(at.slurm, ref, short)).error).toBeNull();
    expect(readFileSync(attempt.output, "utf8")).toBe(`${ref.id}\n`);
  });

  test("cancelled from outside ends as CANCELLED, recorded, with no scratch left", async () => {
    const attempt = await newAttempt(at, { script: `echo half > "$out"; exec sleep 600` });
    const ref = await submit(at.slurm, attempt);
    await release(at.slurm, ref, attempt);
    const scratch = () => readdirSync(join(at.root, "out")).find((name) => name.includes(ref.name));
    await vi.waitUntil(() => scratch() !== undefined, JOB_WAIT);
    await run("scancel", [ref.id], { env: at.env });
    const outcome = await untilEnd(at.slurm, ref, attempt);
    expect(outcome).toMatchObject({ state: "CANCELLED", error: { code: "SOLVE_CANCELLED" } });
    expect(await readExit(filesIn(attempt.folder))).toMatchObject({ signal: 15 });
    expect(scratch()).toBeUndefined();
    expect(existsSync(attempt.output)).toBe(false);
  });

  test("with text that a shell or Slurm would read otherwise keeps it byte for byte", async () => {
    const odd = ["$(id)", "`id`", ";", "a\nb", "%j\\", "--hold", "-N9", "'\"", "é"];
    const script = `printf '%s\\n' "$@" | head -n 10 > "$out"`;
    const first = await newAttempt(at, { script });
    const attempt = { ...first, ranks: 1, output: join(at.root, "out", "%j $(id);\\_sim.nc") };
    const withOdd = { ...attempt, solverArguments: [...attempt.solverArguments, ...odd] };
    const outcome = await toEnd(at.slurm, await submit(at.slurm, withOdd), withOdd);
    expect(outcome.error).toBeNull();
    expect(readFileSync(withOdd.output, "utf8")).toBe(`${odd.join("\n")}\n`);
  });
});

describe("a submission", () => {
  test("is found by name, and a second one isn't made", async () => {
    const attempt = await newAttempt(at, {});
    const request = requestOf(attempt);
    const ref = await submit(at.slurm, attempt);
    expect(await submit(at.slurm, attempt)).toEqual(ref);
    expect(await at.slurm.find(request.name)).toMatchObject([{ ...ref, held: true }]);
    expect(await at.slurm.find(`${request.name}0`)).toEqual([]);
    await at.slurm.cancel(ref);
    expect(await at.slurm.find(request.name)).toMatchObject([{ ...ref, state: "CANCELLED" }]);
  });

  test("doubled by a late answer leaves one: the other held job is cancelled", async () => {
    const attempt = await newAttempt(at, {});
    const request = requestOf(attempt);
    await at.slurm.submitHeld(request);
    await at.slurm.submitHeld(request);
    const ref = await submit(at.slurm, attempt);
    const jobs = await at.slurm.find(request.name);
    expect(jobs).toHaveLength(2);
    expect(jobs.filter(({ held }) => held)).toMatchObject([ref]);
    await at.slurm.cancel(ref);
  });

  test("of more ranks than there are cores is refused instead of waiting for ever", async () => {
    const attempt = { ...(await newAttempt(at, {})), ranks: 99 };
    await expect(submit(at.slurm, attempt)).rejects.toMatchObject({ code: "SLURM_REFUSED" });
    expect(await at.slurm.find(requestOf(attempt).name)).toEqual([]);
  });
});

describe("a job that isn't ours to touch", () => {
  test("because Slurm doesn't know it: no state, no release", async () => {
    const { clusterName } = at.slurm;
    const ref = { clusterName, id: "4000000", name: "ligase-000000000000-1" };
    expect(await at.slurm.poll(ref)).toBeUndefined();
    await expect(at.slurm.release(ref)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    await at.slurm.cancel(ref);
  });

  test("because it has another name or cluster: it stays as it is", async () => {
    const ref = await submit(at.slurm, await newAttempt(at, {}));
    for (const other of [{ name: `${ref.name}0` }, { clusterName: "lg00000000" }]) {
      const wrong = { ...ref, ...other };
      expect(await at.slurm.poll(wrong)).toBeUndefined();
      await expect(at.slurm.release(wrong)).rejects.toMatchObject({ code: "SLURM_FAILED" });
      await at.slurm.cancel(wrong);
    }
    expect(await at.slurm.poll(ref)).toMatchObject({ state: "PENDING", held: true });
    await at.slurm.cancel(ref);
  });
});

test("a controller that hangs is an error in time, and a job isn't lost by it", async () => {
  const ref = await submit(at.slurm, await newAttempt(at, {}));
  const hasty = await connectSlurm(at.started.connection, { timeoutMs: 700 });
  const [, controller] = at.started.processes;
  if (controller === undefined) throw new Error("no slurmctld");
  signalExactly(controller, "SIGSTOP");
  try {
    await expect(hasty.poll(ref)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    const outcome = await hasty.submitHeld(requestOf(await newAttempt(at, {})));
    expect(outcome.kind).toBe("unknown");
  } finally {
    signalExactly(controller, "SIGCONT");
  }
  await vi.waitUntil(async () => (await at.slurm.poll(ref))?.held === true, JOB_WAIT);
  await at.slurm.cancel(ref);
});
