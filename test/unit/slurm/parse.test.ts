/** Recorded output of Slurm's commands, and what we make of it. */
import { describe, expect, test } from "vitest";
import {
  parseClusterName,
  parseCountsMemory,
  parseIds,
  parseJob,
  parseSubmitted,
} from "../../../head/slurm/parse.ts";
import { isEnded, SLURM_STATES } from "../../../head/slurm/slurm.ts";
import { jobLine } from "./fakes.ts";

/** `scontrol --oneliner show job 1` of Slurm 22.05.8, a held job, as it came. */
const HELD =
  "JobId=1 JobName=lig-a UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=0 Nice=0 " +
  "Account=(null) QOS=(null) JobState=PENDING Reason=JobHeldUser Dependency=(null) Requeue=0 " +
  "Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=00:00:00 TimeLimit=UNLIMITED TimeMin=N/A " +
  "SubmitTime=2026-11-22T18:10:38 EligibleTime=Unknown AccrueTime=Unknown StartTime=Unknown " +
  "EndTime=Unknown Deadline=N/A SuspendTime=None SecsPreSuspend=0 " +
  "LastSchedEval=2026-11-22T18:10:38 Scheduler=Main Partition=main AllocNode:Sid=localhost:4200 " +
  "ReqNodeList=(null) ExcNodeList=(null) NodeList= NumNodes=1 NumCPUs=2 NumTasks=2 CPUs/Task=1 " +
  "ReqB:S:C:T=0:0:*:* TRES=cpu=2,mem=4000M,node=1,billing=2 Socks/Node=* " +
  "NtasksPerN:B:S:C=0:0:*:* CoreSpec=* MinCPUsNode=1 MinMemoryNode=0 MinTmpDiskNode=0 " +
  "Features=(null) DelayBoot=00:00:00 " +
  "OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null) Command=/tmp/j.sh WorkDir=/tmp " +
  "Comment=x  StdErr=/tmp/out StdIn=/dev/null StdOut=/tmp/out Power= \n";

const SPEC = { id: "9", name: "j" };

test.each([
  ["CR_CORE_MEMORY", true],
  ["CR_CPU_Memory,CR_LLN", true],
  ["CR_CORE", false],
  ["NONE", false],
])("a Slurm of %s gives memory out: %s", (parameters, counts) => {
  const config = `SelectType         = select/cons_tres\nSelectTypeParameters   = ${parameters}\n`;
  expect(parseCountsMemory(config)).toBe(counts);
});

describe("a job's line", () => {
  test("gives a held job", () => {
    expect(parseJob(HELD, "c1")).toEqual({
      clusterName: "c1",
      id: "1",
      name: "lig-a",
      state: "PENDING",
      held: true,
      exitCode: 0,
      signal: 0,
      reason: "JobHeldUser",
      restarts: 0,
      comment: "x",
    });
  });

  test.each([
    ["COMPLETED", "None", "0:0", { state: "COMPLETED", exitCode: 0, signal: 0 }],
    ["FAILED", "NonZeroExitCode", "7:0", { state: "FAILED", exitCode: 7, signal: 0 }],
    ["CANCELLED", "None", "0:15", { state: "CANCELLED", exitCode: 0, signal: 15 }],
    ["TIMEOUT", "TimeLimit", "0:0", { state: "TIMEOUT", reason: "TimeLimit" }],
    ["NODE_FAIL", "NodeDown", "0:1", { state: "NODE_FAIL" }],
    ["OUT_OF_MEMORY", "OutOfMemory", "0:125", { state: "OUT_OF_MEMORY", signal: 125 }],
    ["PENDING", "Resources", "0:0", { state: "PENDING", held: false }],
    ["PENDING", "JobHeldAdmin", "0:0", { state: "PENDING", held: true }],
    ["CONFIGURING", "None", "0:0", { state: "RUNNING" }],
    ["REQUEUE_HOLD", "None", "0:0", { state: "PENDING", held: false }],
    ["COMPLETING", "None", "0:0", { state: "COMPLETING" }],
  ])("in state %s because of %s", (state, reason, exit, expected) => {
    expect(parseJob(jobLine({ ...SPEC, state, reason, exit }), "c")).toMatchObject(expected);
  });

  test("takes the first field of a name: nobody's later text can change ours", () => {
    const forged = `${jobLine({ ...SPEC, state: "FAILED" })} Comment=x JobState=COMPLETED JobId=1`;
    expect(parseJob(forged, "c")).toMatchObject({ id: "9", state: "FAILED" });
  });

  test.each([
    ["", "nothing"],
    ["slurm_load_jobs error", "an error"],
    [jobLine({ ...SPEC, state: "DREAMING" }), "an unknown state"],
    [jobLine({ ...SPEC, state: "FAILED", exit: "x" }), "an unreadable exit code"],
    [jobLine({ ...SPEC, id: "9_1", state: "FAILED" }), "an id that is none"],
  ])("%j is refused: %s", (line) => {
    expect(() => parseJob(line, "c")).toThrow(
      expect.objectContaining({ code: "SLURM_FAILED" }) as Error,
    );
  });
});

test("every state is either ended or not, and COMPLETING isn't", () => {
  expect(SLURM_STATES.filter((state) => !isEnded(state))).toEqual([
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETING",
  ]);
});

test("an id is read from sbatch only when it stands there alone", () => {
  expect(parseSubmitted("7\n")).toBe("7");
  expect(parseSubmitted("7;cluster\n")).toBe("7");
  for (const other of ["", "x", "7 8", "7\n8\n", "-7", "Submitted batch job 7\n"]) {
    expect(parseSubmitted(other)).toBeUndefined();
  }
});

test("ids are read from squeue only under the very name", () => {
  expect(parseIds("1|a\n2|ab\n3|a\n|a\n4_1|a\n", "a")).toEqual(["1", "3"]);
});

test("the cluster's name is read from the configuration", () => {
  const config =
    "BOOT_TIME = x\nClusterName             = lg01234567\nCommunicationParameters = (null)\n";
  expect(parseClusterName(config)).toBe("lg01234567");
  expect(() => parseClusterName("nothing")).toThrow(/SLURM_FAILED/);
});
