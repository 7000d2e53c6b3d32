/** `ligase solve`: phase 2 by itself, as the command line knows it. */
import { Command, Option } from "commander";
import { addLaunchFlags, type WholeNumber } from "./flags.ts";
import type { LookFlags } from "./look.ts";
import type { SolveRunFlags } from "./run.ts";

const HOW = `
The solves are those of the cluster of --address or LIGASE_ADDRESS, of the one that works on
--state, or else of the only one of yours that runs on this machine. Where none works on --state,
what it did there is read from its log. ID is a solve's id, or the beginning of it.`;

/** `solve run|list|show|logs|cancel`. What they do is loaded when one of them runs. */
export function solveCommands(wholeNumber: WholeNumber): Command {
  const solve = new Command("solve")
    .exitOverride()
    .description("solves of sealed embeddings: start one, look at them, end one");
  solve.addCommand(runDefinition(wholeNumber));
  solve.addCommand(
    looking("list", "all solves, oldest first").action(async (flags: LookFlags) => {
      const { listCommand } = await import("./look.ts");
      await listCommand(flags, write);
    }),
  );
  solve.addCommand(
    looking("show", "one solve: what it is at, what it asked for, how it ended")
      .argument("<id>")
      .action(async (id: string, flags: LookFlags) => {
        const { showCommand } = await import("./look.ts");
        await showCommand(id, flags, write);
      }),
  );
  solve.addCommand(logsDefinition());
  solve.addCommand(
    looking("cancel", "end a solve: its slurm job is cancelled")
      .argument("<id>")
      .action(async (id: string, flags: LookFlags) => {
        const { cancelCommand } = await import("./look.ts");
        await cancelCommand(id, flags, write);
      }),
  );
  return solve;
}

function runDefinition(wholeNumber: WholeNumber): Command {
  const slurm = new Option("--slurm <mode>", "which Slurm starts the solver");
  const metric = new Option("--metric <name>", "default: the manifest's");
  const command = new Command("run")
    .exitOverride()
    .description("solve a sealed set: neighbours, heat, spectrum, clusters -> NetCDF")
    .argument("<manifest>", "a manifest.json, or the folder in which it stands")
    .option("--output <file>", "default: <folder of the manifest>_sim.nc")
    .addOption(metric.choices(["l2", "cosine"]))
    .option("--k <n>", "neighbours of a node", wholeNumber(1, 1000))
    .option("--times <list>", "times of the heat: 1,10,100")
    .option("--fields <n>", "random fields of the heat", wholeNumber(0, 256))
    .option("--modes <n>", "eigenpairs; 0: no spectrum", wholeNumber(0, 64))
    .option("--clusters <n>", "default: where the largest gap is", wholeNumber(1, 1000))
    .option("--seed <n>", "of all random numbers", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .addOption(slurm.choices(["auto", "system", "private"]).default("auto"))
    .option("--state <folder>", "default: .ligase beside the folder of the manifest")
    .option("--json", "the last line of standard output is the result as JSON")
    .action(async (manifest: string, flags: SolveRunFlags) => {
      const { solveRunCommand } = await import("./run.ts");
      process.exitCode = await solveRunCommand(manifest, flags);
    });
  return addLaunchFlags(command, wholeNumber);
}

function logsDefinition(): Command {
  return looking("logs", "what the solver of the last attempt writes")
    .argument("<id>")
    .option("-f, --follow", "and what it goes on to write, until the solve is over")
    .action(async (id: string, flags: LookFlags & { readonly follow?: boolean }) => {
      const { logsCommand } = await import("./logs.ts");
      const end = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
      const err = (text: string): void => void process.stderr.write(text);
      await logsCommand(id, flags, { out: write, err, signal: end.signal });
    });
}

function looking(name: string, description: string): Command {
  return new Command(name)
    .exitOverride()
    .description(description)
    .option("--address <file>", "the address.json that the cluster left")
    .option("--state <folder>", "the folder of the cluster's state")
    .option("--json", "one line of JSON")
    .addHelpText("after", HOW);
}

function write(text: string): void {
  process.stdout.write(text);
}
