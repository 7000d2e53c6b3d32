/**
 * The guards of the code under simulation, and how each is switched off: by an edit of the source
 * as it is loaded, in a process of its own. What it was to keep must then break in some seed. An
 * edit whose place isn't there any more is an error: its guard moved.
 */

/** One place in one file. */
export interface Edit {
  /** From the top of the checkout. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Guard {
  readonly name: string;
  /** What it keeps. */
  readonly what: string;
  readonly edits: readonly Edit[];
}

export const GUARDS: readonly Guard[] = [
  {
    name: "fence",
    what: "a segment that another head made ends the leader",
    edits: [
      {
        file: "head/daemon/log.ts",
        find: 'if (outcome === "other") throw fenced(',
        replace: 'if (outcome === "none") throw fenced(',
      },
    ],
  },
  {
    name: "create-if-absent",
    what: "storage never replaces a name",
    edits: [
      {
        file: "test/sim/ports/storage.ts",
        find: 'standing === undefined ? "created" :',
        replace: '"created" ===  "created" ? "created" :',
      },
    ],
  },
  {
    name: "epoch",
    what: "a worker obeys no earlier leader",
    edits: [
      {
        file: "worker/core/core.ts",
        find: "if (epoch.number <= state.epoch.number) return false;",
        replace: "if (epoch.leader === state.epoch.leader) return false;",
      },
    ],
  },
  {
    name: "facts-first",
    what: "effects leave behind their facts",
    edits: [
      {
        file: "head/daemon/daemon.ts",
        find: "    for (let i = 0; i < facts.length; i +=",
        replace: "    this.#ports.carryOut(effects);\n    for (let i = 0; i < facts.length; i +=",
      },
      {
        file: "head/daemon/daemon.ts",
        find: "if (!this.#ended && effects.length > 0) this.#ports.carryOut(effects);",
        replace: "",
      },
    ],
  },
  {
    name: "failed-append",
    what: "an append that failed ends the leader",
    edits: [
      {
        file: "head/daemon/daemon.ts",
        find: "(thrown: unknown) => this.#end(toSystemError(thrown)),",
        replace: "() => {\n this.#appending = false;\n this.#pump();\n },",
      },
    ],
  },
  {
    name: "release-after-id",
    what: "a slurm job is released when its id is durable",
    edits: [
      {
        file: "head/daemon/solve-runner.ts",
        find: "this.#watch(target, answer.job, attempt);",
        replace: "this.#watch(target, answer.job, attempt); await slurm.release(answer.job);",
      },
    ],
  },
  {
    name: "search-by-name",
    what: "a submission without a clear answer isn't repeated blindly",
    edits: [
      {
        file: "head/slurm/launch.ts",
        find: "if (known !== undefined) return submitted(known);",
        replace: "",
      },
    ],
  },
  {
    name: "wrapper-silence",
    what: "another attempt waits for the last one's wrapper",
    edits: [
      {
        file: "head/slurm/attempt/fence.ts",
        find: "nowMs - seen.sinceMs >= SOLVE_SILENT_MS",
        replace: "nowMs >= seen.sinceMs",
      },
    ],
  },
  {
    name: "named-wait",
    what: "a name's next life waits for the last one's lease",
    edits: [
      {
        file: "head/core/actors/unproven.ts",
        find: "nowMs - life.heardMs >= NAMED_RESTART_MS",
        replace: "nowMs >= life.heardMs",
      },
    ],
  },
  {
    name: "lease",
    what: "named actors stop when no head confirms their worker",
    edits: [
      {
        file: "worker/lease.ts",
        find: "this.#fromMs + NAMED_LEASE_MS - this.#now()",
        replace: "this.#fromMs + 1e9 - this.#now()",
      },
      {
        file: "worker/lease.ts",
        find: "this.#now() - this.#leaseMs > NAMED_LEASE_MS + graceMs",
        replace: "this.#now() - this.#leaseMs > 1e9 + graceMs",
      },
    ],
  },
  {
    name: "snapshot-check",
    what: "a damaged snapshot isn't used",
    edits: [
      {
        file: "head/daemon/durable/snapshot.ts",
        find: "if (hex(crc) !== crc32c) throw",
        replace: "if (crc32c === hex(-1)) throw",
      },
    ],
  },
  {
    name: "receipt-once",
    what: "a receipt counts once",
    edits: [
      {
        file: "head/core/reports.ts",
        find: 'if (known === undefined) {\n    record(state, step, { type: "shard.committed"',
        replace: 'if (true) {\n    record(state, step, { type: "shard.committed"',
      },
    ],
  },
  {
    name: "exclusion-file",
    what: "an exclusion's file stands before anybody obeys it",
    edits: [
      {
        file: "head/daemon/output/exclusions.ts",
        find: "await storage.createIfAbsent(uri, bytes)",
        replace: 'String("created")',
      },
    ],
  },
  {
    name: "content-key",
    what: "a shard is adopted by what it holds, not because it exists",
    edits: [
      {
        file: "runtime/dataset/account.ts",
        find: "if (!isOurs ||",
        replace: "if (",
      },
    ],
  },
  {
    name: "all-shards",
    what: "a seal waits for every shard",
    edits: [
      {
        file: "head/core/datasets.ts",
        find: "input.receipts.size === input.shards;",
        replace: "input.receipts.size >= input.shards - 1;",
      },
    ],
  },
  {
    name: "success-last",
    what: "_SUCCESS stands last",
    edits: [
      {
        file: "head/daemon/output/output.ts",
        find: "joinUri(uri, MANIFEST_FILE), bytes,",
        replace: "joinUri(uri, SUCCESS_FILE), Buffer.from(`${sha256}\n`),",
      },
      {
        file: "head/daemon/output/output.ts",
        find: "joinUri(uri, SUCCESS_FILE), success,",
        replace: "joinUri(uri, MANIFEST_FILE), bytes,",
      },
    ],
  },
  {
    name: "lost-commands",
    what: "work that was lost with a command is placed again",
    edits: [
      {
        file: "head/core/reports.ts",
        find: "if (!held.has(`${task}#${flight.attempt}`))",
        replace: "if (held.size < 0)",
      },
    ],
  },
  {
    name: "silent-workers",
    what: "a silent worker's work goes elsewhere",
    edits: [
      {
        file: "head/core/core.ts",
        find: "if (silentMs <= WORKER_SILENCE_MS) continue;",
        replace: "if (silentMs <= 1e9) continue;",
      },
    ],
  },
  {
    name: "lost-reports",
    what: "a worker says an outcome until it is acknowledged",
    edits: [
      {
        file: "worker/core/reports.ts",
        find: "const done = [...state.done.values()];",
        replace: "const done = [...state.done.values()]; state.done.clear();",
      },
    ],
  },
  {
    name: "repeated-requests",
    what: "a client asks until it is answered",
    edits: [
      {
        file: "runtime/client/head-client.ts",
        find: "every(this.#clock, API_REPEAT_MS,",
        replace: "every(this.#clock, 1e9,",
      },
    ],
  },
];

/** The edits that switch a guard off; none for null. */
export function guardEdits(name: string | null): readonly Edit[] {
  if (name === null) return [];
  const guard = GUARDS.find((it) => it.name === name);
  if (guard === undefined) throw new Error(`no guard ${name}`);
  return guard.edits;
}
