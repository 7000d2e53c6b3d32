/**
 * The commands of `ligase`. Each ends with an exit code of the error table; what one does is loaded
 * when it runs.
 */
import type { WorkerFlags } from "./worker.ts";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { toSystemError } from "../../runtime/errors.ts";
import { sweepObjects } from "../../runtime/objects/owners.ts";
import { runtimeVersion } from "../../runtime/version.ts";
import { actorCommands } from "./actors/commands.ts";
import { printableLines } from "./actors/text.ts";
import { addInputCommands } from "./inputs/commands.ts";
import { translated } from "./inputs/ray.ts";
import { jobCommands } from "./jobs/commands.ts";
import { objectCommands } from "./objects/commands.ts";
import { solveCommands } from "./solve/commands.ts";

const EXIT_USAGE = 2;
/** Commands that take the options of fastp and Ray by their names. */
const READERS: ReadonlySet<string> = new Set(["run", "embed", "qc"]);

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
    .enablePositionalOptions()
    .hook("preAction", sweepLeftovers);
  addInputCommands(ligase, wholeNumber);
  ligase
    .command("worker")
    .description("add this machine to a running cluster")
    .addOption(
      new Option("--join <url>", "the URL that the cluster gave; - reads it from standard input")
        .env("LIGASE_JOIN")
        .makeOptionMandatory(),
    )
    .option("--executors <n>", "shards that run at once", wholeNumber(1, 1024))
    .option("--resources <json>", "what it has: cpu, gpu, memory (bytes), custom {name: amount}")
    .option("--labels <key=value,...>", "what work that asks for labels finds it by")
    .option("--object-memory <bytes>", "shared memory for objects, such as 4G (default: 30 %)")
    .option("--object-folder <path>", "where they are, such as a tmpfs with huge pages")
    .option("--object-spill <bytes>", "disk for objects (default: half of what is free; 0: none)")
    .addHelpText(
      "after",
      `
Example: ligase worker --join - --resources '{"gpu":2,"custom":{"disk":4}}' --labels zone=a,disk=ssd
Unless said: a cpu an executor, the GPUs that nvidia-smi counts, the memory of the machine.`,
    )
    .action(async (flags: WorkerFlags) => {
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
  for (const command of objectCommands()) ligase.addCommand(command);
  ligase.addCommand(solveCommands(wholeNumber));
  ligase.addCommand(jobCommands());
  return ligase;
}

/** What killed clusters left of their objects goes with any command; none of them fails by it. */
function sweepLeftovers(): void {
  try {
    sweepObjects();
  } catch (thrown) {
    process.stderr.write(`objects of dead processes stay: ${toSystemError(thrown).message}\n`);
  }
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

// Whoever read our words may be gone (`| head`): the work goes on, and its exit code stays true.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
try {
  const [node = "", bin = "", command = "", ...words] = process.argv;
  const typed = READERS.has(command) ? translated(words) : words;
  await program().parseAsync([node, bin, ...(command === "" ? [] : [command]), ...typed]);
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
