/**
 * Pure core. What is durable of a shard's troubles: the search for its poison records, the
 * exclusion that it is made with, how often its batches are halved. A shard's value is replaced,
 * never changed; one without trouble has none. All shards of a job may have some: no fact about one
 * costs more for the others.
 */
import type { Exclusion } from "../../../runtime/messages.ts";
import type { DatasetJob, Fact } from "../facts.ts";
import { afterProbe, newSuspect, type Suspect } from "./bisect.ts";

export interface Trial {
  /** The batch that is searched; null while none is. */
  readonly suspect: Suspect | null;
  /** Probes made of this shard since its job was last submitted. */
  readonly probes: number;
  /** Suspected batches of which no record killed by itself, since then. */
  readonly acquittals: number;
  /** How often its batches are cut in half. */
  readonly halvings: number;
  /** All records excluded so far; null while there are none. */
  readonly exclusion: Exclusion | null;
}

export type TrialFact = Extract<
  Fact,
  {
    type:
      | "shard.suspected"
      | "shard.probed"
      | "shard.acquitted"
      | "shard.excluded"
      | "shard.halved";
  }
>;

const NO_TRIAL: Trial = {
  suspect: null,
  probes: 0,
  acquittals: 0,
  halvings: 0,
  exclusion: null,
};

/** The trouble that a shard has or had. */
export function trialOf(job: DatasetJob, input: number, shard: number): Trial {
  return job.trials?.get(trialKey(input, shard)) ?? NO_TRIAL;
}

export function trialKey(input: number, shard: number): string {
  return `${input}/${shard}`;
}

/** A job's trials after one more fact. */
export function applyToTrial(job: DatasetJob, fact: TrialFact): void {
  const { input, shard } = fact;
  const trial = afterFact(trialOf(job, input, shard), fact);
  job.trials ??= new Map();
  job.trials.set(trialKey(input, shard), trial);
}

function afterFact(trial: Trial, fact: TrialFact): Trial {
  switch (fact.type) {
    case "shard.suspected":
      return { ...trial, suspect: newSuspect(fact, fact.reason) };
    case "shard.probed": {
      const { suspect } = trial;
      const next = suspect === null ? null : afterProbe(suspect, fact);
      return { ...trial, suspect: next, probes: trial.probes + 1 };
    }
    case "shard.acquitted":
      return { ...trial, suspect: null, acquittals: trial.acquittals + 1 };
    case "shard.excluded": {
      const { number, records } = fact;
      return { ...trial, suspect: null, exclusion: { number, records: [...records] } };
    }
    case "shard.halved":
      return { ...trial, halvings: fact.halvings };
    default:
      return fact satisfies never;
  }
}

/** A failed job is tried again: what was excluded stays so, all else may have been the machine. */
export function reopenTrials(job: DatasetJob): void {
  if (job.trials === undefined) return;
  const kept = [...job.trials].filter(([, { exclusion }]) => exclusion !== null);
  const renewed = kept.map(([key, { exclusion }]) => [key, { ...NO_TRIAL, exclusion }] as const);
  if (renewed.length === 0) delete job.trials;
  else job.trials = new Map(renewed);
}
