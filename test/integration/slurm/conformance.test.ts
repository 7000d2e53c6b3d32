/** The suite of the port to Slurm, on the fake's commands and on a real private Slurm. */
import { slurmConformance } from "../../slurm/conformance.ts";
import { fakeWorld, realWorld } from "../../slurm/worlds.ts";

slurmConformance("a fake Slurm", fakeWorld);
slurmConformance("a real Slurm", realWorld);
