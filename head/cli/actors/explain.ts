/** `ligase explain actor|task|job NAME`: where it is, how it is, and why. */
import type { Explanation } from "../../../runtime/client/cluster.ts";
import type { TaskExplanation } from "../../../runtime/tasks/views.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { json, withoutSecret } from "./list.ts";
import { type ReachFlags, withCluster } from "./reach.ts";
import { textOf } from "../jobs/status.ts";
import { needsText } from "./rows.ts";
import { ageOf, columns, printableLine } from "./text.ts";

export interface ExplainFlags extends ReachFlags {
  readonly json?: boolean;
}

/** @throws {SystemError} USAGE, CLUSTER_NOT_FOUND, ACTOR_, TASK_ or JOB_NOT_FOUND. */
export async function explainCommand(
  what: string,
  name: string,
  flags: ExplainFlags,
  write: (text: string) => void,
): Promise<void> {
  const isJson = flags.json === true;
  if (what === "actor") {
    const found = await withCluster(flags, (cluster) => cluster.explain(name));
    const { view, reasons } = found;
    write(
      isJson ? json({ view: withoutSecret(view), reasons }) : explanationText(found, Date.now()),
    );
  } else if (what === "task") {
    const found = await withCluster(flags, (cluster) => cluster.explainTask(name));
    write(isJson ? json(found) : taskText(found, Date.now()));
  } else if (what === "job") {
    const job = await withCluster(flags, (cluster) => cluster.explainJob(name));
    write(isJson ? json(job) : textOf(job));
  } else throw new SystemError("USAGE", `explain knows actor, task and job, not ${what}`);
}

/** The reasons first, then what is known of a task. */
export function taskText({ view, reasons }: TaskExplanation, nowMs: number): string {
  const why = reasons.map((reason) => `  ${printableLine(reason)}\n`);
  const rows = [
    ["needs", needsText(view)],
    ["priority", String(view.priority)],
    ["retries", `${view.retries} of ${view.maxRetries} used`],
    ["worker", view.worker ?? "none"],
    ["owner", view.owner],
    ["job", view.job],
  ];
  const first = `${view.task} ${view.taskId} is ${view.state} for ${ageOf(nowMs - view.sinceMs)}`;
  return [`${printableLine(first)}\n`, ...why, columns(rows)].join("");
}

/** The reasons first, then what is known. */
export function explanationText({ view, reasons }: Explanation, nowMs: number): string {
  const who = view.name === null ? view.actorId : `${view.name} (${view.actorId})`;
  const life = `life ${view.incarnation}, ${view.restarts} of ${view.maxRestarts} restarts used`;
  const rows: (readonly [string, string])[] = [
    ["class", view.actor],
    ["lifetime", `${view.lifetime}, of ${view.owner.identity} process ${view.owner.process}`],
    ["hosting", view.hosting],
    ["lives", life],
    ...(view.pool === null ? [] : [["pool", view.pool] as const]),
    ["worker", view.worker ?? "none"],
    ...(view.address === null
      ? []
      : [
          [
            "process",
            `${view.address.process}, pid ${view.address.pid}, on ${view.address.host}`,
          ] as const,
        ]),
    ...(view.error === null ? [] : [["error", `${view.error.code}: ${view.error.what}`] as const]),
  ];
  const first = `${who} is ${view.state} for ${ageOf(nowMs - view.sinceMs)}\n`;
  const why = reasons.map((reason) => `  ${printableLine(reason)}\n`);
  const known = rows.map(([key, value]) => `${key.padEnd(9)} ${printableLine(value)}\n`);
  return [first, ...why, ...known].join("");
}
