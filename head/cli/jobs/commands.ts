/** `ligase job`: jobs of a cluster or of a state that was left, as the command line knows them. */
import { Command } from "commander";
import type { ResumeFlags } from "./resume.ts";
import type { JobFlags } from "./source.ts";

const HOW = `
The jobs are those of the cluster of --address or LIGASE_ADDRESS, of the one that works on
--state or --output, or else of the only one of yours that runs on this machine. Where none works
there, what it did is read from its log, and nothing is changed. ID is a job's id, or the
beginning of it.`;

/** `job list|status|resume|cancel|verify`. What they do is loaded when one of them runs. */
export function jobCommands(): Command {
  const job = new Command("job")
    .exitOverride()
    .description("jobs: look at them, go on with one, end one, check its output");
  job.addCommand(
    looking("list", "all jobs, oldest first", "ligase job list --output ligase-runs/sample").action(
      async (flags: JobFlags) => {
        const { listCommand } = await import("./list.ts");
        await listCommand(flags, write);
      },
    ),
  );
  job.addCommand(
    looking(
      "status",
      "one job: its inputs, what failed, what it waits for; the latest without an ID",
      "ligase job status 624c3f8c9c1f",
    )
      .argument("[id]")
      .action(async (id: string | undefined, flags: JobFlags) => {
        const { statusCommand } = await import("./status.ts");
        await statusCommand(id, flags, write);
      }),
  );
  job.addCommand(
    looking(
      "cancel",
      "end a job: what it has made stands, and the same command goes on with it",
      "ligase job cancel 624c3f8c9c1f",
    )
      .argument("<id>")
      .action(async (id: string, flags: JobFlags) => {
        const { cancelCommand } = await import("./cancel.ts");
        await cancelCommand(id, flags, write);
      }),
  );
  job.addCommand(resumeDefinition());
  job.addCommand(verifyDefinition());
  return job;
}

function resumeDefinition(): Command {
  return new Command("resume")
    .exitOverride()
    .description("run again what `ligase run` was asked for there, with the same options")
    .requiredOption("--output <folder>", "the run's output")
    .option("--state <folder>", "default: .ligase in the output folder")
    .option("--json", "the last line of standard output is the result as JSON")
    .addHelpText(
      "after",
      `
Example: ligase job resume --output ligase-runs/sample
Goes on at what is missing. An input that has changed since makes it another job: that is refused.
Ends with the exit codes of ligase run.`,
    )
    .action(async (flags: ResumeFlags) => {
      const { resumeCommand } = await import("./resume.ts");
      process.exitCode = await resumeCommand(flags);
    });
}

function verifyDefinition(): Command {
  return new Command("verify")
    .exitOverride()
    .description("check every byte of a sealed set by its manifest")
    .argument("<output>", "a run's output, the folder of a manifest.json, or that file; or s3://")
    .option("--json", "one line of JSON: shards, rows, bytes, damaged")
    .addHelpText(
      "after",
      `
Example: ligase job verify ligase-runs/sample
Reads all of it and changes nothing. Exit code 0: all is as the manifest says; 3: nothing is sealed
there; 5: something is damaged, and it says what.`,
    )
    .action(async (output: string, flags: { readonly json?: boolean }) => {
      const { verifyCommand } = await import("./verify.ts");
      process.exitCode = await verifyCommand(output, flags, write);
    });
}

function looking(name: string, description: string, example: string): Command {
  return new Command(name)
    .exitOverride()
    .description(description)
    .option("--address <file>", "the address.json that the cluster left")
    .option("--state <folder>", "the folder of the cluster's state")
    .option("--output <folder>", "a run's output: the state is .ligase in it")
    .option("--json", "one line of JSON")
    .addHelpText(
      "after",
      `\nExample: ${example}${HOW}
Exit code 0; 2: no such job, or several; 4: no cluster runs, and no log is there.`,
    );
}

function write(text: string): void {
  process.stdout.write(text);
}
