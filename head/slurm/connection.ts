/** Which Slurm is meant, and what its jobs get of an environment. */
import { dirname } from "node:path";
import { MARK_VARIABLE } from "../../runtime/processes.ts";

export interface SlurmConnection {
  /** Its slurm.conf; null = the machine's own (SLURM_CONF or the system's place). */
  readonly confPath: string | null;
  /**
   * Value of `sbatch --export`. NONE loads the user's login environment, as a real cluster needs to
   * find its own tools; a private Slurm names its few variables, and no login shell runs.
   */
  readonly exported: string;
}

/** The environment variable that a private Slurm's daemons and jobs carry: its cluster's name. */
export const CLUSTER_VARIABLE = "LIGASE_SLURM";

/**
 * The connection to the machine's own Slurm (`confPath` null) or to a private one, whose jobs carry
 * the mark and keep their temporary files in its folder.
 */
export function connectionOf(
  access: { readonly confPath: string | null; readonly clusterName: string },
  mark: string,
  path = process.env["PATH"] ?? "",
): SlurmConnection {
  const { confPath, clusterName } = access;
  if (confPath === null) return { confPath, exported: "NONE" };
  const variables = [
    `${MARK_VARIABLE}=${mark}`,
    `${CLUSTER_VARIABLE}=${clusterName}`,
    `TMPDIR=${dirname(confPath)}/tmp`,
    // A PATH with a comma can't stand in a list; the wrapper has a default.
    ...(/^[^,\s]+$/.test(path) ? [`PATH=${path}`] : []),
  ];
  return { confPath, exported: variables.join(",") };
}
