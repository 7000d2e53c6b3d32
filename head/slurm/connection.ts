/** Which Slurm is meant, and what its jobs get of an environment. */
import { dirname } from "node:path";
import { MARK_VARIABLE } from "../../runtime/processes.ts";

export interface SlurmConnection {
  /** Its slurm.conf; null = the machine's own (SLURM_CONF or the system's place). */
  readonly confPath: string | null;
  /**
   * The whole environment of its jobs, besides Slurm's own variables. Null = the user's login
   * environment, which a real cluster's tools need: Slurm runs a login shell for it, and so it does
   * for every `--export` but ALL (1.2 s measured, and a profile may hang).
   */
  readonly jobEnvironment: Readonly<Record<string, string>> | null;
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
  if (confPath === null) return { confPath, jobEnvironment: null };
  const marks = { [MARK_VARIABLE]: mark, [CLUSTER_VARIABLE]: clusterName };
  const jobEnvironment = { PATH: path, LC_ALL: "C", TMPDIR: `${dirname(confPath)}/tmp`, ...marks };
  return { confPath, jobEnvironment };
}
