/**
 * Makes test/golden/kinds: a log with a fact of each kind, of two leaders, with a snapshot in the
 * middle, and the state that it gives. `node test/replay/kinds.ts <folder>`, a folder of its own
 * whenever a kind of fact has been added: what stands is never made anew.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { apply } from "../../head/core/apply.ts";
import { emptyState, type Fact, stateSnapshot } from "../../head/core/facts.ts";
import { encodeSnapshot, snapshotUri } from "../../head/daemon/durable/snapshot.ts";
import { encodeSegment, segmentUri } from "../../head/daemon/log.ts";
import { ACTOR, FACTS, JOB, SOLVE } from "../unit/head/facts.ts";

const AT_MS = 1_795_000_000_000;
/** Segments, in an order in which each fact speaks of what there is. */
const SEGMENTS: readonly (readonly Fact["type"][])[] = [
  ["program.submitted", "program.returned", "dataset.submitted", "dataset.planned"],
  [
    "dataset.limited",
    "dataset.demanded",
    "shard.suspected",
    "shard.probed",
    "shard.excluded",
    "shard.halved",
  ],
  ["shard.acquitted", "shard.committed", "shard.lost", "shard.committed", "input.ended"],
  ["continuation.added", "dataset.failed", "dataset.reopened", "dataset.sealed"],
  ["actor.named", "actor.placed", "solve.requested", "solve.attempted", "solve.submitted"],
  ["solve.cancel-asked", "solve.ended", "solve.failed", "solve.respecified", "solve.reopened"],
  ["solve.succeeded", "actor.ended", "actor.gone"],
];
/** Of other ids, so that something of each is left. */
const MORE: readonly Fact["type"][] = [
  "program.submitted",
  "program.failed",
  "solve.asked",
  "actor.named",
  "actor.placed",
];

/** Segments before the second leader's, and before the snapshot. */
const FIRST_LEADERS = 4;
const SNAPSHOT_AFTER = 5;

async function make(folder: string): Promise<void> {
  const state = emptyState();
  for (const [index, types] of [...SEGMENTS, MORE].entries()) {
    const n = index + 1;
    const number = n <= FIRST_LEADERS ? 1 : 2;
    const epoch = { number, leader: `${number}`.repeat(8) };
    const begins: Fact[] = n === 1 || n === FIRST_LEADERS + 1 ? [{ type: "epoch", ...epoch }] : [];
    const facts = [...begins, ...types.map((type) => factOf(type, types === MORE))];
    for (const fact of facts) apply(state, fact);
    await write(folder, segmentUri(folder, n), encodeSegment(n, epoch, facts));
    if (n !== SNAPSHOT_AFTER) continue;
    const bytes = await encodeSnapshot(n, state, AT_MS, async () => {});
    await write(folder, snapshotUri(folder, n), bytes);
  }
  const text = `${JSON.stringify(stateSnapshot(state), null, 1)}\n`;
  await write(folder, join(folder, "state.json"), Buffer.from(text));
}

function factOf(type: Fact["type"], other: boolean): Fact {
  let text = JSON.stringify(FACTS[type]);
  if (other) for (const id of [JOB, SOLVE, ACTOR]) text = text.replaceAll(id, `f${id.slice(1)}`);
  return JSON.parse(text) as Fact;
}

/** Flat: `log/1` becomes `log-1`. */
async function write(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = relative(folder, path).replaceAll("/", "-");
  await writeFile(join(folder, name), bytes, { flag: "wx" });
}

await make(resolve(process.argv[2] ?? ""));
