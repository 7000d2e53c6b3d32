/**
 * What stands of a log, looked at whole: each snapshot and segment, and whether a head can go on
 * from them. It reads alone, also while a head leads.
 */
import { type SystemError, toSystemError } from "../../../runtime/errors.ts";
import { decodeSegment, listNumbers, listSegments, type LogPlace, segmentUri } from "../log.ts";
import { Replica } from "./replica.ts";
import { decodeSnapshot, snapshotUri } from "./snapshot.ts";

/** One name that is there and isn't good, or isn't there and should be. */
export interface Flaw {
  readonly uri: string;
  readonly what: string;
}

export interface LogReport {
  readonly stateUri: string;
  /** Numbers of the first and last segment that stand; null when none does. */
  readonly segments: {
    readonly first: number;
    readonly last: number;
    readonly count: number;
  } | null;
  /** Bytes of all segments. */
  readonly bytes: number;
  readonly snapshots: readonly {
    readonly n: number;
    readonly bytes: number;
    /** ISO 8601; null when it is damaged. */
    readonly made: string | null;
  }[];
  readonly flaws: readonly Flaw[];
  /** Names that aren't ours. */
  readonly foreign: readonly string[];
  /** What a head would begin with; null when it can't. */
  readonly state: {
    /** Segments up to the snapshot that it would read. */
    readonly base: number;
    readonly tail: number;
    readonly epoch: number;
    readonly facts: number;
    readonly programs: number;
    readonly datasets: number;
    readonly receipts: number;
    readonly solves: number;
    readonly actors: number;
  } | null;
  /** Why a head can't go on. */
  readonly error: SystemError | null;
}

/** @throws {SystemError} STORAGE_FAILED when the place can't be read. */
export async function checkLog(place: LogPlace): Promise<LogReport> {
  const { stateUri } = place;
  const log = await listSegments(place);
  const snapshots = await listNumbers(place, "snapshot");
  const flaws: Flaw[] = [];
  const checked = await checkSnapshots(place, snapshots.numbers, flaws);
  const [first] = log.numbers;
  const last = log.numbers.at(-1);
  const bytes = await checkSegments(place, log.numbers, flaws);
  const known = first === undefined || last === undefined;
  return {
    stateUri,
    segments: known ? null : { first, last, count: log.numbers.length },
    bytes,
    snapshots: checked,
    flaws,
    foreign: [...log.foreign, ...snapshots.foreign],
    ...(await stateIn(place)),
  };
}

async function checkSnapshots(
  { stateUri, storage }: LogPlace,
  numbers: readonly number[],
  flaws: Flaw[],
): Promise<LogReport["snapshots"]> {
  const checked: LogReport["snapshots"][number][] = [];
  for (const n of numbers) {
    const uri = snapshotUri(stateUri, n);
    const bytes = await storage.readIfPresent(uri);
    if (bytes === undefined) continue;
    let made: string | null = null;
    try {
      made = new Date(decodeSnapshot(n, bytes).header.atMs).toISOString();
    } catch (thrown) {
      flaws.push({ uri, what: wrongOf(thrown) });
    }
    checked.push({ n, bytes: bytes.length, made });
  }
  return checked;
}

/** Bytes of all; the damaged and the missing ones between the first and the last become flaws. */
async function checkSegments(
  { stateUri, storage }: LogPlace,
  numbers: readonly number[],
  flaws: Flaw[],
): Promise<number> {
  let total = 0;
  let expected = numbers[0] ?? 0;
  for (const n of numbers) {
    for (; expected < n; expected += 1) {
      flaws.push({ uri: segmentUri(stateUri, expected), what: "it is missing" });
    }
    expected = n + 1;
    const uri = segmentUri(stateUri, n);
    const bytes = await storage.readIfPresent(uri);
    total += bytes?.length ?? 0;
    try {
      if (bytes !== undefined) decodeSegment(n, bytes);
    } catch (thrown) {
      flaws.push({ uri, what: wrongOf(thrown) });
    }
  }
  return total;
}

/** What is wrong, without what to do: that is said once. */
function wrongOf(thrown: unknown): string {
  const { what } = toSystemError(thrown);
  return what.split(";", 1)[0]?.replace(/^(log segment|snapshot) \d+: /, "") ?? what;
}

async function stateIn(place: LogPlace): Promise<Pick<LogReport, "state" | "error">> {
  try {
    const { state, tail, base } = await Replica.load(place);
    const { epoch, facts, programs, datasets, solves, actors } = state;
    let receipts = 0;
    for (const { inputs } of datasets.values()) {
      for (const input of inputs) receipts += input.receipts.size;
    }
    return {
      state: {
        ...{ base, tail, epoch: epoch.number, facts, receipts },
        ...{ programs: programs.size, datasets: datasets.size },
        ...{ solves: solves.size, actors: actors.size },
      },
      error: null,
    };
  } catch (thrown) {
    return { state: null, error: toSystemError(thrown) };
  }
}
