/** Which Slurm `--slurm auto|system|private` takes, and what it says when it can't. */
import { describe, expect, test } from "vitest";
import { detectSlurm, SLURM_INSTALL } from "../../../head/slurm/select.ts";
import { type Fakes, fakeSlurm } from "./fakes.ts";

/** Every command there; only the clients that a test sets do something. */
function machine(): Fakes {
  const fakes = fakeSlurm();
  for (const name of ["sbatch", "squeue", "scancel", "sinfo", "srun"]) fakes.set(name, "exit 1");
  for (const name of ["munged", "slurmctld", "slurmd"]) fakes.set(name, "exit 1");
  return fakes;
}

function answering(fakes: Fakes): Fakes {
  fakes.set("sinfo", "echo 3");
  fakes.set("srun", "echo 'MPI plugin types are...'; echo pmix");
  fakes.set("scontrol", "echo 'ClusterName = big'");
  return fakes;
}

describe("auto", () => {
  test("takes the machine's own when sinfo answers and srun has pmix", async () => {
    const { env } = answering(machine());
    const choice = await detectSlurm("auto", { env });
    expect(choice).toMatchObject({ kind: "system", slurm: { clusterName: "big" } });
  });

  test.each([
    ["sinfo fails", "sinfo", "exit 1"],
    ["sinfo hangs", "sinfo", "exec sleep 600"],
    ["there are no nodes", "sinfo", "echo 0"],
    ["srun lacks pmix", "srun", "echo 'MPI plugin types are...'; echo pmi2"],
    ["the controller names no cluster", "scontrol", "exit 1"],
  ])("takes a private one when %s", async (_what, name, body) => {
    const fakes = answering(machine());
    fakes.set(name, body);
    const choice = await detectSlurm("auto", { env: fakes.env, timeoutMs: 400 });
    expect(choice).toEqual({ kind: "private" });
  });
});

test("private doesn't ask the machine's own", async () => {
  const fakes = answering(machine());
  expect(await detectSlurm("private", { env: fakes.env })).toEqual({ kind: "private" });
  expect(fakes.calls("sinfo")).toEqual([]);
});

test("system doesn't fall back, and says why", async () => {
  const { env } = machine();
  await expect(detectSlurm("system", { env, waitMs: 0 })).rejects.toMatchObject({
    code: "SLURM_MISSING",
    what: "the machine's own Slurm can't be used: sinfo shows no nodes",
  });
});

test("system waits for one that is silent for a moment", async () => {
  const fakes = answering(machine());
  fakes.set("sinfo", 'if [ -e "$0.asked" ]; then echo 3; else touch "$0.asked"; exit 1; fi');
  const choice = await detectSlurm("system", { env: fakes.env, waitMs: 5_000 });
  expect(choice).toMatchObject({ kind: "system" });
  expect(fakes.calls("sinfo").length).toBe(2);
});

test("a machine without the daemons hears what to install", async () => {
  const { env } = machine();
  const find = (name: string) => (name.startsWith("slurm") ? undefined : `/bin/${name}`);
  await expect(detectSlurm("auto", { env }, find)).rejects.toMatchObject({
    code: "SLURM_MISSING",
    what: `slurmctld, slurmd not found: ${SLURM_INSTALL}`,
  });
});
