/**
 * Flags of the commands that read sequences, `run`, `embed` and `qc`: one definition each, so that
 * what a flag means never depends on the command.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { OnBadRecord } from "../../../runtime/dataset/dataset.ts";
import type { WholeNumber } from "../solve/flags.ts";
import { FASTP_OPTIONS, type FastpKind } from "./fastp.ts";

export type QcPreset = "short" | "long" | "none";
/** Least and most shards that are made at once. */
export type Concurrency = number | readonly [number, number];

/** What the shared flags give; fastp's stand beside them under the names of FASTP_OPTIONS. */
export interface InputFlags {
  readonly input?: readonly string[];
  readonly samples?: string;
  readonly output?: string;
  readonly qc?: QcPreset;
  readonly onBadRecord?: OnBadRecord;
  readonly executors?: number;
  readonly natsPort?: number;
  readonly standbyHeads?: number;
  readonly state?: string;
  readonly batchTimeout?: number;
  readonly batchSize?: number;
  readonly concurrency?: Concurrency;
  readonly fresh?: boolean;
  readonly json?: boolean;
}

/** Flags of the commands that encode. */
export interface EncodeFlags extends InputFlags {
  readonly encoder: string;
  readonly orf?: "longest" | "all";
  readonly numGpus?: number;
}

const CONCURRENCY_MAX = 100_000;
const BATCH_SIZE_MAX = 65_536;
const GPUS_MAX = 64;
const TIMEOUT_S_MAX = 2_147_483;

/** Adds what every one of the commands has. @param into - what `--output` means by default. */
export function addInputFlags(command: Command, whole: WholeNumber, into: string): Command {
  return command
    .argument("[more...]", "further input")
    .optionsGroup("Input and output:")
    .option("--input <file...>", "FASTQ or FASTA: files, s3://bucket/key, or - (standard input)")
    .option("--samples <sheet.csv>", "instead: columns sample,fastq_1,fastq_2 and perhaps label")
    .option("--output <folder>", into)
    .addOption(
      new Option("--on-bad-record <what>", "one that is malformed or ends its executors")
        .choices(["fail", "quarantine", "skip"])
        .helpGroup("Input and output:"),
    )
    .option("--fresh", "run anew, in the first free <output>-2, -3, ...")
    .option("--json", "the last line of standard output is the result as JSON")
    .optionsGroup("How it is run:")
    .option("--executors <n>", "shards that run at once (default: all cores)", whole(1, 1024))
    .option("--concurrency <n>", "shards at once in the cluster: most, or least,most", concurrency)
    .option("--batch-size <n>", "records that a stage gets at once", whole(1, BATCH_SIZE_MAX))
    .option("--batch-timeout <seconds>", "of one batch; 0 = none", whole(0, TIMEOUT_S_MAX))
    .option("--nats-port <port>", "default: any free one", whole(1, 65_535))
    .option("--standby-heads <n>", "heads that wait to lead (default: 0)", whole(0, 4))
    .option("--state <folder>", "or s3://; default: .ligase in the output folder");
}

/** Adds what the commands have that encode. */
export function addEncodeFlags(command: Command): Command {
  return command
    .optionsGroup("Encoder:")
    .option("--encoder <name>", "what makes a vector of a sequence", "kmer")
    .addOption(
      new Option("--orf <which>", "reading frames of DNA that a protein encoder gets")
        .choices(["longest", "all"])
        .helpGroup("Encoder:"),
    )
    .option("--num-gpus <n>", "GPUs of a shard while it is made, such as 1 or 0.5", gpus);
}

/** Adds quality control's flags. @param help - whether fastp's are listed, or only taken. */
export function addQcFlags(command: Command, whole: WholeNumber, help: boolean): Command {
  const group = "Quality control:";
  const preset = "short: as fastp does; long: by mean quality and length; none: count only";
  command.addOption(
    new Option("--qc <preset>", preset).choices(["short", "long", "none"]).helpGroup(group),
  );
  for (const { name, takes, help: text } of FASTP_OPTIONS) {
    const flags = `--${name.replaceAll("_", "-")}${ARGUMENTS[takes.kind]}`;
    const option = new Option(flags, text).helpGroup(help ? `${group} (fastp's names)` : group);
    if (takes.kind !== "flag") option.argParser(parserOf(takes, whole));
    command.addOption(help ? option : option.hideHelp());
  }
  return command;
}

const ARGUMENTS = { flag: "", whole: " <n>", adapter: " <bases>" } as const;

function parserOf(takes: FastpKind, whole: WholeNumber): (text: string) => unknown {
  if (takes.kind === "whole") return whole(takes.least, takes.most);
  return (text) => {
    if (/^(auto|[ACGT]{6,1000})$/.test(text)) return text;
    throw new InvalidArgumentError("It is 6 to 1000 bases of A, C, G, T, or auto.");
  };
}

/** fastp's options as they were given, by fastp's names. */
export function fastpGiven(flags: object): Readonly<Record<string, boolean | number | string>> {
  const values = new Map<string, unknown>(Object.entries(flags));
  const given: Record<string, boolean | number | string> = {};
  for (const { name } of FASTP_OPTIONS) {
    const value = values.get(camel(name));
    const isPlain = ["boolean", "number", "string"].includes(typeof value);
    if (isPlain) given[name] = value as boolean | number | string;
  }
  return given;
}

/** As commander names the value of an option. */
function camel(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function concurrency(text: string): Concurrency {
  const numbers = text.split(",").map(Number);
  const [least = 0, most = least] = numbers;
  const isWhole = /^\d+(,\d+)?$/.test(text);
  if (isWhole && least <= most && most >= 1 && most <= CONCURRENCY_MAX) {
    return numbers.length === 1 ? least : [least, most];
  }
  throw new InvalidArgumentError(`It is n, or least,most, of up to ${CONCURRENCY_MAX}.`);
}

function gpus(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d{1,4})?$/.test(text) && value <= GPUS_MAX) return value;
  throw new InvalidArgumentError(`It is a number from 0 to ${GPUS_MAX}, of four decimals at most.`);
}
