/** The commands that look at a running cluster's objects, as the command line knows them. */
import { Command } from "commander";
import type { MemoryFlags } from "./memory.ts";

/** `memory`. What it does is loaded when it runs. */
export function objectCommands(): readonly Command[] {
  return [
    new Command("memory")
      .exitOverride()
      .description("what the nodes' memory for objects is used for, and by whom")
      .option("--address <file>", "the address.json that the cluster left")
      .option("--state <folder>", "the folder of the cluster's state")
      .option("--node <worker>", "that one alone")
      .option("--json", "one line of JSON: nodes")
      .addHelpText(
        "after",
        `
Example: ligase memory --json
The cluster is the one of --address or LIGASE_ADDRESS, the one that works on --state,
or else the only one of yours that runs on this machine. Objects one by one: ligase list objects`,
      )
      .action(async (flags: MemoryFlags) => {
        const { memoryCommand } = await import("./memory.ts");
        await memoryCommand(flags, (text) => void process.stdout.write(text));
      }),
  ];
}
