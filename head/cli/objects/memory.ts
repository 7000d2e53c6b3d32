/** `ligase memory`: each node's memory for objects, who holds it, what to do when it is full. */
import type { NodeMemory } from "../../../runtime/client/objects/views.ts";
import type { MemoryView } from "../../../runtime/transfer/messages.ts";
import { json } from "../actors/list.ts";
import { type ReachFlags, withCluster } from "../actors/reach.ts";
import { columns } from "../actors/text.ts";

export interface MemoryFlags extends ReachFlags {
  readonly node?: string;
  readonly json?: boolean;
}

/** Share of its limit from which a node's memory is called full. */
const FULL_SHARE = 0.9;

/** @throws {SystemError} CLUSTER_NOT_FOUND, USAGE. */
export async function memoryCommand(
  flags: MemoryFlags,
  write: (text: string) => void,
): Promise<void> {
  const nodes = await withCluster(flags, (cluster) => cluster.memory(flags.node));
  write(flags.json === true ? json({ nodes }) : memoryText(nodes));
}

/** Nodes as lines: a table of all, then who holds most on each. */
export function memoryText(nodes: readonly NodeMemory[]): string {
  const head = ["NODE", "LIMIT", "USED", "COPIES", "IDLE", "GRANTED", "SPILLED", "OF", "OBJECTS"];
  const rows = nodes.flatMap(({ node, memory }) => (memory === null ? [] : [rowOf(node, memory)]));
  const table = columns([[...head, "WAITING", "FETCHING"], ...rows]);
  return table + nodes.map(detailsOf).join("");
}

function rowOf(node: string, view: MemoryView): string[] {
  return [
    node,
    bytesText(view.limitBytes),
    bytesText(view.sharedBytes),
    bytesText(view.copyBytes),
    bytesText(view.idleBytes),
    bytesText(view.grantedBytes),
    bytesText(view.spilledBytes),
    bytesText(view.spillLimitBytes),
    String(view.objects),
    String(view.waiting),
    `${view.fetching}+${view.queued}`,
  ];
}

function detailsOf({ node, memory }: NodeMemory): string {
  if (memory === null) return `\n${node} doesn't answer\n`;
  if (memory.objects === 0 && memory.waiting === 0) return "";
  const jobs = columns([
    ["JOB", "OBJECTS", "SHARED", "COPIES", "SPILLED"],
    ...memory.jobs.map(({ job, objects, sharedBytes, copyBytes, spilledBytes }) => [
      job,
      String(objects),
      bytesText(sharedBytes),
      bytesText(copyBytes),
      bytesText(spilledBytes),
    ]),
  ]);
  const more = memory.jobsInAll - memory.jobs.length;
  const largest = columns([
    ["LARGEST", "JOB", "STATE", "BYTES", "MAPPED BY PID"],
    ...memory.largest.map(({ object, job, state, bytes, pins }) => [
      object,
      job,
      state,
      bytesText(bytes),
      pins.length === 0 ? "-" : pins.join(", "),
    ]),
  ]);
  const others = more > 0 ? `and ${more} more jobs\n` : "";
  return `\n${node}\n${jobs}${others}${largest}${adviceText(memory)}`;
}

/** What to do about a full node, as lines; none for one that isn't. */
export function adviceText(view: MemoryView): string {
  const { limitBytes, sharedBytes, idleBytes, copyBytes, spilledBytes, spillLimitBytes } = view;
  const held = sharedBytes - idleBytes - copyBytes;
  if (view.waiting === 0 && held < FULL_SHARE * limitBytes) return "";
  const lines = [
    view.waiting > 0
      ? `Full: ${view.waiting} wait for room.`
      : `Nearly full: objects hold ${bytesText(held)} of ${bytesText(limitBytes)}.`,
    "Release what is used no more: cluster.release(ref), or end its job.",
  ];
  const pinned = view.largest.filter(({ pins }) => pins.length > 0);
  if (pinned.length > 0) {
    lines.push("What is mapped can't be moved to disk: end views that are used no more.");
  }
  if (spillLimitBytes === 0) lines.push("Nothing is spilled here: set LIGASE_OBJECT_SPILL.");
  else if (spilledBytes >= FULL_SHARE * spillLimitBytes) {
    lines.push("The disk's share is used up, too: raise LIGASE_OBJECT_SPILL.");
  } else lines.push("More room in memory: LIGASE_OBJECT_MEMORY.");
  return lines.map((line) => `${line}\n`).join("");
}

const UNITS = [
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

/** Such as "256 MB", "1.05 MB", "12 B". */
export function bytesText(bytes: number): string {
  const [unit, size] = UNITS.find(([, least]) => bytes >= least) ?? ["B", 1];
  return `${Number((bytes / size).toPrecision(3))} ${unit}`;
}
