/**
 * Carries the core's effects out: the bus, the output folder, Slurm. What comes of them is fed
 * back.
 */
import { toSystemError } from "../../runtime/errors.ts";
import type { HeadConfig } from "../cluster/protocol.ts";
import type { Effect, HeadEvent } from "../core/events.ts";
import type { HeadMouth } from "./mouth.ts";
import { claimOutput, sealOutput } from "./output.ts";
import type { SolveRunner } from "./solve-runner.ts";
import type { Supervisor } from "./supervised.ts";

export interface EffectPorts {
  readonly config: HeadConfig;
  readonly mouth: HeadMouth;
  readonly supervisor: Supervisor;
  readonly feed: (event: HeadEvent) => void;
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
  const { mouth, feed, config, supervisor } = ports;
  const { stateDir: stateFolder, mark } = config;
  let runner: Promise<SolveRunner> | undefined;
  // Most clusters never solve anything, and Slurm's side is a fifth of the head's code.
  const solveRunner = (): Promise<SolveRunner> =>
    import("./solve-runner.ts").then(
      (module) =>
        new module.SolveRunner({
          stateFolder,
          mark,
          access: () => supervisor.slurm(),
          setActive: (jobs) => supervisor.setActive(jobs),
        }),
    );
  return (effect) => {
    switch (effect.type) {
      case "command": {
        const { worker, sequence, heard, assign, cancel, ack, end, endSeen, logs } = effect;
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
      case "claim":
        void claim(effect, feed);
        return;
      case "seal":
        void seal(effect, feed);
        return;
      case "slurm":
        runner ??= solveRunner();
        void runner
          .then((it) => it.run(effect, effect.step))
          .catch((thrown: unknown) => {
            return { kind: "failed", error: toSystemError(thrown).toData() } as const;
          })
          .then((result) => feed({ type: "slurm", solveId: effect.solveId, result }));
        return;
      default:
        effect satisfies never;
    }
  };
}

type EffectOf<Type extends Effect["type"]> = Extract<Effect, { type: Type }>;

async function claim(
  { jobId, uri }: EffectOf<"claim">,
  feed: (event: HeadEvent) => void,
): Promise<void> {
  const error = await claimOutput(uri, jobId).then(
    () => null,
    (thrown: unknown) => toSystemError(thrown).toData(),
  );
  feed({ type: "claimed", jobId, error });
}

async function seal(
  { jobId, uri, manifest }: EffectOf<"seal">,
  feed: (event: HeadEvent) => void,
): Promise<void> {
  try {
    feed({ type: "sealed", jobId, manifestSha256: await sealOutput(uri, manifest) });
  } catch (thrown) {
    feed({ type: "seal-failed", jobId, error: toSystemError(thrown).toData() });
  }
}
