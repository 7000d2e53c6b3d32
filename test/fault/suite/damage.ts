/**
 * Damage to what a killed run left: a file of its log, its plan, a shard, or the manifest is
 * flipped, cut or gone. The next command finishes with the right bytes, or says what is wrong.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../../e2e/support.ts";
import type { Dice } from "./dice.ts";
import type { Job } from "./job.ts";

/** Puts back what was damaged. */
export type Undo = () => void;

export interface Damage {
  readonly name: string;
  /** A damaged shard is found by phase 2, which checks what it loads. */
  readonly form: "command" | "solve";
  /** Damages one file; undefined when there is none of that kind yet. */
  readonly damage: (job: Job, dice: Dice) => Undo | undefined;
}

type Find = (job: Job) => readonly string[];
type How = (bytes: Buffer, dice: Dice) => Buffer | undefined;

const flipped: How = (bytes, dice) => {
  const copy = Buffer.from(bytes);
  const at = dice.whole(0, copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << dice.whole(0, 8));
  return copy;
};
const cut: How = (bytes, dice) => bytes.subarray(0, dice.whole(0, bytes.length));
const gone: How = () => undefined;

const files =
  (pattern: RegExp, ...folder: readonly string[]): Find =>
  ({ output }) => {
    const path = join(output, ...folder);
    return namesIn(path)
      .filter((name) => pattern.test(name))
      .map((name) => join(path, name));
  };
const segments = files(/^\d{12}$/, ".ligase", "log");
const shards = files(/^part-.*\.parquet$/, "embeddings");
const plans: Find = (job) => {
  const jobs = join(job.output, ".ligase", "jobs");
  return namesIn(jobs).flatMap((id) => files(/^plan\.json$/, ".ligase", "jobs", id)(job));
};

const damaging =
  (find: Find, how: How): Damage["damage"] =>
  (job, dice) => {
    const found = find(job);
    if (found.length === 0) return undefined;
    const path = dice.pick(found);
    const before = readFileSync(path);
    const after = how(before, dice);
    // A link of the same file elsewhere must not change with it.
    rmSync(path);
    if (after !== undefined) writeFileSync(path, after);
    return () => {
      rmSync(path, { force: true });
      writeFileSync(path, before);
    };
  };

/** Every kind of damage, by the name under which it is reported. */
export const damages: readonly Damage[] = [
  { name: "a bit of the log flipped", form: "command", damage: damaging(segments, flipped) },
  { name: "a log segment cut", form: "command", damage: damaging(segments, cut) },
  { name: "a log segment gone", form: "command", damage: damaging(segments, gone) },
  { name: "the whole log gone", form: "command", damage: wholeLogGone },
  { name: "a bit of the plan flipped", form: "command", damage: damaging(plans, flipped) },
  { name: "a shard gone", form: "command", damage: damaging(shards, gone) },
  { name: "a bit of a shard flipped", form: "solve", damage: damaging(shards, flipped) },
  { name: "a shard cut", form: "solve", damage: damaging(shards, cut) },
];

/** Nothing but what stands in the output tells what was made. */
function wholeLogGone(job: Job): Undo | undefined {
  const found = segments(job);
  for (const path of found) rmSync(path);
  return found.length === 0 ? undefined : () => undefined;
}
