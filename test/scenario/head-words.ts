/** Single words of the head's scenarios: outcomes and answers in, facts and effects out. */
import type { Effect, SlurmResult } from "../../head/core/events.ts";
import { shardFile } from "../../runtime/dataset/names.ts";
import { type ErrorCode, type ErrorData, SystemError } from "../../runtime/errors.ts";
import type {
  ActorAddress,
  ActorEvent,
  ActorLife,
  ActorRecord,
  ActorView,
  Outcome,
  PoisonRecord,
  PoolView,
  Work,
  Receipt,
} from "../../runtime/messages.ts";
import type { JobView } from "../../runtime/client/jobs/status.ts";
import type { NodeView } from "../../runtime/resources/node.ts";
import { UNITS } from "../../runtime/resources/resources.ts";
import { resourcesText } from "../../runtime/resources/text.ts";
import type { Listed } from "../../runtime/storage/storage.ts";
import { receiptOf } from "../unit/head/support.ts";
import { showTaskEffect } from "./head-tasks.ts";
import { type Command, fail } from "./runner.ts";

/** Number of a report that says none; what confirms it isn't shown. */
export const UNSAID = 1;

export function showFactValue(key: string, value: unknown): string {
  if (key === "receipt") return (value as { file: string }).file;
  if (key === "error") return (value as { code: string }).code;
  if (key === "records" && Array.isArray(value)) return `records${showRecords(value)}`;
  if (key === "continuation") return `k=${(value as { spec: { k: number } }).spec.k}`;
  if (key === "end") return (value as { state: string }).state;
  if (key === "record") return showRecord(value as ActorRecord);
  return `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
}

function showRecord({ actorId, options }: ActorRecord): string {
  return `${actorId} ${options.name} ${options.lifetime}`;
}

export function showEffect(effect: Effect): string {
  switch (effect.type) {
    case "command":
      return `to ${effect.worker} #${effect.sequence} ${showCommand(effect) || "(nothing)"}`;
    case "reply":
      return `reply ${effect.caller.id} ${showValue(effect.value)}`;
    case "refuse":
      return `refuse ${effect.caller.id} ${effect.error.code}`;
    case "claim":
      return `claim ${effect.uri} for ${effect.jobId}`;
    case "exclude": {
      const { number, records } = effect.exclusion;
      return `exclude #${number} ${effect.uri}${showRecords(records)}`;
    }
    case "seal": {
      const { rows, shards } = effect.manifest;
      return `seal ${effect.uri} rows=${rows} shards=${shards.length}`;
    }
    case "slurm":
      return `slurm ${effect.solveId} ${Object.values(effect.step).join(" ")}`;
    default:
      return showTaskEffect(effect);
  }
}

function showCommand(command: Extract<Effect, { type: "command" }>): string {
  const list = (label: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`${label} ${items.join(" ")}`];
  const attempt = (it: { task: string; attempt: number }) => `${it.task}#${it.attempt}`;
  const life = (it: ActorLife) => `${it.actorId}#${it.incarnation}`;
  const logs = command.logs.map(({ actorId, follow }) => `${actorId}${follow ? " follow" : ""}`);
  return [
    ...list("ack", command.ack.map(attempt)),
    ...list("ended", command.endSeen.map(life)),
    ...list("cancel", command.cancel),
    ...list("end", command.end.map(life)),
    ...list(
      "assign",
      command.assign.map((it) => `${attempt(it)}${showTrial(it.work)}${showGpus(it.gpus)}`),
    ),
    ...list("logs", logs),
    ...(command.announce ? ["announce"] : []),
    ...(command.heard > UNSAID ? [`heard ${command.heard}`] : []),
  ].join(", ");
}

/** As scenarios say it: `!` for a grant, and the GPUs of it. */
function showGpus(gpus: readonly number[] | undefined): string {
  return gpus === undefined ? "" : `!${gpus.join("+")}`;
}

/** What earlier attempts of a shard taught. */
function showTrial(work: Work): string {
  if (work.kind !== "shard" && work.kind !== "probe") return "";
  const { exclusion, halvings, batchTimeoutMs } = work;
  const limit = batchTimeoutMs === undefined ? "" : ` within ${batchTimeoutMs} ms`;
  const cut = halvings === undefined ? "" : ` halved ${halvings}`;
  const without = exclusion === undefined ? "" : ` without${showRecords(exclusion.records)}`;
  return `${limit}${cut}${without}${work.kind === "probe" && !work.run ? " to locate it" : ""}`;
}

function showRecords(records: readonly PoisonRecord[]): string {
  return records.map(({ position, reason }) => ` ${position} (${reason})`).join("");
}

