/** Single words of the head's scenarios: outcomes and answers in, facts and effects out. */
import type { Effect, SlurmResult } from "../../head/core/events.ts";
import { type ErrorCode, type ErrorData, SystemError } from "../../runtime/errors.ts";
import type { Outcome } from "../../runtime/messages.ts";
import { receiptOf } from "../unit/head/support.ts";
import { type Command, fail } from "./runner.ts";

export function showFactValue(key: string, value: unknown): string {
  if (key === "receipt") return (value as { file: string }).file;
  if (key === "error") return (value as { code: string }).code;
  if (key === "continuation") return `k=${(value as { spec: { k: number } }).spec.k}`;
  if (key === "end") return (value as { state: string }).state;
  return `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
}

export function showEffect(effect: Effect): string {
  switch (effect.type) {
    case "command": {
      const list = (label: string, items: readonly string[]) =>
        items.length === 0 ? [] : [`${label} ${items.join(" ")}`];
      const assign = effect.assign.map(({ task, attempt }) => `${task}#${attempt}`);
      const ack = effect.ack.map(({ task, attempt }) => `${task}#${attempt}`);
      const parts = [
        ...list("ack", ack),
        ...list("cancel", effect.cancel),
        ...list("assign", assign),
      ];
      return `to ${effect.worker} #${effect.sequence} ${parts.join(", ") || "(nothing)"}`;
    }
    case "reply":
      return `reply ${effect.caller.id} ${JSON.stringify(effect.value)}`;
    case "refuse":
      return `refuse ${effect.caller.id} ${effect.error.code}`;
    case "claim":
      return `claim ${effect.uri} for ${effect.jobId}`;
    case "seal": {
      const { rows, shards } = effect.manifest;
      return `seal ${effect.uri} rows=${rows} shards=${shards.length}`;
    }
    case "slurm":
      return `slurm ${effect.solveId} ${Object.values(effect.step).join(" ")}`;
    default:
      return effect satisfies never;
  }
}

export function outcomeOf(
  task: string,
  kind: string,
  arg: string,
  options: Readonly<Record<string, string>>,
): Outcome {
  const [, , input = "0", shard = "0"] = task.split("/");
  const end = options["end"] === undefined ? null : { records: 0, shards: Number(options["end"]) };
  switch (kind) {
    case "planned":
      return {
        kind,
        planSha256: "e".repeat(64),
        shards: arg.split(",").map((n) => (n === "?" ? null : Number(n))),
      };
    case "committed": {
      const seed = options["bytes"] ?? "";
      const rows = Number(options["rows"] ?? 3);
      return { kind, receipt: receiptOf(Number(input), Number(shard), { seed, rows }), end };
    }
    case "past-end":
      return { kind, end: { records: 0, shards: Number(arg) } };
    case "returned":
      return { kind, value: null };
    case "hosted": {
      const address = { worker: "w1", process: "1".repeat(16), actorId: "x", host: "m1" };
      return { kind, address: { ...address, socket: "/s", token: "t" } };
    }
    default:
      return { kind: "failed", error: errorOf(arg) ?? { code: "INTERNAL", what: kind, where: {} } };
  }
}

export function slurmOf(command: Command): SlurmResult {
  const [, kind = "", arg = ""] = command.words;
  const error = errorOf(command.words[3] ?? "");
  switch (kind) {
    case "ready":
      return { kind, clusterName: arg, launcher: "srun-pmix" };
    case "submitted":
      return { kind, slurmJobId: arg };
    case "running":
      return { kind };
    case "unreachable":
      return { kind, why: "no answer" };
    case "ended":
      return { kind, end: { state: arg, exitCode: error === null ? 0 : 1, reason: "None" }, error };
    case "failed":
      return { kind, error: errorOf(arg) ?? fail(command) };
    default:
      return fail(command);
  }
}

export function errorOf(code: string): ErrorData | null {
  return code === "" ? null : new SystemError(code as ErrorCode, "said so").toData();
}
