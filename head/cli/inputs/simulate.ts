/** `ligase simulate`: the simulator of the actors, by its flags. */
import { SystemError } from "../../../runtime/errors.ts";
import { typedFolder, typedPath } from "../paths.ts";
import { answerWith } from "../signals.ts";
import { loadActors } from "./actors.ts";
import { grouped } from "../progress/frame.ts";

export interface SimulateFlags {
  readonly second?: string;
  readonly truth?: string;
  readonly seed: number;
  readonly genomes: number;
  readonly genomeLength: number;
  readonly strains: number;
  readonly abundance?: number;
  readonly contigs?: boolean;
  readonly reads: number;
  readonly length: string;
  readonly insert?: string;
  readonly quality: string;
  readonly duplicates: number;
  readonly unknown: number;
  readonly phred64?: boolean;
  readonly polyG?: boolean;
  readonly labels?: boolean;
  readonly container?: "plain" | "gzip" | "bgzf";
  readonly json?: boolean;
}

/** What `actors/simulated.ts` exports, and of its result what is said. */
interface Simulator {
  readonly simulateFiles: (options: object) => Promise<{
    readonly records: number;
    readonly bases: number;
    readonly strains: readonly { readonly name: string; readonly count: number }[];
  }>;
}

/** The exit code; what went wrong has been said by then. */
export function simulateCommand(file: string, flags: SimulateFlags): Promise<number> {
  return answerWith(flags.json, async () => {
    const from = typedFolder(process.env, process.cwd());
    const options = optionsOf(typedPath(from, file), flags, from);
    const { simulateFiles } = await loadActors<Simulator>("simulated");
    const result = await simulateFiles(options);
    const rows: readonly (readonly [string, string])[] = [
      ["file", options.first],
      ["records", `${grouped(result.records)} of ${grouped(result.bases)} bases`],
      ...result.strains.map(({ name, count }) => [name, grouped(count)] as const),
    ];
    const table = rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join("");
    return { table, result: { schema: 1, files: options, ...result } };
  });
}

function optionsOf(first: string, flags: SimulateFlags, from: string) {
  const { second, truth, abundance, contigs, reads, length, insert } = flags;
  const { seed, genomes, genomeLength, strains, quality, duplicates, unknown } = flags;
  return {
    first,
    ...(second === undefined ? {} : { second: typedPath(from, second) }),
    ...(truth === undefined ? {} : { truth: typedPath(from, truth) }),
    container: flags.container ?? (/\.b?gz$/i.test(first) ? "gzip" : "plain"),
    ...{ seed, genomes, genomeLength, strains, quality, duplicates, unknown, count: reads },
    ...(abundance === undefined ? {} : { abundance }),
    kind: contigs === true ? "contigs" : "reads",
    length: two("--length", length),
    ...(insert === undefined ? {} : { insert: two("--insert", insert) }),
    phred64: flags.phred64 === true,
    polyG: flags.polyG === true,
    labels: flags.labels === true,
  };
}

/** `n` or `n,m`. */
function two(name: string, text: string): readonly [number, number] {
  const [, a, b = a] = /^(\d+)(?:,(\d+))?$/.exec(text) ?? [];
  if (a !== undefined) return [Number(a), Number(b)];
  throw new SystemError("USAGE", `${name} is a whole number, or two: 150 or 100,200`);
}
