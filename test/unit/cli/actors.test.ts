/** What `ligase list`, `explain` and their filters make of what a head answers. */
import { mkdir, writeFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainCommand, explanationText, taskText } from "../../../head/cli/actors/explain.ts";
import { filterOf, listCommand, pageText, withoutSecret } from "../../../head/cli/actors/list.ts";
import { addressOf } from "../../../head/cli/actors/reach.ts";
import { ageOf, columns, printableLines } from "../../../head/cli/actors/text.ts";
import { actorSummaryRows, taskSummaryRows } from "../../../head/cli/actors/rows.ts";
import { summaryCommand } from "../../../head/cli/actors/summary.ts";
import type { ActorView, PoolView } from "../../../runtime/messages.ts";
import type { NodeView } from "../../../runtime/resources/node.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import type { TaskView } from "../../../runtime/tasks/views.ts";

const view: ActorView = {
  actorId: "a1",
  incarnation: 2,
  actor: "counter",
  name: "index",
  state: "alive",
  lifetime: "owned",
  hosting: "process",
  pool: null,
  owner: { identity: "c-000000000000", process: "00000000000000aa" },
  maxRestarts: 3,
  restarts: 1,
  worker: "w-000000000000",
  address: {
    worker: "w-000000000000",
    process: "00000000000000bb",
    pid: 77,
    actorId: "a1",
    incarnation: 2,
    host: "here",
    socket: "/run/s",
    token: "very-secret",
  },
  error: null,
  sinceMs: 1_000,
};

describe("actors as text", () => {
  test("stand in columns, with life, place and age", () => {
    const page = { entries: [view], next: null, total: 1 };
    expect(pageText("actors", page, 61_500)).toBe(
      [
        "ACTOR  NAME   CLASS    STATE  FOR  LIVES  WORKER          PID  POOL",
        "a1     index  counter  alive  1m   2/4    w-000000000000  77   -",
        "",
      ].join("\n"),
    );
  });

  test("can't steer a terminal, whatever their errors say", () => {
    const what = "\u001b]0;owned\u0007\u009b2J\n\u202efake line";
    const error = { code: "APPLICATION" as const, what, where: {} };
    const dead = { ...view, state: "dead" as const, actor: "a\u001b[31m", error };
    const texts = [
      pageText("actors", { entries: [dead], next: null, total: 1 }, 0),
      explanationText({ view: dead, reasons: [`It died of ${what}`] }, 0),
    ];
    for (const text of texts) expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
    expect(texts[1]).toContain("\\u001b]0;owned\\u0007\\u009b2J\\n\\u202efake line\n");
    expect(printableLines("one\n\ttwo\u001bc\r")).toBe("one\n\ttwo\\u001bc\\r");
  });

  test("say what is unknown, what has no end, and how to go on", () => {
    const waiting = { ...view, name: null, worker: null, address: null, restarts: 0 };
    const entries = [{ ...waiting, maxRestarts: Number.MAX_SAFE_INTEGER }];
    const text = pageText("actors", { entries, next: "a1", total: 9 }, 1_000);
    expect(text).toMatch(/a1 +- +counter +alive +0s +1\/any +- +- +-\n/);
    expect(text).toMatch(/1 of 9; go on with --after a1\n$/);
  });
});

test("pools as text count their living members", () => {
  const pool: PoolView = {
    poolId: "p1",
    actor: "counter",
    owner: view.owner,
    size: { min: 0, max: 8 },
    wanted: 3,
    members: [view, { ...view, state: "starting" }],
    draining: ["a1"],
    reason: "a backlog of 12",
  };
  const text = pageText("pools", { entries: [pool], next: null, total: 1 }, 0);
  expect(text).toMatch(/^p1 +counter +1 +0 +8 +3 +1 +a backlog of 12$/m);
});

