/**
 * One input file at a place between two of its records, which only moves forward. What goes wrong
 * comes out as an error that says where in the file.
 */
import type { RawRecord, ShardRequest } from "../../runtime/dataset/types.ts";
import { SystemError, type Where } from "../../runtime/errors.ts";
import { POINT_SPACING_BYTES } from "../limits.ts";
import type { RestartPoint } from "../native/gzip.ts";
import { GzipError } from "../native/gzip.ts";
import { inputError, openInput } from "./input.ts";
import type { OpenedInput } from "./text/opened.ts";
import { type Found, type Grammar, RecordFault, RecordReading } from "./reading.ts";
import { GzipText, isDamage } from "./text/gzip.ts";
import { PlainText } from "./text/plain.ts";
import { type TextSource, TextWindow } from "./text/window.ts";
import { ZstdText } from "./text/zstd.ts";

/** How a file's text is stored. */
export type Container = "plain" | "gzip" | "zstd";

/** A file of an input, as it was identified. */
export interface FileSpec {
  readonly uri: string;
  readonly etag: string;
  readonly bytes: number;
}

/** A place between two records at which reading can go on. */
export interface Mark {
  /** Records before it. */
  readonly record: number;
  /** Bytes of the file's text before it. */
  readonly offset: number;
  /** Where its inflating begins; absent where nothing is compressed. */
  readonly restart?: RestartPoint;
}

/** What stands before a text in its file. */
export interface Before {
  readonly records: number;
  readonly bytes: number;
}

export interface CursorOptions extends Grammar {
  readonly policy: ShardRequest["onBadRecord"];
  readonly keepsText?: boolean;
}

/** The text that a cursor is over. */
export interface CursorText {
  readonly file: OpenedInput;
  readonly source: TextSource;
  readonly fileBegin: boolean;
  readonly fileEnd: boolean;
  /** Where the text begins; 0 where that is known by `before` alone. */
  readonly at: Before;
  /** For a text amid its file: found only on the way to an error. */
  readonly before?: () => Promise<Before>;
}

export class Cursor {
  readonly #uri: string;
  readonly #text: CursorText;
  readonly #window: TextWindow;
  readonly #reading: RecordReading;

