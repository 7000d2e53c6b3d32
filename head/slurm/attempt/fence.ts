/**
 * When an attempt can't run its solver any more, whatever Slurm says or doesn't say. Either the
 * head took the name `started`, which the wrapper needs: then it never runs. Or the wrapper has
 * left exit.json, or its process is gone, or it has missed its beats for longer than its lease,
 * after which it has ended its ranks itself. Only then another attempt may begin.
 */
import { SOLVE_SILENT_MS } from "../../../runtime/limits.ts";
import type { AttemptFiles } from "./files.ts";

/** Who took `started`: nobody yet, a head that gave the attempt up, or a slurm job. */
export type Start =
  | { readonly kind: "none" }
  | { readonly kind: "never"; readonly why: string }
  | { readonly kind: "begun"; readonly slurmJobId: string; readonly text: string };

const NEVER = "never ";

/** Who took `started` so far. */
export async function readStart(files: AttemptFiles): Promise<Start> {
  const text = await files.read("started");
  return text === undefined ? { kind: "none" } : startOf(text);
}

/** Takes `started` unless somebody did: then the attempt never runs. */
export async function takeStart(files: AttemptFiles, why: string): Promise<Start> {
  return startOf(await files.create("started", `${NEVER}${why}\n`));
}

function startOf(text: string): Start {
  if (text.startsWith(NEVER)) return { kind: "never", why: text.slice(NEVER.length).trim() };
  return { kind: "begun", slurmJobId: text.split("\n", 1)[0] ?? "", text };
}

/** The last beat that was seen of an attempt, and since when there is no other. */
export interface Silence {
  readonly beat: string;
  readonly sinceMs: number;
}

/** Whether the attempt is over; if not, what was seen of its wrapper. */
export type Settled = { readonly over: true } | { readonly over: false; readonly silence: Silence };

/**
 * Gives an attempt up, or finds that it is over: repeated until it is.
 * @param why - for the wrapper's folder, one line: what ended the attempt.
 * @param seen - of the last look.
 */
export async function settle(
  files: AttemptFiles,
  why: string,
  seen: Silence | undefined,
  nowMs: number,
): Promise<Settled> {
  if ((await files.read("exit.json")) !== undefined) return { over: true };
  const start = await takeStart(files, why);
  if (start.kind !== "begun") return { over: true };
  // A wrapper that lives and sees this ends its ranks.
  await files.create("ended", `${why}\n`);
  if ((await files.read("exit.json")) !== undefined) return { over: true };
  const alive = files.isWrapperAlive(start.text);
  if (alive === false) return { over: true };
  const beat = (await files.read("heartbeat")) ?? "";
  // One that is stopped on this machine beats no more, and lives.
  if (alive === true || seen === undefined || seen.beat !== beat) {
    return { over: false, silence: { beat, sinceMs: nowMs } };
  }
  if (nowMs - seen.sinceMs >= SOLVE_SILENT_MS) return { over: true };
  return { over: false, silence: seen };
}
