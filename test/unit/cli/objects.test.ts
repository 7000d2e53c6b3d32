/** What `ligase list objects` and `ligase memory` make of what nodes answer. */
import { expect, test } from "vitest";
import { objectsText } from "../../../head/cli/objects/list.ts";
import { adviceText, bytesText, memoryText } from "../../../head/cli/objects/memory.ts";
import { askMemory, askObjects } from "../../../runtime/client/objects/views.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { Identity } from "../../../runtime/ids.ts";
import type { MemoryView, NodeAsk, ObjectEntry } from "../../../runtime/transfer/messages.ts";

const [A, B, C] = ["w-00000000000a", "w-00000000000b", "w-00000000000c"] as Identity[];
const JOB = "00000000000000aa";

const view: MemoryView = {
  limitBytes: 1e9,
  sharedBytes: 5e8,
  idleBytes: 1e8,
  grantedBytes: 0,
  copyBytes: 1e8,
  spilledBytes: 0,
  spillLimitBytes: 1e9,
  objects: 2,
  spilledObjects: 0,
  waiting: 0,
  jobs: [{ job: JOB, objects: 2, sharedBytes: 4e8, copyBytes: 1e8, spilledBytes: 0 }],
  jobsInAll: 3,
  largest: [{ object: "ab".repeat(16), job: JOB, bytes: 3e8, state: "shared", pins: [12, 13] }],
  fetching: 1,
  queued: 2,
};

/** Nodes with so many objects each; one that is missing from the record is silent. */
function partsOf(nodes: readonly Identity[], counts: Readonly<Record<string, number>>) {
  const head = {
    request: async () => ({ entries: nodes.map((worker) => ({ worker })), next: null }),
  };
  const answer = (node: Identity, count: number, ask: NodeAsk): unknown => {
    if (ask.op !== "object-list") return view;
    const all = Array.from({ length: count }, (_, index): ObjectEntry => {
      const object = node.slice(2).padEnd(24, "0") + String(index + 1).padStart(8, "0");
      return { object, job: JOB, bytes: index, state: "shared" };
    });
    const entries = all.slice(ask.after, ask.after + ask.limit);
    const end = ask.after + entries.length;
    return { entries, next: end < count ? end : null, total: count };
  };
  const asks = {
    ask: async (node: Identity, ask: NodeAsk) => {
      const count = counts[node];
      if (count === undefined) throw new SystemError("DEADLINE_EXCEEDED", "silent");
      return answer(node, count, ask);
    },
  };
  return { head, asks };
}

test("pages go over all nodes, each object once, and name who is silent", async () => {
  const parts = partsOf([C, A, B] as Identity[], { [A as string]: 5, [C as string]: 4 });
  const seen: string[] = [];
  let pages = 0;
  for (let after: string | null = null; ; ) {
    const page = await askObjects(parts, { after, limit: 2 });
    expect(page).toMatchObject({ total: 9, silent: [B] });
    expect(page.entries.length).toBeLessThanOrEqual(2);
    seen.push(...page.entries.map(({ object }) => object));
    pages += 1;
    after = page.next;
    if (after === null) break;
  }
  expect(new Set(seen).size).toBe(9);
  expect(seen).toHaveLength(9);
  expect(seen).toEqual(seen.toSorted());
  expect(pages).toBe(5);
  await expect(askObjects(parts, { after: "w-1" })).rejects.toMatchObject({ code: "USAGE" });
});

test("an executor, which holds no key, is told so", async () => {
  const { head } = partsOf([A as Identity], {});
  await expect(askMemory({ head, asks: undefined })).rejects.toMatchObject({ code: "USAGE" });
});

test("a node that isn't there is no empty table", async () => {
  const parts = partsOf([], {});
  await expect(askMemory(parts, A)).rejects.toThrow(/USAGE.*no worker w-/);
  expect(await askMemory(parts)).toEqual([]);
});

test("a page is printed with its cursor, and nothing of it moves the terminal", () => {
  const object = "ab".repeat(16);
  const entry = { object, node: A as Identity, job: "\u001b[2J", bytes: 1_048_576, state: "copy" };
  const page = { entries: [entry as never], next: `${A}/7`, total: 9, silent: [B as Identity] };
  const text = objectsText(page);
  expect(text).toContain("1.05 MB");
  expect(text).toContain(`1 of 9; go on with --after ${A}/7`);
  expect(text).toContain(`${B} doesn't answer`);
  expect(text).not.toContain("\u001b");
});

test("memory names who holds it, and what to do when it is full", () => {
  const text = memoryText([
    { node: A as Identity, memory: view },
    { node: B as Identity, memory: null },
  ]);
  expect(text).toContain("and 2 more jobs");
  expect(text).toContain("12, 13");
  expect(text).toContain(`${B} doesn't answer`);
  expect(adviceText(view)).toBe("");
  const full = { ...view, waiting: 3, spillLimitBytes: 0 };
  expect(adviceText(full)).toContain("3 wait for room");
  expect(adviceText(full)).toContain("LIGASE_OBJECT_SPILL");
  expect(adviceText({ ...view, sharedBytes: 1e9, copyBytes: 0, idleBytes: 0 })).toContain(
    "Nearly full",
  );
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [256e6, "256 MB"],
  [1.5e9, "1.5 GB"],
])("%i bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
