/** What reaches Slurm's commands, and what each of their answers means. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SlurmJobRef } from "../../../head/slurm/slurm.ts";
import { controlWith, fakeSlurm, jobLine, request } from "./fakes.ts";

const NAME = "ligase-0123456789ab-1";
const REFUSED = "sbatch: error: Batch job submission failed: Invalid qos";
const REF: SlurmJobRef = { clusterName: "fake1", id: "7", name: NAME };

describe("a submission", () => {
  test("is held, never requeued, and its arguments arrive byte for byte", async () => {
    const fakes = fakeSlurm();
    fakes.set("sbatch", "echo 7");
    const slurm = await fakes.connect();
    const nasty = ["$(id)", "; rm -rf x", "a\nb\n", "-N9", "--hold=no", "`id`", "%j \\ ' \" é", ""];
    const outcome = await slurm.submitHeld(request({ scriptArguments: nasty }));
    expect(outcome).toEqual({ kind: "submitted", job: REF });
    expect(fakes.calls("sbatch")).toEqual([
      [
        "--hold",
        "--no-requeue",
        "--parsable",
        "--export=NONE",
        `--job-name=${NAME}`,
        "--comment=solve=0123456789ab.attempt=1",
        "--ntasks=2",
        "--time=60",
        "--input=/dev/null",
        "--output=/dev/null",
        "--error=/dev/null",
        "--chdir=/",
        "/opt/attempt.sh",
        ...nasty,
      ],
    ]);
  });

  test("puts options of the solve in front of ours, and refuses what is none", async () => {
    const fakes = fakeSlurm();
    fakes.set("sbatch", "echo 7");
    const slurm = await fakes.connect();
    await slurm.submitHeld(request({ options: ["--qos=a b;$(id)", "--exclusive"] }));
    expect(fakes.calls("sbatch")[0]?.slice(0, 3)).toEqual([
      ...["--qos=a b;$(id)", "--exclusive", "--hold"],
    ]);
    for (const option of ["-H", "x", "", "--\0", "--qos=\0"]) {
      const bad = slurm.submitHeld(request({ options: [option] }));
      await expect(bad).rejects.toMatchObject({ code: "USAGE" });
    }
    expect(fakes.calls("sbatch")).toHaveLength(1);
  });

  test.each(["$(id)", "a;b", "a\nb", "-hold", "", "a b", "a,b", "%j", "é", "x".repeat(129)])(
    "refuses the name and the comment %j and calls nothing",
    async (value) => {
      const fakes = fakeSlurm();
      fakes.set("sbatch", "echo 7");
      const slurm = await fakes.connect();
      const usage = { code: "USAGE" };
      await expect(slurm.submitHeld(request({ name: value }))).rejects.toMatchObject(usage);
      await expect(slurm.submitHeld(request({ comment: value }))).rejects.toMatchObject(usage);
      await expect(slurm.find(value)).rejects.toMatchObject(usage);
      expect(fakes.calls("sbatch")).toEqual([]);
    },
  );

  test.each([
    { ranks: 0 },
    { ranks: 1.5 },
    { timeLimitMinutes: Number.NaN },
    { script: "attempt.sh" },
    { scriptArguments: ["a\0b"] },
  ])("refuses %j", async (changes) => {
    const slurm = await fakeSlurm().connect();
    await expect(slurm.submitHeld(request(changes))).rejects.toMatchObject({ code: "USAGE" });
  });

  test("isn't steered by SBATCH_ or SLURM_ variables of our own environment", async () => {
    const fakes = fakeSlurm();
    Object.assign(fakes.env, { SBATCH_REQUEUE: "1", SLURM_JOB_ID: "3", OMPI_MCA_btl: "x" });
    fakes.set("sbatch", `env > ${fakes.folder}/env; echo 7`);
    await (await fakes.connect()).submitHeld(request());
    const names = readFileSync(`${fakes.folder}/env`, "utf8")
      .split("\n")
      .map((line) => line.split("=")[0])
      .filter((name) => /^(SBATCH|SLURM|OMPI|LC_ALL)/.test(name ?? ""));
    expect(new Set(names)).toEqual(new Set(["LC_ALL", "SLURM_CONF"]));
  });

  test("to a private Slurm gives the job its own environment and nothing of ours", async () => {
    const fakes = fakeSlurm();
    Object.assign(fakes.env, { SECRET: "x" });
    fakes.set("sbatch", `env > ${fakes.folder}/env; echo 7`);
    const path = fakes.env["PATH"] ?? "";
    await (await fakes.connect(5_000, { PATH: path, LIGASE_MARK: "00ff" })).submitHeld(request());
    expect(fakes.calls("sbatch")[0]).toContain("--export=ALL");
    const lines = readFileSync(`${fakes.folder}/env`, "utf8").split("\n");
    expect(lines).toEqual(expect.arrayContaining(["LIGASE_MARK=00ff", "SLURM_CONF=/fake.conf"]));
    expect(lines.filter((line) => line.startsWith("SECRET"))).toEqual([]);
  });

  test.each([
    ["a cluster's name after the id", "echo '7;fake1'", "submitted"],
    ["a warning beside the id", "echo 'sbatch: warning: x' >&2; echo 7", "submitted"],
    ["a time-out", "exec sleep 600", "unknown"],
    ["its own death", "kill -9 $$", "unknown"],
    ["success without an id", "echo Submitted batch job 7", "unknown"],
    ["nothing", "exit 0", "unknown"],
    ["two lines", "printf '7\\n8\\n'", "unknown"],
    ["an id but an error", "echo 7; exit 1", "unknown"],
    ["an id and a refusal", `echo 7; ${failing("Invalid qos")}`, "unknown"],
    ["a refusal before a time-out", `echo '${REFUSED}' >&2; exec sleep 600`, "unknown"],
    ["a lost answer", failing("Socket timed out on send/recv operation"), "unknown"],
    ["no controller", failing("Unable to contact slurm controller (connect failure)"), "unknown"],
    ["words that nobody knows", "echo 'sbatch: fatal: hm' >&2; exit 1", "unknown"],
    ["a refusal", failing("Requested node configuration is not available"), "refused"],
    ["a bad option", "echo 'sbatch: error: Invalid --time specification' >&2; exit 255", "refused"],
  ])("answered by %s is taken for what it is", async (_what, body, kind) => {
    const fakes = fakeSlurm();
    fakes.set("sbatch", body);
    const slurm = await fakes.connect(400);
    const outcome = await slurm.submitHeld(request());
    expect(outcome.kind).toBe(kind);
    expect(fakes.calls("sbatch")).toHaveLength(1);
  });

  test("that Slurm refuses says why", async () => {
    const fakes = fakeSlurm();
    fakes.set("sbatch", failing("Invalid qos"));
    const outcome = await (await fakes.connect()).submitHeld(request());
    expect(outcome).toMatchObject({ why: expect.stringContaining("Invalid qos") as string });
  });
});

describe("a job", () => {
  test("is found by name, and only under exactly that name", async () => {
    const fakes = fakeSlurm();
    fakes.set("squeue", `printf '7|${NAME}\\n8|${NAME}0\\nx|${NAME}\\n'`);
    fakes.set(
      "scontrol",
      controlWith(`echo '${jobLine({ id: "7", name: NAME, state: "RUNNING" })}'`),
    );
    const jobs = await (await fakes.connect()).find(NAME);
    expect(jobs).toMatchObject([{ ...REF, state: "RUNNING", held: false }]);
    const asked = fakes.calls("squeue")[0] ?? [];
    expect(asked).toContain(`--name=${NAME}`);
    expect(asked).toContain("--states=all");
    expect(asked).toContain(`--user=${process.getuid?.()}`);
  });

  test.each([
    ["unknown to Slurm", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"],
    ["another's by now", `echo '${jobLine({ id: "7", name: "other", state: "RUNNING" })}'`],
  ])("that is %s is undefined, not released, and not cancelled", async (_what, body) => {
    const fakes = fakeSlurm();
    fakes.set("scontrol", controlWith(`case "$1" in release) exit 0;; esac\n${body}`));
    fakes.set("scancel", "exit 0");
    const slurm = await fakes.connect();
    expect(await slurm.poll(REF)).toBeUndefined();
    await expect(slurm.release(REF)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    await slurm.cancel(REF);
    expect(fakes.calls("scancel")).toEqual([]);
    expect(fakes.calls("scontrol").filter(([verb]) => verb === "release")).toEqual([]);
  });

  test("of another cluster isn't asked for, released or cancelled", async () => {
    const fakes = fakeSlurm();
    fakes.set("scancel", "exit 0");
    const slurm = await fakes.connect();
    const foreign = { ...REF, clusterName: "fake2" };
    expect(await slurm.poll(foreign)).toBeUndefined();
    await expect(slurm.release(foreign)).rejects.toMatchObject({ code: "SLURM_FAILED" });
    await slurm.cancel(foreign);
    expect(fakes.calls("scontrol")).toEqual([["show", "config"]]);
    expect(fakes.calls("scancel")).toEqual([]);
  });

  test("is released and cancelled by its id", async () => {
    const fakes = fakeSlurm();
    fakes.set("scancel", "exit 0");
    const line = jobLine({ id: "7", name: NAME, state: "PENDING", reason: "JobHeldUser" });
    fakes.set("scontrol", controlWith(`case "$1" in release) exit 0;; esac; echo '${line}'`));
    const slurm = await fakes.connect();
    await slurm.release(REF);
    await slurm.cancel(REF);
    expect(fakes.calls("scontrol")).toContainEqual(["release", "7"]);
    expect(fakes.calls("scancel")).toEqual([["7"]]);
  });

  test.each([
    ["an unreachable controller", "echo 'Unable to contact slurm controller' >&2; exit 1", 5_000],
    ["a hanging command", "exec sleep 600", 400],
    ["garbage", "echo garbage", 5_000],
  ])("behind %s is an error, not a vanished job", async (_what, body, timeoutMs) => {
    const fakes = fakeSlurm();
    fakes.set("scontrol", controlWith(body));
    const slurm = await fakes.connect(timeoutMs);
    await expect(slurm.poll(REF)).rejects.toMatchObject({ code: "SLURM_FAILED" });
  });

  test("with an id that is no number goes nowhere", async () => {
    const slurm = await fakeSlurm().connect();
    const bad = slurm.poll({ ...REF, id: "--all" });
    await expect(bad).rejects.toMatchObject({ code: "USAGE" });
  });
});

test("a Slurm that names no cluster isn't one", async () => {
  const fakes = fakeSlurm();
  fakes.set("scontrol", "echo hello");
  await expect(fakes.connect()).rejects.toMatchObject({ code: "SLURM_FAILED" });
});

function failing(reason: string): string {
  return `echo 'sbatch: error: Batch job submission failed: ${reason}' >&2; exit 1`;
}
