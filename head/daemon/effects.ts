/**
 * Carries the core's effects out: the bus, the output folder, Slurm. What comes of them is fed
 * back.
 */
import { toSystemError } from "../../runtime/errors.ts";
import type { Storage } from "../../runtime/storage/storage.ts";
import type { Effect, HeadEvent, SlurmResult, SlurmStep } from "../core/events.ts";
import type { HeadMouth } from "./mouth.ts";
import { writeExclusion } from "./output/exclusions.ts";
import { claimOutput, sealOutput } from "./output/output.ts";
import type { SolveTarget } from "./solve-runner.ts";

export interface EffectPorts {
  readonly mouth: HeadMouth;
  readonly storage: Storage;
  readonly slurm: SlurmPort;
  /** The number of a worker's report that a command may confirm. */
  readonly covered: (worker: string) => number;
  readonly feed: (event: HeadEvent) => void;
}

/** Whether an effect tells of nothing that a fact makes so: it leaves before facts are durable. */
export function isFree(effect: Effect): boolean {
  switch (effect.type) {
    case "task-order":
    case "task-ends":
    case "more":
      return true;
    case "reply":
    case "refuse":
      return effect.free === true;
    default:
      return false;
  }
}

/** Carries one step of a solve out. Never rejects. */
export interface SlurmPort {
  run(target: SolveTarget, step: SlurmStep): Promise<SlurmResult>;
}

/** What the daemon calls for effects, once the facts before them are durable. */
export function carryOutWith(ports: EffectPorts): (effects: readonly Effect[]) => void {
  const carryOne = carryOneWith(ports);
  return (effects) => {
    for (const effect of effects) carryOne(effect);
    ports.mouth.flush();
  };
}

function carryOneWith(ports: EffectPorts): (effect: Effect) => void {
  const { mouth, feed, storage, slurm } = ports;
  return (effect) => {
    switch (effect.type) {
      case "command": {
        const { worker, sequence, assign, cancel, ack, end, endSeen, logs } = effect;
        const heard = ports.covered(worker);
        const lists = { assign, cancel, ack, end, endSeen, logs };
        mouth.command(worker, { sequence, heard, ...lists, announce: effect.announce });
        return;
      }
      case "reply":
        mouth.reply(effect.caller, effect.value);
        return;
      case "refuse":
        mouth.refuse(effect.caller, effect.error);
        return;
      case "task-order":
        mouth.taskOrder(effect.worker, effect.order);
        return;
      case "task-ends":
        mouth.taskEnds(effect.to, effect.ends);
        return;
      case "more":
        feed({ type: "more" });
        return;
      case "claim":
        void claim(effect, storage, feed);
        return;
      case "exclude":
        void writeExclusion(storage, effect).then(feed);
        return;
      case "seal":
        void seal(effect, storage, feed);
        return;
      case "slurm":
        void slurm
          .run(effect, effect.step)
          .then((result) => feed({ type: "slurm", solveId: effect.solveId, result }));
        return;
      default:
        effect satisfies never;
    }
  };
}

type EffectOf<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

async function claim(
  { jobId, spec, earlier }: EffectOf<"claim">,
  storage: Storage,
  feed: (event: HeadEvent) => void,
): Promise<void> {
  try {
    const standing = await claimOutput({ jobId, spec, earlier }, storage);
    feed({ type: "claimed", jobId, error: null, standing });
  } catch (thrown) {
    feed({ type: "claimed", jobId, error: toSystemError(thrown).toData() });
  }
}

async function seal(
  { jobId, uri, manifest }: EffectOf<"seal">,
  storage: Storage,
  feed: (event: HeadEvent) => void,
): Promise<void> {
  try {
    const manifestSha256 = await sealOutput(uri, manifest, storage);
    feed({ type: "sealed", jobId, manifestSha256 });
  } catch (thrown) {
    feed({ type: "seal-failed", jobId, error: toSystemError(thrown).toData() });
  }
}
