/**
 * The commands that read sequences, or make them: `run`, `embed`, `qc`, `simulate`. What they do is
 * loaded when one of them runs; each help ends with an example that a test types.
 */
import { Command, Option } from "commander";
import { addLaunchFlags, type WholeNumber } from "../solve/flags.ts";
import { addEncodeFlags, addInputFlags, addQcFlags } from "./flags.ts";
import type { EmbedFlags, QcFlags, RunFlags } from "./request.ts";
import type { SimulateFlags } from "./simulate.ts";

const DEFAULT_OUTPUT = "default: ligase-runs/<stem of the first input>";

/** Adds the commands; `run` comes first. */
export function addInputCommands(ligase: Command, whole: WholeNumber): void {
  ligase.addCommand(runDefinition(whole));
  ligase.addCommand(embedDefinition(whole));
  ligase.addCommand(qcDefinition(whole));
  ligase.addCommand(simulateDefinition(whole));
}

function runDefinition(whole: WholeNumber): Command {
  const run = new Command("run")
    .exitOverride()
    .description("the main job: sequences -> embeddings -> NetCDF; without input, on a sample");
  addInputFlags(run, whole, `or s3:// with --no-solve; ${DEFAULT_OUTPUT}`);
  addEncodeFlags(run);
  addQcFlags(run, whole, false);
  run
    .optionsGroup("Solve:")
    .option("--no-solve", "end after the embeddings")
    .addOption(
      new Option("--slurm <mode>", "which Slurm starts the solver")
        .choices(["auto", "system", "private"])
        .default("auto")
        .helpGroup("Solve:"),
    );
  return addLaunchFlags(run, whole)
    .addHelpText(
      "after",
      `
Example: ligase run reads.fastq.gz --output runs/first --ranks 2
Quality control takes fastp's options too, as ligase qc --help lists them.`,
    )
    .action(async (more: string[], flags: RunFlags) => {
      const { runCommand } = await import("../run.ts");
      process.exitCode = await runCommand(withMore(flags, more));
    });
}

function embedDefinition(whole: WholeNumber): Command {
  const embed = new Command("embed")
    .exitOverride()
    .description("phase 1 alone: sequences -> embeddings, in Parquet");
  addInputFlags(embed, whole, `or s3://; ${DEFAULT_OUTPUT}`);
  addEncodeFlags(embed);
  return addQcFlags(embed, whole, false)
    .addHelpText(
      "after",
      `
Example: ligase embed reads.fastq.gz --output runs/vectors --qc short --batch-size 512
Quality control takes fastp's options too, as ligase qc --help lists them.`,
    )
    .action(async (more: string[], flags: EmbedFlags) => {
      const { embedCommand } = await import("../run.ts");
      process.exitCode = await embedCommand(withMore(flags, more));
    });
}

function qcDefinition(whole: WholeNumber): Command {
  const qc = new Command("qc")
    .exitOverride()
    .description("quality control alone: a report for each sample, as fastp writes it");
  addInputFlags(qc, whole, `or s3://; ${DEFAULT_OUTPUT}`);
  return addQcFlags(qc, whole, true)
    .addHelpText(
      "after",
      `
Example: ligase qc reads.fastq.gz --output runs/quality --length_required 50 --cut_right
The preset is short unless another is named. Trimmed reads are counted, not written.`,
    )
    .action(async (more: string[], flags: QcFlags) => {
      const { qcCommand } = await import("../run.ts");
      process.exitCode = await qcCommand(withMore(flags, more));
    });
}

function withMore<Flags extends QcFlags>(flags: Flags, more: readonly string[]): Flags {
  return { ...flags, input: [...(flags.input ?? []), ...more] };
}

function simulateDefinition(whole: WholeNumber): Command {
  const seed = whole(0, 2 ** 31 - 1);
  const share = "share of the fragments, 0 to 0.99";
  return new Command("simulate")
    .exitOverride()
    .description("reads or contigs of simulated bacteria, with the truth beside them")
    .argument("<file>", "FASTQ, or FASTA of contigs; replaced if it stands")
    .option("--second <file>", "second mates: the reads are pairs")
    .option("--truth <file>", "what each of them is, as a TSV")
    .option("--seed <n>", "of all random numbers", seed, 1)
    .option("--genomes <n>", "of different composition", whole(1, 64), 4)
    .option("--genome-length <bases>", "of each", whole(1_000, 2 ** 28), 500_000)
    .option("--strains <n>", "of each genome, which differ in 1 % of their bases", whole(1, 16), 1)
    .option("--abundance <sigma>", "log-normal shares of genomes (default: even)", numeric)
    .option("--contigs", "contigs in windows that don't meet, as FASTA")
    .option("--reads <n>", "fragments, or contigs", whole(0, 10 ** 10), 10_000)
    .option("--length <bases>", "of a read or contig: n, or least,most", "150")
    .option("--insert <mean,sd>", "sizes of fragments (default: as long as the read; pairs 300,60)")
    .addOption(
      new Option("--quality <model>", "of reads")
        .choices(["illumina", "binned", "long", "perfect"])
        .default("illumina"),
    )
    .option("--duplicates <share>", `PCR copies: ${share}`, numeric, 0)
    .option("--unknown <share>", `reads with a run of N: ${share}`, numeric, 0)
    .option("--phred64", "qualities are 64-based")
    .option("--poly-g", "an instrument of two colours, whose dark cycles are G")
    .option("--labels", "genome and strain stand in each name too")
    .addOption(
      new Option("--container <form>", "of the files; default: by the name, .gz is gzip").choices([
        ...["plain", "gzip", "bgzf"],
      ]),
    )
    .option("--json", "the last line of standard output is the result as JSON")
    .addHelpText(
      "after",
      `
Example: ligase simulate reads.fastq.gz --reads 2000 --length 600 --truth truth.tsv
The same options give the same text on every machine.`,
    )
    .action(async (file: string, flags: SimulateFlags) => {
      const { simulateCommand } = await import("./simulate.ts");
      process.exitCode = await simulateCommand(file, flags);
    });
}

function numeric(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}
