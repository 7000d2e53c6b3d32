/** `ligase explain actor NAME`: where it is, how it is, and why. */
import type { Explanation } from "../../../runtime/client/cluster.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { json, withoutSecret } from "./list.ts";
import { type ReachFlags, withCluster } from "./reach.ts";
import { ageOf, printableLine } from "./text.ts";

export interface ExplainFlags extends ReachFlags {
  readonly json?: boolean;
}

/** @throws {SystemError} USAGE, CLUSTER_NOT_FOUND, ACTOR_NOT_FOUND. */
export async function explainCommand(
  what: string,
  name: string,
  flags: ExplainFlags,
  write: (text: string) => void,
): Promise<void> {
  if (what !== "actor") throw new SystemError("USAGE", `explain knows actor, not ${what}`);
  const found = await withCluster(flags, (cluster) => cluster.explain(name));
  const { view, reasons } = found;
  if (flags.json === true) write(json({ view: withoutSecret(view), reasons }));
  else write(explanationText(found, Date.now()));
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
