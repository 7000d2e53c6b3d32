/** What the command line says of a solve's slurm job: the same flags for each command. */
import { type Command, InvalidArgumentError } from "commander";
import { SystemError } from "../../../runtime/errors.ts";
import type { SolveOptions } from "../../../solver/solve.ts";

export type WholeNumber = (least: number, most: number) => (text: string) => number;

/** Longest time limit, in minutes: the solve's own bound. */
const MINUTES_MAX = 40_320;

export interface LaunchFlags {
  readonly ranks?: number;
  readonly ntasks?: number;
  readonly timeLimit?: number;
  readonly time?: number;
  readonly cpusPerTask?: number;
  readonly mem?: string;
  readonly partition?: string;
  readonly account?: string;
  readonly qos?: string;
  readonly constraint?: string;
  readonly gpus?: string;
  readonly gres?: string;
  readonly sbatchArg?: readonly string[];
  readonly module?: readonly string[];
}

/** Adds the flags to a command. */
export function addLaunchFlags(command: Command, wholeNumber: WholeNumber): Command {
  return command
    .option("--ranks <n>", "MPI ranks of the solver (default: all cores)", wholeNumber(1, 4096))
    .option("--ntasks <n>", "the same, by sbatch's name", wholeNumber(1, 4096))
    .option("--time-limit <minutes>", "of the solver's slurm job", wholeNumber(1, MINUTES_MAX))
    .option("--time <limit>", "the same, as sbatch takes it: 90, 1:30:00, 2-12", minutesOf)
    .option("--cpus-per-task <n>", "cores, and threads, of each rank", wholeNumber(1, 1024))
    .option("--mem <size>", "memory of each node: 4000, 16G (default: estimated)")
    .option("--partition <names>", "of Slurm, as are the next ones")
    .option("--account <name>")
    .option("--qos <name>")
    .option("--constraint <features>")
    .option("--gpus <list>")
    .option("--gres <list>")
    .option("--sbatch-arg <option>", "any other of sbatch: --sbatch-arg=--exclusive", listed)
    .option("--module <name>", "environment module that the job loads", listed);
}

function listed(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** The solve's options that the flags say; those left out aren't in it. @throws USAGE. */
export function solveOptionsOf(flags: LaunchFlags): SolveOptions {
  const { cpusPerTask, mem: memory, partition, account, qos, constraint, gpus, gres } = flags;
  const options = {
    ranks: oneOf("--ranks", flags.ranks, "--ntasks", flags.ntasks),
    timeLimitMinutes: oneOf("--time-limit", flags.timeLimit, "--time", flags.time),
    ...{ cpusPerTask, memory, partition, account, qos, constraint, gpus, gres },
    sbatchArguments: flags.sbatchArg,
    modules: flags.module,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function oneOf(name: string, a: number | undefined, other: string, b: number | undefined) {
  if (a === undefined || b === undefined || a === b) return a ?? b;
  throw new SystemError("USAGE", `${name} and ${other} are one thing and differ`);
}

/**
 * Minutes of one of sbatch's forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours,
 * days-hours:minutes, days-hours:minutes:seconds. A part of a minute counts whole.
 */
export function minutesOf(text: string): number {
  const [, days, clock = ""] = /^(?:(\d{1,3})-)?(\d{1,6}(?::\d{1,2}){0,2})$/.exec(text) ?? [];
  const parts = clock.split(":").map(Number);
  const [a = Number.NaN, b = 0, c = 0] = parts;
  const isHours = days !== undefined || parts.length === 3;
  const seconds = isHours ? a * 3600 + b * 60 + c : a * 60 + b;
  const minutes = Number(days ?? 0) * 1440 + Math.ceil(seconds / 60);
  if (minutes >= 1 && minutes <= MINUTES_MAX) return minutes;
  throw new InvalidArgumentError("It is a time as sbatch takes it, of up to four weeks.");
}
