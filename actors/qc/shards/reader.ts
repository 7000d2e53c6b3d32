/**
 * A reader of sequences with quality control: what it yields was trimmed and has passed, the rest
 * is counted under fastp's names, and the shard's summary comes with its end. Obeys the plan's
 * decisions of the input, and is the reader itself where there are none.
 */
import type {
  BadRecord,
  Batch,
  RawRecord,
  ReadOutcome,
  ShardReader,
  ShardRequest,
} from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { ReadBatch } from "../../fastq/batch.ts";
import { encodeSummary } from "../codec.ts";
import { NO_READER_WARNINGS, type ReaderWarnings } from "../warnings.ts";
import { decisionsOf, type SampleDecisions } from "./decisions.ts";
import { type Judged, ShardJudge } from "./judged.ts";
import { mateRows } from "./mates.ts";

export class QcReader implements ShardReader {
  readonly #inner: ShardReader;

  constructor(inner: ShardReader) {
    this.#inner = inner;
  }

  async *read(request: ShardRequest): AsyncGenerator<Batch, ReadOutcome, void> {
    const { qc, mates } = decisionsOf(request.decisions);
    const reads = qc === undefined ? this.#inner.read(request) : this.#controlled(request, qc);
    if (mates !== "single") return yield* reads;
    return bothMates(yield* through(reads, (batch) => mateRows(batch as ReadBatch)));
  }

  pick(batch: Batch, indexes: readonly number[]): Batch {
    if (this.#inner.pick !== undefined) return this.#inner.pick(batch, indexes);
    throw new SystemError("INTERNAL", "the reader takes no batch apart");
  }

  /** Positions are of what `read` yields: quality control is done again to find them. */
  async raw(request: ShardRequest, positions: readonly number[]): Promise<readonly RawRecord[]> {
    const { qc, mates } = decisionsOf(request.decisions);
    const records = mates === "single" ? positions.map((at) => at >> 1) : positions;
    const places = qc === undefined ? records : await this.#placesOf(request, qc, records);
    return this.#rawAt(request, places);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async *#controlled(
    request: ShardRequest,
    decided: SampleDecisions,
  ): AsyncGenerator<ReadBatch, ReadOutcome, void> {
    const judge = new ShardJudge(decided);
    const outcome = yield* kept(this.#judged(request, judge));
    return this.#outcome(request, outcome, judge);
  }

  /** The inner reader's batches, judged. */
  #judged(request: ShardRequest, judge: ShardJudge): AsyncGenerator<Judged, ReadOutcome, void> {
    return through(this.#inner.read(request), async (batch) => {
      const judged = await judge.take(batch as ReadBatch);
      if (request.onBadRecord === undefined) await this.#refuse(request, judge);
      return judged;
    });
  }

  async #refuse(request: ShardRequest, { contradicting }: ShardJudge): Promise<void> {
    const [first] = contradicting;
    if (first === undefined) return;
    const [raw] = await this.#rawAt(request, [first]);
    const { record = 0, byteOffset = 0 } = raw ?? {};
    throw new SystemError("FASTQ_BAD_RECORD", CONTRADICTS, {
      uri: request.input.uri,
      byteOffset,
      record,
    });
  }

  async #outcome(
    request: ShardRequest,
    outcome: ReadOutcome,
    judge: ShardJudge,
  ): Promise<ReadOutcome> {
    const summary = judge.summary(warningsOf(outcome));
    const counted = {
      ...outcome,
      filtered: judge.reasons(summary),
      summary: encodeSummary(summary),
    };
    const { contradicting } = judge;
    if (contradicting.length === 0) return counted;
    if (request.onBadRecord === "skip") {
      return { ...counted, skipped: outcome.skipped + contradicting.length };
    }
    const raws = await this.#rawAt(request, contradicting);
    const bad = raws.map((raw): BadRecord => {
      return { ...raw, code: "FASTQ_BAD_RECORD", what: CONTRADICTS };
    });
    const quarantined = outcome.quarantined + contradicting.length;
    return { ...counted, quarantined, bad: [...(outcome.bad ?? []), ...bad] };
  }

  /** Where records that were kept stand among those that the inner reader gives. */
  async #placesOf(
    request: ShardRequest,
    decided: SampleDecisions,
    kept: readonly number[],
  ): Promise<number[]> {
    const places: number[] = [];
    let before = 0;
    for await (const { places: here } of this.#judged(request, new ShardJudge(decided))) {
      for (let at = kept[places.length]; at !== undefined; at = kept[places.length]) {
        const place = here[at - before];
        if (place === undefined) break;
        places.push(place);
      }
      before += here.length;
      if (places.length === kept.length) break;
    }
    return places;
  }

  /** @throws {SystemError} INTERNAL: whoever asks for records has a reader that gives them. */
  #rawAt(request: ShardRequest, places: readonly number[]): Promise<readonly RawRecord[]> {
    if (this.#inner.raw !== undefined) return this.#inner.raw(request, places);
    throw new SystemError("INTERNAL", "the reader gives no records as they stand");
  }
}

/** The batches of which something is kept; of none, the last one: it has the columns. */
async function* kept(
  judged: AsyncGenerator<Judged, ReadOutcome, void>,
): AsyncGenerator<ReadBatch, ReadOutcome, void> {
  let empty: ReadBatch | undefined;
  let isBlank = true;
  const all = through(judged, ({ batch }) => batch);
  try {
    for (;;) {
      const next = await all.next();
      if (next.done === true) {
        if (isBlank && empty !== undefined) yield empty;
        return next.value;
      }
      empty = next.value;
      if (next.value.records === 0) continue;
      isBlank = false;
      yield next.value;
    }
  } finally {
    await all.return(NOTHING_READ);
  }
}

const NOTHING_READ: ReadOutcome = { records: 0, quarantined: 0, skipped: 0 };

/** What a generator gives, each through `of`; it is closed whatever ends this one. */
async function* through<From, To>(
  reads: AsyncGenerator<From, ReadOutcome, void>,
  of: (value: From) => To | Promise<To>,
): AsyncGenerator<To, ReadOutcome, void> {
  try {
    for (;;) {
      const next = await reads.next();
      if (next.done === true) return next.value;
      yield await of(next.value);
    }
  } finally {
    await reads.return(NOTHING_READ);
  }
}

const CONTRADICTS =
  "a quality lies below the offset that the sample's first reads have (phred64 says else)";

/** A fragment's two mates are two records, but one where it couldn't be read. */
function bothMates(outcome: ReadOutcome): ReadOutcome {
  const { records, quarantined, skipped, filtered = {} } = outcome;
  const twice = Object.entries(filtered).map(([reason, count]) => [reason, count * 2] as const);
  return {
    ...outcome,
    records: records * 2 - quarantined - skipped,
    filtered: Object.fromEntries(twice),
  };
}

/** What the inner reader warns of, as far as a summary holds it. */
function warningsOf({ warnings = {} }: ReadOutcome): ReaderWarnings {
  return {
    byteOrderMarks: warnings["byteOrderMarks"] ?? NO_READER_WARNINGS.byteOrderMarks,
    endBlocksMissing: warnings["endBlocksMissing"] ?? NO_READER_WARNINGS.endBlocksMissing,
    trailingZeros: warnings["trailingZeros"] ?? NO_READER_WARNINGS.trailingZeros,
  };
}
