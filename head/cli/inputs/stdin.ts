/**
 * Standard input as an input: it is kept as a file, because shards are read by other processes,
 * more than once, and by a run that goes on. The same bytes are the same file, and the same job.
 */
import { join } from "node:path";
import { SystemError } from "../../../runtime/errors.ts";
import { outputFolder, statePlaces } from "../paths.ts";
import { loadActors } from "./actors.ts";
import type { InputFlags } from "./flags.ts";

/** What stands for standard input, and the name of its sample and of its output. */
const STDIN = "-";
const STEM = "stdin";

/** What `actors/fastq/spool.ts` exports. */
interface Spool {
  readonly spoolInput: (
    stream: AsyncIterable<Uint8Array>,
    folder: string,
  ) => Promise<{ readonly path: string }>;
}

/** The flags as they are before anything is read, with a name in the place of `-`. */
export function withoutStdin({ input = [] }: InputFlags): Pick<InputFlags, "input"> {
  if (input.filter((path) => path === STDIN).length > 1) {
    throw new SystemError("USAGE", "standard input can be read once: name - once");
  }
  return { input: input.map((path) => (path === STDIN ? STEM : path)) };
}

/**
 * The flags with standard input kept as a file beside the run's state.
 * @throws {SystemError} USAGE; OUTPUT_UNWRITABLE.
 */
export async function spooledStdin(
  flags: InputFlags,
  from: string,
): Promise<Pick<InputFlags, "input" | "output" | "fresh">> {
  const { input = [] } = flags;
  if (!input.includes(STDIN)) return {};
  if (process.stdin.isTTY) {
    throw new SystemError("USAGE", "standard input is a terminal: pipe something into it");
  }
  const named = withoutStdin(flags).input ?? [];
  const output = outputFolder(flags.output, named, from, flags.fresh === true);
  const { stateDir } = statePlaces(flags.state, output, from);
  const { spoolInput } = await loadActors<Spool>("fastq/spool");
  const { path } = await spoolInput(process.stdin, join(stateDir, STEM));
  return { input: input.map((one) => (one === STDIN ? path : one)), output, fresh: false };
}