/** Answers about actors in short; all others as JSON. */
function showValue(value: unknown): string {
  const answer = value as Partial<
    ActorView & PoolView & { entries: unknown[]; events: ActorEvent[]; reasons: string[] }
  > | null;
  if (answer?.members !== undefined) return showPool(value as PoolView);
  if (Object.hasOwn(answer ?? {}, "gpusFree")) return showNode(value as NodeView);
  if (Object.hasOwn(answer ?? {}, "waits")) return showWaits((value as JobView).waits);
  if (answer?.state !== undefined) return showView(value as ActorView);
  if (answer?.reasons !== undefined) return answer.reasons.map((line) => `\n  ${line}`).join("");
  if (answer?.entries !== undefined) {
    const { entries, next, total } = value as { entries: object[]; next: string; total: number };
    return `${entries.map(showValue).join("; ") || "none"} (of ${total}, next ${next})`;
  }
  if (answer?.events !== undefined) {
    const { events, next, lost } = value as { events: ActorEvent[]; next: number; lost: number };
    const lines = events.map(
      (it) => `\n  ${it.sequence} ${it.actorId}#${it.incarnation} ${it.state}${code(it.error)}`,
    );
    return `next=${next} lost=${lost}${lines.join("")}`;
  }
  return JSON.stringify(value);
}

function showNode({ worker, state, resources, free, gpusFree, actors, shards }: NodeView): string {
  const gpus =
    gpusFree.length === 0 ? "" : ` (${gpusFree.map((units) => units / UNITS).join(" ")})`;
  const room = `${resourcesText(free)} free of ${resourcesText(resources)}${gpus}`;
  return `${worker} ${state} ${room}, ${actors} actors, ${shards} shards`;
}

function showWaits(waits: readonly string[]): string {
  return waits.map((line) => `\n  ${line}`).join("");
}

function showView(view: ActorView): string {
  const { actorId, incarnation, state, restarts, maxRestarts, worker, error } = view;
  const where = worker === null ? "" : ` on ${worker}`;
  const used = maxRestarts === 0 ? "" : ` restarts=${restarts}/${maxRestarts}`;
  return `${actorId}#${incarnation} ${state}${where}${used}${code(error)}`;
}

function showPool({ poolId, wanted, members, draining, reason }: PoolView): string {
  const list = members.map((view) => {
    return `${showView(view)}${draining.includes(view.actorId) ? " leaves" : ""}`;
  });
  return `pool ${poolId} wants ${wanted}: ${list.join("; ") || "none"}\n  ${reason}`;
}

function code(error: ErrorData | null): string {
  return error === null ? "" : ` ${error.code}`;
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
      const change = { seed, rows, ...asideOf(options["side"]) };
      return { kind, receipt: receiptOf(Number(input), Number(shard), change), end };
    }
    case "past-end":
      return { kind, end: { records: 0, shards: Number(arg) } };
    case "verified":
      return verifiedOf(arg, options["damaged"] ?? "", end);
    case "returned":
      return { kind, value: null };
    case "probed":
      return { kind, places: arg === "" ? [] : [{ position: 0, record: Number(arg) }] };
    case "hosted":
      return { kind, address: addressOf({ actorId: task.slice("host/".length), incarnation: 0 }) };
    default: {
      const error = errorOf(arg) ?? { code: "INTERNAL", what: kind, where: {} };
      const [first = 0, records = 0] = (options["batch"] ?? "").split("+").map(Number);
      const batch = options["batch"] === undefined ? {} : { batch: { first, records } };
      const what = options["what"] === undefined ? {} : { what: options["what"] };
      return { kind: "failed", error: { ...error, ...what }, ...batch };
    }
  }
}

/** A side file of one record, by its name. */
function asideOf(file: string | undefined): Partial<Receipt> {
  if (file === undefined) return {};
  const quarantine = { file, records: 1, bytes: 100, sha256: "f".repeat(64) };
  return { records: 4, quarantined: 1, quarantine };
}

/** What was found standing: `0/0,0/1 damaged=0/2`; `end` is of every input that is named. */
function verifiedOf(
  found: string,
  damaged: string,
  end: { records: number; shards: number } | null,
): Outcome {
  const shards = (text: string) =>
    text
      .split(",")
      .filter(Boolean)
      .map((word) => {
        const [input = 0, shard = 0] = word.split("/").map(Number);
        return { input, shard };
      });
  return {
    kind: "verified",
    found: shards(found).map((at) => ({ ...at, receipt: receiptOf(at.input, at.shard), end })),
    damaged: shards(damaged).map((at) => ({ ...at, what: "it is cut off, or no shard" })),
  };
}

/**
 * What stands in an output: `0/1` is shard 1 of input 0, under its name and under the one that
 * receipts of scenarios say, as long as these say, or as `0/1:<bytes>`; `seal` is a manifest with
 * its mark; anything else but numbers is a name of 100 bytes, or as `<name>:<bytes>`.
 */
export function standingOf(jobId: string, text: string): readonly Listed[] {
  return text.split(",").flatMap((word) => {
    const [name = "", size = "100"] = word.split(":");
    const bytes = Number(size);
    if (word === "seal")
      return ["_SUCCESS", "manifest.json"].map((file) => ({ name: file, bytes }));
    if (!/^\d+\/\d+$/.test(name)) return word === "" ? [] : [{ name, bytes }];
    const [input = 0, shard = 0] = name.split("/").map(Number);
    const names = [shardFile(jobId, input, shard), `part-${input}-${shard}.parquet`];
    return names.map((file) => ({ name: file, bytes }));
  });
}

/** Where a life answers: always at the same place, which no scenario looks at. */
export function addressOf(life: ActorLife): ActorAddress {
  const where = { worker: "w1", process: "1".repeat(16), pid: 1, host: "m1" };
  return { ...where, ...life, socket: "/s", token: "t" };
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
