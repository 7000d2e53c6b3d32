/**
 * Stands for the bin: `supervise JSON`, with fake head, agent and Slurm. How they behave stands in
 * `fakes.json` in the state folder; what Slurm is asked goes to `slurm.txt` there.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSuperviseArguments, superviseMain } from "../../../head/cluster/supervisor.ts";
import { openMachineSlurm, type SlurmOpener } from "../../../head/cluster/slurm-service.ts";

const options = parseSuperviseArguments(process.argv.slice(3));
const fakes = join(options.stateDir, "fakes.json");
let slurmKind: unknown;
if (existsSync(fakes)) {
  const { head, worker, slurm } = JSON.parse(readFileSync(fakes, "utf8")) as Record<
    string,
    unknown
  >;
  slurmKind = slurm;
  process.env["FAKE_HEAD"] = JSON.stringify(head ?? {});
  process.env["FAKE_WORKER"] = JSON.stringify(worker ?? {});
}
const openSlurm: SlurmOpener = (mode, place) => {
  const note = (text: string) => appendFileSync(join(options.stateDir, "slurm.txt"), `${text}\n`);
  note(`open ${mode} in ${place.runtimeDir}`);
  return Promise.resolve({
    access: { confPath: null, clusterName: "fake", launcher: "none" },
    cancel: async (jobs) => note(`cancel ${jobs.map((job) => job.id).join(",")}`),
    isAlive: () => true,
    stop: async () => {
      note("stop");
      if (slurmKind === "stuck") await new Promise(() => undefined);
    },
  });
};
const fakeMain = new URL("./fake-main.ts", import.meta.url).pathname;
const mains = { headMain: fakeMain, workerMain: fakeMain };
const opener = slurmKind === "real" ? openMachineSlurm : openSlurm;
process.exitCode = await superviseMain({ ...mains, ...options }, opener);
