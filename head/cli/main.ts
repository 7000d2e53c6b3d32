/**
 * The commands of `ligase`. Each ends with an exit code of the error table; what one does is loaded
 * when it runs.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { toSystemError } from "../../runtime/errors.ts";
import { runtimeVersion } from "../../runtime/version.ts";
import { actorCommands } from "./actors/commands.ts";
import { printableLines } from "./actors/text.ts";
import { jobCommands } from "./jobs/commands.ts";
import { solveCommands } from "./solve/commands.ts";
import { addLaunchFlags } from "./solve/flags.ts";
import type { RunFlags } from "./run.ts";

const EXIT_USAGE = 2;

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}

function program(): Command {
  const ligase = new Command("ligase")
    .description("From FASTQ to embeddings to NetCDF, on one machine or many.")
    .version(runtimeVersion)
    .exitOverride()
    .enablePositionalOptions();
  ligase.addCommand(runDefinition());
  ligase
    .command("worker")
    .description("add this machine to a running cluster")
    .addOption(
      new Option("--join <url>", "the URL that the cluster gave; - reads it from standard input")
        .env("LIGASE_JOIN")
        .makeOptionMandatory(),
    )
    .option("--executors <n>", "shards that run at once", wholeNumber(1, 1024))
    .action(async (flags: { join: string; executors?: number }) => {
      const { workerCommand } = await import("./worker.ts");
      process.exitCode = await workerCommand(flags);
    });
  ligase
    .command("head")
    .description("one more head for a cluster that runs here: it leads when the leader is gone")
    .addOption(new Option("--standby", "wait until nobody leads").makeOptionMandatory())
    .option("--address <file>", "the cluster's address file (default: LIGASE_ADDRESS)")
    .option("--state <folder>", "the state that the cluster works on")
    .addHelpText(
      "after",
      `
Example: ligase head --standby --state ligase-runs/sample/.ligase
Without --state and --address: the only cluster of yours that runs on this machine. Ends with it.`,
    )
    .action(async (flags: { address?: string; state?: string }) => {
      const { headCommand } = await import("./state/head.ts");
      process.exitCode = await headCommand(flags);
    });
  ligase.addCommand(logDefinition());
  for (const command of actorCommands(wholeNumber)) ligase.addCommand(command);
  ligase.addCommand(solveCommands(wholeNumber));
  ligase.addCommand(jobCommands());
  return ligase;
}

function logDefinition(): Command {
  const log = new Command("log").exitOverride().description("what heads have written");
  log
    .command("check")
    .exitOverride()
    .description("look at each segment and snapshot: can a head go on from them?")
    .requiredOption("--state <folder>", "a cluster's state: a folder or s3://bucket/prefix")
    .option("--json", "the report as one line of JSON")
    .addHelpText(
      "after",
      `
Example: ligase log check --state ligase-runs/sample/.ligase
Reads all of it and changes nothing. Exit code 0: a head can go on; 2: no log there; 4: none can.`,
    )
    .action(async (flags: { state: string; json?: boolean }) => {
      const { logCheckCommand } = await import("./state/log.ts");
      process.exitCode = await logCheckCommand(flags);
    });
  return log;
}

function runDefinition(): Command {
  const slurm = new Option("--slurm <mode>", "which Slurm starts the solver");
  const encoder = new Option("--encoder <name>", "what makes a vector of a read");
  const run = new Command("run")
    .exitOverride()
    .description("the main job: FASTQ -> embeddings -> NetCDF; without input, on a sample")
    .argument("[more...]", "further FASTQ files")
    .option("--input <file...>", "FASTQ, plain or gzip: files or s3://bucket/key")
    .option("--output <folder>", "or s3:// with --no-solve; ligase-runs/<stem of the first input>")
    .addOption(encoder.default("kmer"))
    .addOption(slurm.choices(["auto", "system", "private"]).default("auto"))
    .option("--executors <n>", "shards that run at once (default: all cores)", wholeNumber(1, 1024))
    .option("--nats-port <port>", "default: any free one", wholeNumber(1, 65_535))
    .option("--standby-heads <n>", "heads that wait to lead (default: 0)", wholeNumber(0, 4))
    .option("--state <folder>", "or s3://; default: .ligase in the output folder")
    .addOption(
      new Option(
        "--on-bad-record <what>",
        "a read that is malformed or ends its executors",
      ).choices(["fail", "quarantine", "skip"]),
    )
    .option("--batch-timeout <seconds>", "of one batch; 0 = none", wholeNumber(0, 2_147_483))
    .option("--no-solve", "end after the embeddings")
    .option("--fresh", "run anew, in the first free <output>-2, -3, ...")
    .option("--json", "the last line of standard output is the result as JSON")
    .action(async (more: string[], flags: RunFlags) => {
      const { runCommand } = await import("./run.ts");
      process.exitCode = await runCommand({ ...flags, input: [...(flags.input ?? []), ...more] });
    });
  return addLaunchFlags(run, wholeNumber);
}

// Whoever read our words may be gone (`| head`): the work goes on, and its exit code stays true.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
try {
  await program().parseAsync(process.argv);
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    if (process.exitCode !== 0 && process.argv.includes("--json")) {
      const what = thrown.message.replace(/^error: /, "");
      const error = { code: "USAGE", what, where: {} };
      process.stdout.write(`${JSON.stringify({ error })}\n`);
    }
  } else {
    const error = toSystemError(thrown);
    process.stderr.write(`ligase: ${printableLines(error.message)}\n`);
    if (process.argv.includes("--json")) {
      process.stdout.write(`${JSON.stringify({ error: error.toData() })}\n`);
    }
    process.exitCode = error.exit;
  }
}
