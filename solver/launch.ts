/**
 * What a solve may ask of Slurm besides ranks and time: typed options, and the free ones among
 * sbatch's own that leave our protocol alone. None of it changes a byte of the result, and none is
 * part of a solve's identity.
 */
import * as v from "valibot";

/** Threads of one rank: the solver's own bound. */
const CPUS_PER_TASK_MAX = 1024;
/** Free options of sbatch, and modules to load; far more than a site asks for. */
const SBATCH_ARGUMENTS_MAX = 32;
const MODULES_MAX = 32;
/** Characters of all texts of a list: one status tells of 64 solves, each with its spec. */
const LIST_CHARS_MAX = 1024;

/** Names that Slurm's administrators give: partitions, accounts, qualities of service. */
const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "isn't a name"));
/** One name or several, comma between them. */
const names = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(,[A-Za-z0-9][A-Za-z0-9._-]*)*$/, "isn't a list of names"),
);
/** Features with Slurm's operators: `a&b`, `[x|y]`, `a*2`. */
const features = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9[(][A-Za-z0-9._&|*()[\],:-]{0,255}$/, "isn't a list of features"),
);
/** `2`, `a100:2`, `a100:1,v100:1`; with a resource's name in front for `gres`. */
const counted = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._:,/-]{0,255}$/, "isn't a list of resources"),
);

/**
 * Options of sbatch that are ours: by them a job would escape the hold, its name, its environment
 * or its logs, or would mean another option of the solve. sbatch takes any unambiguous beginning of
 * a name, so a beginning of one of these is refused too.
 */
const OURS: readonly string[] = [
  ...["array", "batch", "bb", "bbf", "chdir", "cluster-constraint", "clusters", "comment"],
  ...["error", "export", "export-file", "get-user-env", "gid", "help", "hold", "ignore-pbs"],
  ...["input", "job-name", "no-requeue", "open-mode", "output", "parsable", "quiet", "requeue"],
  ...["test-only", "uid", "usage", "version", "wait", "workdir", "wrap"],
];
/** Those that have an option of their own here. */
const TYPED: Readonly<Record<string, string>> = {
  account: "account",
  constraint: "constraint",
  "cpus-per-task": "cpus-per-task",
  gpus: "gpus",
  gres: "gres",
  mem: "mem",
  ntasks: "ntasks",
  partition: "partition",
  qos: "qos",
  time: "time",
};
const SBATCH_ARGUMENT = /^--([a-z][a-z0-9-]*)(=[\x20-\x7e]{1,512})?$/;

/** Why an option of sbatch isn't taken, or undefined when it is. */
export function refusalOf(argument: string): string | undefined {
  const [, option = ""] = SBATCH_ARGUMENT.exec(argument) ?? [];
  if (option === "") return `${JSON.stringify(argument)} isn't --name or --name=value`;
  const ours = OURS.find((one) => one.startsWith(option));
  if (ours !== undefined) return `--${ours} is the solve's own`;
  const typed = Object.keys(TYPED).find((one) => one.startsWith(option));
  return typed === undefined ? undefined : `--${typed} is an option of the solve itself`;
}

const sbatchArgument = v.pipe(
  v.string(),
  v.check(
    (argument) => refusalOf(argument) === undefined,
    (issue) => refusalOf(issue.input) ?? "",
  ),
);

/** `mpi/openmpi`, `gcc/12.2.0`: no option, no path upwards. */
const moduleName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._+/-]{0,127}$/, "isn't a module's name"),
  v.check((text) => !text.split("/").includes(".."), "isn't a module's name"),
);

const TOO_LONG = `is over ${LIST_CHARS_MAX} characters`;
const isShort = (texts: string[]): boolean => texts.join("").length <= LIST_CHARS_MAX;

/** Schema entries of the launch; a spec that says none of them stays what it always was. */
export const launchEntries = {
  /** Cores, and so threads, of one rank. */
  cpusPerTask: v.exactOptional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(CPUS_PER_TASK_MAX)),
  ),
  /** Memory of each node, in Slurm's way: `4000`, `16G`. Without one it is estimated. */
  memory: v.exactOptional(v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}[KMGT]?$/, "isn't a size"))),
  partition: v.exactOptional(names),
  account: v.exactOptional(name),
  qos: v.exactOptional(name),
  constraint: v.exactOptional(features),
  gpus: v.exactOptional(counted),
  gres: v.exactOptional(counted),
  /** Further options of sbatch, `--name` or `--name=value`; see `refusalOf`. */
  sbatchArguments: v.exactOptional(
    v.pipe(v.array(sbatchArgument), v.maxLength(SBATCH_ARGUMENTS_MAX), v.check(isShort, TOO_LONG)),
  ),
  /** Environment modules that the job loads, in order. */
  modules: v.exactOptional(
    v.pipe(v.array(moduleName), v.maxLength(MODULES_MAX), v.check(isShort, TOO_LONG)),
  ),
};

const launchSchema = v.object(launchEntries);
/** What a solve asks of Slurm; all of it may be left out. */
export type LaunchOptions = Readonly<v.InferOutput<typeof launchSchema>>;