  constructor(uri: string, text: CursorText, options: CursorOptions) {
    this.#uri = uri;
    this.#text = text;
    const { source, fileBegin, fileEnd, at } = text;
    this.#window = new TextWindow(source, at.bytes);
    const { format, protein, policy, keepsText = false } = options;
    const records = at.records;
    this.#reading = new RecordReading(this.#window, {
      ...{ format, protein, policy, keepsText, fileBegin, fileEnd, records },
    });
  }

  /**
   * A cursor at a file's begin, or at a mark of it.
   * @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE.
   */
  static async open(
    spec: FileSpec,
    container: Container,
    options: CursorOptions,
    mark?: Mark,
  ): Promise<Cursor> {
    const file = await openInput(spec);
    const at = mark === undefined ? { records: 0, bytes: 0 } : placeOf(mark);
    const source = sourceOf(file, spec.bytes, container, mark);
    const text = { file, source, fileBegin: mark === undefined, fileEnd: true, at };
    return new Cursor(spec.uri, text, options);
  }

  /** Records before this place. */
  get records(): number {
    return this.#reading.records;
  }

  /** Bytes of the file's text before this place. */
  get offset(): number {
    return this.#reading.offset;
  }

  get uri(): string {
    return this.#uri;
  }

  /** See RecordReading; errors are SystemErrors. */
  step(recordsMax: number): Promise<Found | undefined> {
    return this.#orPlaced(() => this.#reading.step(recordsMax));
  }

  skip(records: number): Promise<void> {
    return this.#orPlaced(() => this.#reading.skip(records));
  }

  /** The next good record as it stands, by its place in the file. */
  raw(bytesMax: number): Promise<RawRecord | undefined> {
    return this.#orPlaced(() => this.#reading.raw(bytesMax));
  }

  ended(): Promise<boolean> {
    return this.#orPlaced(() => this.#reading.ended());
  }

  /** This place, if reading can go on here; after `ended` or between records only. */
  mark(): Mark | undefined {
    const { source } = this.#text;
    const place = { record: this.records, offset: this.offset };
    if (source.restart === undefined) return source instanceof PlainText ? place : undefined;
    const restart = source.restart(this.offset);
    return restart === undefined ? undefined : { ...place, restart };
  }

  /** Byte order marks that this cursor passed. */
  get byteOrderMarks(): number {
    return this.#reading.byteOrderMarks;
  }

  /** What the text's end says; complete when it was reached. */
  endWarnings(): Readonly<Record<string, number>> {
    return this.#text.source.warnings?.() ?? {};
  }

  checkUnchanged(): Promise<void> {
    return this.#text.file.checkUnchanged();
  }

  /** What stands before this cursor's text. */
  async before(): Promise<Before> {
    return (await this.#text.before?.()) ?? { records: 0, bytes: 0 };
  }

  async close(): Promise<void> {
    await this.#text.source.close().catch(() => undefined);
    this.#window.release();
    await this.#text.file.close();
  }

  async #orPlaced<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (thrown) {
      throw await this.#placed(thrown);
    }
  }

  /** A file that was changed, or is damaged, explains a fault better than the record does. */
  async #placed(thrown: unknown): Promise<unknown> {
    await this.#text.file.checkUnchanged();
    if (isDamage(thrown)) return this.#damaged(thrown);
    if (!(thrown instanceof RecordFault)) return inputError(thrown, this.#uri);
    const damage = await this.#damage();
    if (damage !== undefined) return damage;
    const before = await this.before();
    const byteOffset = before.bytes + thrown.offset;
    const record = before.records + thrown.index + 1;
    const where: Where = { uri: this.#uri, byteOffset, record };
    return new SystemError(thrown.code, thrown.message, where, thrown);
  }

  /** Damage in what follows, checksums included. */
  async #damage(): Promise<SystemError | undefined> {
    const { source } = this.#text;
    if (source instanceof PlainText) return undefined;
    try {
      while ((await source.next()).length > 0);
      return undefined;
    } catch (thrown) {
      if (thrown instanceof SystemError) return thrown;
      return isDamage(thrown) ? this.#damaged(thrown) : undefined;
    }
  }

  async #damaged(thrown: Error): Promise<SystemError> {
    const { records } = await this.before().catch(() => ({ records: 0 }));
    const where = { uri: this.#uri, record: records + this.records + 1 };
    const code = this.#text.source instanceof ZstdText ? "ZSTD_CORRUPT" : "GZIP_CORRUPT";
    const at =
      thrown instanceof GzipError ? `, at about byte ${thrown.byteOffset} of the file` : "";
    return new SystemError(code, `${thrown.message}${at}`, where, thrown);
  }
}

function placeOf({ record, offset }: Mark): Before {
  return { records: record, bytes: offset };
}

function sourceOf(
  file: OpenedInput,
  bytes: number,
  container: Container,
  mark: Mark | undefined,
): TextSource {
  switch (container) {
    case "plain":
      return new PlainText(file, mark?.offset ?? 0, bytes);
    case "gzip": {
      const text = new GzipText(file, 0, bytes, POINT_SPACING_BYTES, mark?.restart);
      const skip = (mark?.offset ?? 0) - (mark?.restart?.out ?? 0);
      return skip > 0 ? new BehindText(text, skip) : text;
    }
    case "zstd":
      return new ZstdText(file, 0, bytes);
    default:
      return container satisfies never;
  }
}

/** A text without its first bytes. */
class BehindText implements TextSource {
  readonly #source: GzipText;
  #skip: number;

  constructor(source: GzipText, skip: number) {
    this.#source = source;
    this.#skip = skip;
  }

  async next(): Promise<Uint8Array> {
    for (;;) {
      const piece = await this.#source.next();
      const skipped = Math.min(this.#skip, piece.length);
      this.#skip -= skipped;
      if (piece.length === 0 || piece.length > skipped) return piece.subarray(skipped);
    }
  }

  restart(offset: number): RestartPoint | undefined {
    return this.#source.restart(offset);
  }

  warnings(): Readonly<Record<string, number>> {
    return this.#source.warnings();
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
