/** Runs seeds one after the other and says what became of them. */
import { writeSync } from "node:fs";
import { sha256Hex } from "../../runtime/ids.ts";
import { trapped } from "./core/trap.ts";
import { runSeed, type SeedResult } from "./cluster/run.ts";
import type { SimOptions } from "./options.ts";
import { shrink } from "./shrink.ts";

const MINUTE_MS = 60_000;

/** Seeds of one command so far. */
interface Tally {
  readonly beganMs: number;
  ran: number;
  spanMs: number;
  events: number;
  /** Of all seeds' traces, in their order. */
  hash: string;
  readonly failed: SeedResult[];
}

/** Runs a seed in each turn of the event loop, so that output leaves and garbage goes. */
export function runCommand(options: SimOptions): void {
  const tally: Tally = {
    beganMs: performance.now(),
    ran: 0,
    spanMs: 0,
    events: 0,
    hash: "",
    failed: [],
  };
  // Errors are part of the simulation, and where they were made is told by nobody.
  if (!options.trace) Error.stackTraceLimit = 0;
  const endMs = tally.beganMs + options.minutes * MINUTE_MS;
  const next = (seed: number): void => {
    const isOver = performance.now() >= endMs || tally.failed.length >= options.failures;
    if (isOver || seed >= options.from + options.seeds) {
      conclude(tally, options);
      return;
    }
    runOne(seed, tally, options);
    setImmediate(next, seed + 1);
  };
  setImmediate(next, options.from);
}

function runOne(seed: number, tally: Tally, options: SimOptions): void {
  const print = options.trace ? { print: write } : {};
  const result = trapped(() => runSeed(seed, print));
  tally.ran += 1;
  tally.spanMs += result.spanMs;
  tally.events += result.events;
  tally.hash = sha256Hex(tally.hash + result.hash);
  if (options.trace) write(`seed ${seed}: hash ${result.hash}, ${result.events} events`);
  if (result.breach === null) return;
  tally.failed.push(result);
  if (!options.json) report(result, options);
}

function conclude(tally: Tally, { json }: SimOptions): void {
  const { beganMs, ran, spanMs, events, hash, failed } = tally;
  const seconds = (performance.now() - beganMs) / 1_000;
  if (json) {
    const said = failed.map(({ seed, breach }) => ({ seed, ...breach }));
    write(
      JSON.stringify({ ran, seconds, clusterSeconds: spanMs / 1_000, events, hash, failed: said }),
    );
  } else {
    const { user, system } = process.cpuUsage();
    const perCore = (ran / ((user + system) / 1e6)).toFixed(0);
    const rate = `${(ran / seconds).toFixed(0)} seeds/s (${perCore} a second of CPU)`;
    const span = `${(spanMs / 1_000 / ran).toFixed(0)} s of cluster time`;
    const each = `${span} and ${(events / ran).toFixed(0)} events each`;
    write(`${ran} seeds, ${failed.length} failed; ${rate}, ${each}`);
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function report(result: SeedResult, { trace }: SimOptions): void {
  const { seed, hash, last, breach, faults } = result;
  if (!trace) for (const line of last) write(line);
  write(`seed ${seed} (${hash}) breaks: ${breach?.what ?? ""}`);
  const fewer = trapped(() => shrink(result));
  write(`${faults.length} faults, of which these are enough:`);
  for (const { atMs, fault } of fewer) write(`  ${atMs.toFixed(0)} ms ${JSON.stringify(fault)}`);
}

/** At once: a stream's jobs would run among those of the simulation. */
function write(line: string): void {
  writeSync(1, `${line}\n`);
}