test("an explanation gives the reasons first, then the place and the error", () => {
  const error = { code: "OUT_OF_MEMORY", what: "9 GiB", where: {} } as const;
  const text = explanationText({ view: { ...view, error }, reasons: ["It waits.", "So."] }, 3_000);
  expect(text.split("\n").slice(0, 3)).toEqual([
    "index (a1) is alive for 2s",
    "  It waits.",
    "  So.",
  ]);
  expect(text).toContain("process   00000000000000bb, pid 77, on here\n");
  expect(text).toContain("error     OUT_OF_MEMORY: 9 GiB\n");
});

test("the token that opens an executor's socket is shown to nobody", () => {
  expect(JSON.stringify(withoutSecret(view))).not.toContain("very-secret");
  expect(withoutSecret(view)).toMatchObject({ address: { pid: 77 } });
  expect(pageText("actors", { entries: [view], next: null, total: 1 }, 0)).not.toContain(
    "very-secret",
  );
  expect(explanationText({ view, reasons: [] }, 0)).not.toContain("very-secret");
});

test("filters are key=value; a value may hold = and be empty", () => {
  expect(filterOf(["state=alive", "name=a=b", "pool="])).toEqual({
    state: "alive",
    name: "a=b",
    pool: "",
  });
  for (const bad of ["state", "=alive"]) {
    expect(() => filterOf([bad])).toThrow(expect.objectContaining({ code: "USAGE" }) as Error);
  }
});

test("only actors and pools can be listed", async () => {
  const listing = listCommand("workers", { filter: [], limit: 1 }, () => undefined);
  await expect(listing).rejects.toMatchObject({ code: "USAGE" });
});

test("ages and columns", () => {
  expect([0, 999, 1_000, 59_999, 60_000, 3_600_000, 86_400_000 * 3, -5].map(ageOf)).toEqual([
    "0s",
    "0s",
    "1s",
    "59s",
    "1m",
    "1h",
    "3d",
    "0s",
  ]);
  expect(
    columns([
      ["a", "b"],
      ["long", ""],
    ]),
  ).toBe("a     b\nlong\n");
});

describe("the cluster that is asked", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lgu-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A cluster's address; this process stands for its supervisor. */
  async function leave(name: string, stateDir: string, pid = process.pid): Promise<string> {
    await mkdir(join(folder, name), { mode: 0o700 });
    const file = join(folder, name, "address.json");
    const cluster = "0".repeat(16);
    const address = { cluster, pid, stateDir, socket: "/run/s", token: "t".repeat(32) };
    await writeFile(file, JSON.stringify(address), { mode: 0o600 });
    return file;
  }
  const env = (more: Record<string, string> = {}) => ({ XDG_RUNTIME_DIR: folder, ...more });

  test("is the one that works on the state", async () => {
    await leave("lg-00000001", join(folder, "one"));
    await leave("lg-00000002", join(folder, "two"));
    const found = await addressOf({ state: join(folder, "two") }, env());
    expect(found.stateDir).toBe(join(folder, "two"));
  });

  test("is the one of an address file, given or in LIGASE_ADDRESS", async () => {
    const one = await leave("lg-00000001", join(folder, "one"));
    const two = await leave("lg-00000002", join(folder, "two"));
    const given = { address: one };
    expect((await addressOf(given, env({ LIGASE_ADDRESS: two }))).stateDir).toBe(
      join(folder, "one"),
    );
    const found = await addressOf({}, env({ LIGASE_ADDRESS: two }));
    expect(found.stateDir).toBe(join(folder, "two"));
  });

  test("isn't guessed among several: USAGE names them", async () => {
    await leave("lg-00000001", join(folder, "one"));
    await leave("lg-00000002", join(folder, "two"));
    const what = expect.stringContaining(join(folder, "one")) as string;
    await expect(addressOf({}, env())).rejects.toMatchObject({ code: "USAGE", what });
  });

  test("is CLUSTER_NOT_FOUND when its supervisor is gone", async () => {
    const nobody = 2 ** 22 + 1;
    await leave("lg-00000001", join(folder, "one"), nobody);
    const asking = addressOf({ state: join(folder, "one") }, env());
    await expect(asking).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
  });
});

