/** `ligase solve list`, `show` and `cancel`. */
import { setTimeout as delay } from "node:timers/promises";
import type { SolveStatus } from "../../../runtime/client/cluster.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { JOB_POLL_MS, SOLVE_CANCEL_MS } from "../../../runtime/limits.ts";
import { outputPath, parseSolveSpec } from "../../../solver/solve.ts";
import type { ReachFlags } from "../actors/reach.ts";
import { waitsFor } from "../../slurm/attempt/words.ts";
import { ageOf, columns } from "../actors/text.ts";
import { solveNamed, withSolves } from "./source.ts";

export interface LookFlags extends ReachFlags {
  readonly json?: boolean;
}

type Write = (text: string) => void;

/** Writes all solves that the status holds, oldest first. @throws {SystemError} as `withSolves`. */
export async function listCommand(flags: LookFlags, write: Write): Promise<void> {
  const { solves } = await withSolves(flags, (source) => source.status());
  const nowMs = Date.now();
  if (flags.json === true) write(json({ solves: solves.map(entryOf) }));
  else if (solves.length === 0) write("no solves\n");
  else write(columns([HEADER, ...solves.map((solve) => rowOf(solve, nowMs))]));
}

/** Writes one solve. @throws {SystemError} JOB_NOT_FOUND; as `withSolves`. */
export async function showCommand(id: string, flags: LookFlags, write: Write): Promise<void> {
  const solve = solveNamed(await withSolves(flags, (source) => source.status()), id);
  if (flags.json === true) write(json(entryOf(solve)));
  else write(columns(linesOf(solve, Date.now())));
}

/**
 * Ends a solve, and waits until it has ended.
 * @throws {SystemError} JOB_NOT_FOUND; CLUSTER_NOT_FOUND; DEADLINE_EXCEEDED.
 */
export async function cancelCommand(id: string, flags: LookFlags, write: Write): Promise<void> {
  let asked: { readonly solve: SolveStatus; readonly state: string } | undefined;
  await withSolves(flags, async (source) => {
    const { cluster, stateFolder: state } = source;
    const solve = solveNamed(await source.status(), id);
    if (cluster === undefined && !isOver(solve)) {
      throw new SystemError("CLUSTER_NOT_FOUND", "no cluster works on it: it isn't running");
    }
    if (!isOver(solve)) await cluster?.cancelSolve(solve.id);
    asked = { solve, state };
  }).catch((thrown: unknown) => {
    // A command that ran this solve alone ends its cluster with it, perhaps while we leave.
    if (asked === undefined) throw thrown;
  });
  if (asked === undefined) throw new SystemError("INTERNAL", "nobody was asked");
  const { solve, state } = asked;
  const ended = isOver(solve) ? solve : await endOf(solve.id, state);
  if (flags.json === true) write(json(entryOf(ended)));
  else write(`${ended.id.slice(0, 12)} ${stateOf(ended)}\n`);
}

/** The solve once it is over, by its cluster or, when that has gone, by the log. */
async function endOf(solveId: string, state: string): Promise<SolveStatus> {
  const deadline = performance.now() + SOLVE_CANCEL_MS;
  while (performance.now() < deadline) {
    const status = await withSolves({ state }, (source) => source.status()).catch(() => undefined);
    const now = status === undefined ? undefined : solveNamed(status, solveId);
    if (now !== undefined && isOver(now)) return now;
    await delay(JOB_POLL_MS);
  }
  throw new SystemError("DEADLINE_EXCEEDED", "Slurm was asked, and hasn't ended its job yet");
}

const HEADER = ["ID", "STATE", "AGE", "SLURM JOB", "AT", "OUTPUT"];

function isOver({ state }: SolveStatus): boolean {
  return state.kind === "succeeded" || state.kind === "failed";
}

/** One word: a failed solve's is its error's code. */
function stateOf({ state }: SolveStatus): string {
  return state.kind === "failed" ? state.error.code : state.kind;
}

function slurmJobOf({ state, last }: SolveStatus): string {
  if (state.kind === "submitted") return state.slurmJobId;
  return last === null || last.slurmJobId === "" ? "-" : last.slurmJobId;
}

/** What it does now, or why it waits. */
function placeOf({ at, waits }: SolveStatus, nowMs: number): string {
  if (waits !== null) return `for ${ageOf(nowMs - waits.sinceMs)}: ${waits.why}`;
  if (at === null) return "-";
  const { slurmState, reason, progress } = at;
  if (slurmState === "PENDING" && reason !== "None") return `waits: ${waitsFor(reason)}`;
  if (slurmState === "SUSPENDED") return "suspended by an administrator or Slurm";
  if (progress !== null) return `${progress.phase} ${Math.floor(progress.fraction * 100)} %`;
  return reason === "None" ? slurmState.toLowerCase() : `${slurmState.toLowerCase()}: ${reason}`;
}

function outputOf({ spec, manifest }: SolveStatus): string {
  return outputPath(parseSolveSpec(spec), manifest);
}

function rowOf(solve: SolveStatus, nowMs: number): readonly string[] {
  const age = ageOf(nowMs - solve.atMs);
  const id = solve.id.slice(0, 12);
  return [id, stateOf(solve), age, slurmJobOf(solve), placeOf(solve, nowMs), outputOf(solve)];
}

function linesOf(solve: SolveStatus, nowMs: number): readonly (readonly string[])[] {
  const { id, state, spec, manifest, resources, last } = solve;
  const error = state.kind === "failed" ? state.error : null;
  const asked = Object.entries(spec).filter(([name]) => name !== "output");
  const end = last?.end;
  return [
    ["solve", id],
    ["state", stateOf(solve)],
    ["asked for", `${ageOf(nowMs - solve.atMs)} ago`],
    ["manifest", manifest],
    ["output", outputOf(solve)],
    ["slurm job", slurmJobOf(solve)],
    ["at", placeOf(solve, nowMs)],
    ...(resources === null ? [] : [["resources", resources]]),
    ...(end === undefined
      ? []
      : [["last end", `${end.state}, exit code ${end.exitCode ?? "unknown"}, ${end.reason}`]]),
    ...(error === null ? [] : [["error", error.what]]),
    ...Object.entries(error?.where ?? {}).map(([name, value]) => [`  ${name}`, String(value)]),
    ...asked.map(([name, value]) => [name, typeof value === "string" ? value : json(value).trim()]),
  ];
}

function entryOf(solve: SolveStatus): object {
  return { ...solve, output: outputOf(solve) };
}

function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
