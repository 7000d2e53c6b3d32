/** The commands that look at a running cluster's actors, as the command line knows them. */
import { Command, Option } from "commander";
import { LIST_PAGE_MAX } from "../../../runtime/limits.ts";
import type { ExplainFlags } from "./explain.ts";
import type { ListFlags } from "./list.ts";
import type { LogsFlags } from "./logs.ts";

type WholeNumber = (least: number, most: number) => (text: string) => number;

const HOW = `
The cluster is the one of --address or LIGASE_ADDRESS, the one that works on --state,
or else the only one of yours that runs on this machine.`;

/** `list`, `explain`, `logs`. What they do is loaded when one of them runs. */
export function actorCommands(wholeNumber: WholeNumber): readonly Command[] {
  return [listDefinition(wholeNumber), explainDefinition(), logsDefinition()];
}

function listDefinition(wholeNumber: WholeNumber): Command {
  const limit = new Option("--limit <n>", "entries of one page");
  return lookingCommand("list", "the actors or pools of a running cluster")
    .argument("<actors|pools>", "what to list")
    .option("--filter <key=value...>", "only those with this in a field, before any cut", [])
    .addOption(limit.argParser(wholeNumber(1, LIST_PAGE_MAX)).default(100))
    .option("--after <cursor>", "go on behind the page that ended with this")
    .option("--json", "one line of JSON: entries, next, total")
    .addHelpText("after", `\nExample: ligase list actors --filter state=restarting --json${HOW}`)
    .action(async (what: string, flags: ListFlags) => {
      const { listCommand } = await import("./list.ts");
      await listCommand(what, flags, write);
    });
}

function explainDefinition(): Command {
  return lookingCommand("explain", "why an actor is where and how it is")
    .argument("<actor>", "the word actor")
    .argument("<name>", "its name or id")
    .option("--json", "one line of JSON: view, reasons")
    .addHelpText("after", `\nExample: ligase explain actor index${HOW}`)
    .action(async (what: string, name: string, flags: ExplainFlags) => {
      const { explainCommand } = await import("./explain.ts");
      await explainCommand(what, name, flags, write);
    });
}

function logsDefinition(): Command {
  return lookingCommand("logs", "what an actor's executor writes")
    .argument("<actor>", "its name or id")
    .option("-f, --follow", "and what it goes on to write, over its next lives too")
    .addHelpText("after", `\nExample: ligase logs index -f${HOW}`)
    .action(async (name: string, flags: LogsFlags) => {
      const { logsCommand } = await import("./logs.ts");
      const end = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
      const err = (text: string): void => void process.stderr.write(text);
      await logsCommand(name, flags, { out: write, err, signal: end.signal });
    });
}

function lookingCommand(name: string, description: string): Command {
  return new Command(name)
    .exitOverride()
    .description(description)
    .option("--address <file>", "the address.json that the cluster left")
    .option("--state <folder>", "the folder of the cluster's state");
}

function write(text: string): void {
  process.stdout.write(text);
}