describe("nodes, tasks and counts as text", () => {
  const need = { cpu: UNITS, gpu: UNITS / 2, memory: 0, custom: {} };
  const node: NodeView = {
    worker: "w-000000000001",
    process: "00000000000000cc",
    host: "here",
    state: "alive",
    slots: 4,
    labels: { disk: "ssd", zone: "a" },
    resources: { cpu: 4 * UNITS, gpu: 2 * UNITS, memory: 2 ** 33, custom: { disk: 2 * UNITS } },
    free: { cpu: 1.5 * UNITS, gpu: 1.5 * UNITS, memory: 2 ** 29, custom: {} },
    gpusFree: [UNITS, UNITS / 2],
    actors: 3,
    shards: 2,
    trouble: null,
    lastSeenMs: 1_000,
  };
  const task: TaskView = {
    taskId: "00000000000000aa-7",
    task: "fold",
    state: "waiting",
    job: "00000000000000aa",
    owner: "c-000000000000/00000000000000aa",
    worker: null,
    resources: need,
    labels: { in: { zone: ["a", "b"] }, notIn: {} },
    priority: 2,
    retries: 1,
    maxRetries: 3,
    sinceMs: 1_000,
  };
  const page = <T>(entry: T) => ({ entries: [entry], next: null, total: 1 });

  test("a node shows what is free of what it has, of each GPU too", () => {
    const text = pageText("nodes", page(node), 3_000);
    const room = String.raw`1.5/4 +1.5/2 \(1 0.5\) +512 MiB/8 GiB +disk 0/2`;
    const line = `^w-000000000001 +alive +2s +${room} +disk=ssd,zone=a +3 +2 +here$`;
    expect(text).toMatch(new RegExp(line, "m"));
    const broken = {
      ...node,
      trouble: "SIGSEGV\u001b[2J",
      resources: { ...node.resources, gpu: 0 },
    };
    const troubled = pageText("nodes", page(broken), 3_000);
    expect(troubled).toMatch(/alive, executors die: SIGSEGV\\u001b\[2J +2s +1.5\/4 +- /);
  });

  test("a task shows what it needs and where, and why it waits", () => {
    const text = pageText("tasks", page(task), 62_000);
    expect(text).toMatch(
      /^00000000000000aa-7 +fold +waiting +1m +1 cpu, 0.5 gpu on zone=a or b +2 +1\/3 +- +c-0/m,
    );
    const many = { entries: [task], next: "4096", total: null };
    expect(pageText("tasks", many, 0)).toMatch(/1 of many; go on with --after 4096\n$/);
    const why = taskText(
      { view: task, reasons: ["It needs 1 cpu.", "No\u001b]0;x\u0007."] },
      4_000,
    );
    expect(why.split("\n").slice(0, 3)).toEqual([
      "fold 00000000000000aa-7 is waiting for 3s",
      "  It needs 1 cpu.",
      "  No\\u001b]0;x\\u0007.",
    ]);
    expect(why).toMatch(/^needs +1 cpu, 0.5 gpu on zone=a or b$/m);
  });

  test("counts stand by name", () => {
    const counts = { waiting: 9, given: 1, done: 5, threw: 0, failed: 0, cancelled: 2, retried: 3 };
    const text = columns(taskSummaryRows({ tasks: [{ task: "fold", ...counts }] }));
    expect(text).toMatch(/^fold +9 +1 +5 +0 +0 +2 +3$/m);
    const states = { pending: 1, starting: 0, alive: 2, restarting: 0, dead: 4 };
    const actors = columns(actorSummaryRows({ actors: [{ actor: "counter", ...states }] }));
    expect(actors).toMatch(/^counter +1 +0 +2 +0 +4$/m);
  });

  test.each(["list", "summary", "explain"])("%s of what there isn't is USAGE", async (command) => {
    const flags = { filter: [], limit: 1 };
    const ended =
      command === "list"
        ? listCommand("moods", flags, () => undefined)
        : command === "summary"
          ? summaryCommand("nodes", {}, () => undefined)
          : explainCommand("node", "x", {}, () => undefined);
    await expect(ended).rejects.toMatchObject({ code: "USAGE" });
  });
});
