/** Where the native solver stands, and its identity. */
import { fileURLToPath } from "node:url";
import { sha256Hex } from "../../runtime/ids.ts";
import { readIfPresent } from "../../runtime/storage/local.ts";

/** `solver/build/mpi_dna_seq` beside this package's sources, or LIGASE_SOLVER. */
export function solverPath(): string {
  const built = fileURLToPath(new URL("../../solver/build/mpi_dna_seq", import.meta.url));
  return process.env["LIGASE_SOLVER"] ?? built;
}

/** sha256 of the solver's bytes, or null when it isn't built. */
export async function solverSha256(): Promise<string | null> {
  const bytes = await readIfPresent(solverPath());
  return bytes === undefined ? null : sha256Hex(bytes);
}
