/** Fewer faults for a seed that fails: one after the other is left out while it fails the same. */
import type { TimedFault } from "./cluster/faults.ts";
import { runSeed, type SeedResult } from "./cluster/run.ts";

/** Runs that it may take. */
const TRIES_MAX = 40;

export function shrink(failed: SeedResult): readonly TimedFault[] {
  let faults = failed.faults;
  let tries = 0;
  for (let at = 0; at < faults.length && tries < TRIES_MAX; tries += 1) {
    const fewer = faults.toSpliced(at, 1);
    const { breach } = runSeed(failed.seed, { faults: fewer });
    if (breach?.invariant === failed.breach?.invariant) faults = fewer;
    else at += 1;
  }
  return faults;
}
