/** The commands that look at a running cluster, as the command line knows them. */
import { Command, Option } from "commander";
import { LIST_PAGE_MAX } from "../../../runtime/limits.ts";
import type { ExplainFlags } from "./explain.ts";
import type { ListFlags } from "./list.ts";
import type { LogsFlags } from "./logs.ts";
import type { SummaryFlags } from "./summary.ts";

type WholeNumber = (least: number, most: number) => (text: string) => number;

const HOW = `
The cluster is the one of --address or LIGASE_ADDRESS, the one that works on --state,
or else the only one of yours that runs on this machine.`;

/** `list`, `summary`, `explain`, `logs`. What they do is loaded when one of them runs. */
export function actorCommands(wholeNumber: WholeNumber): readonly Command[] {
  return [listDefinition(wholeNumber), summaryDefinition(), explainDefinition(), logsDefinition()];
}

function listDefinition(wholeNumber: WholeNumber): Command {
  const limit = new Option("--limit <n>", "entries of one page");
  return lookingCommand("list", "the actors, pools, tasks, nodes or objects of a running cluster")
    .argument("<actors|pools|tasks|nodes|objects>", "what to list")
    .option("--filter <key=value...>", "only those with this in a field, before any cut", [])
    .addOption(limit.argParser(wholeNumber(1, LIST_PAGE_MAX)).default(100))
    .option("--after <cursor>", "go on behind the page that ended with this")
    .option("--json", "one line of JSON: entries, next, total")
    .addHelpText("after", LIST_EXAMPLES + HOW)
    .action(async (what: string, flags: ListFlags) => {
      const { listCommand } = await import("./list.ts");
      await listCommand(what, flags, write);
    });
}

const LIST_EXAMPLES = `
Example: ligase list actors --filter state=restarting --json
         ligase list nodes --filter labels.zone=a
         ligase list tasks --filter state=waiting --limit 20
         ligase list objects --filter state=spilled`;

function summaryDefinition(): Command {
  return lookingCommand("summary", "how many tasks or actors there are, by name and state")
    .argument("<tasks|actors>", "what to count")
    .option("--json", "one line of JSON")
    .addHelpText("after", `\nExample: ligase summary tasks${HOW}`)
    .action(async (what: string, flags: SummaryFlags) => {
      const { summaryCommand } = await import("./summary.ts");
      await summaryCommand(what, flags, write);
    });
}

function explainDefinition(): Command {
  return lookingCommand("explain", "why an actor, a task or a job is where and how it is")
    .argument("<actor|task|job>", "what it is")
    .argument("<name>", "an actor's name or id, a task's id, a job's id or its beginning")
    .option("--json", "one line of JSON: view, reasons; of a job what `job status` says")
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
