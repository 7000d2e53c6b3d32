/**
 * Sample sheets: CSV with a header, `sample,fastq_1[,fastq_2][,label]` in any order. A sample may
 * have several rows (lanes). Each mistake is refused with its line and column: a sheet that is half
 * understood costs a run.
 */
import { dirname, isAbsolute, resolve } from "node:path";
import { SystemError } from "../../runtime/errors.ts";
import { isS3, joinUri } from "../../runtime/storage/uri.ts";
import { SHEET_CHARACTERS_MAX, SHEET_ROWS_MAX } from "./limits.ts";

/** One row: a file of reads, or two of pairs; absolute paths, or s3://. */
export interface SampleRow {
  readonly sample: string;
  readonly files: readonly [string] | readonly [string, string];
  readonly label?: string;
}

const REQUIRED = ["sample", "fastq_1"] as const;
const KNOWN = [...REQUIRED, "fastq_2", "label"] as const;
type ColumnName = (typeof KNOWN)[number];

/** A value and where it begins; lines and columns count from 1, in characters. */
interface Field {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The rows of a sheet, in its order.
 * @param uri - of the sheet: relative files are beside it.
 * @throws {SystemError} SHEET_INVALID with uri, line and column.
 */
export function parseSampleSheet(text: string, uri: string): SampleRow[] {
  const [header, ...lines] = linesOf(text, uri);
  if (header === undefined) throw wrong("the sheet is empty", uri, { line: 1, column: 1 });
  const columns = columnsOf(header, uri);
  const [last] = lines[SHEET_ROWS_MAX] ?? [];
  if (last !== undefined) throw wrong(`more than ${SHEET_ROWS_MAX} rows`, uri, last);
  const check = new SheetCheck(uri);
  const rows = lines.map((fields) => check.row(fieldsOf(fields, header, columns, uri)));
  if (rows.length === 0) {
    throw wrong("the sheet has no row below its header", uri, { line: 1, column: 1 });
  }
  return rows;
}

type Fields = Readonly<Partial<Record<ColumnName, Field>>>;

function columnsOf(header: readonly Field[], uri: string): readonly ColumnName[] {
  const found: ColumnName[] = [];
  for (const field of header) {
    const name = KNOWN.find((known) => known === field.text.trim());
    if (name === undefined) {
      const what = `no column is named "${field.text}"; a sheet has ${KNOWN.join(", ")}`;
      throw wrong(what, uri, field);
    }
    if (found.includes(name)) throw wrong(`the column ${name} comes twice`, uri, field);
    found.push(name);
  }
  const missing = REQUIRED.find((name) => !found.includes(name));
  if (missing !== undefined) {
    throw wrong(`the header lacks the column ${missing}`, uri, { line: 1, column: 1 });
  }
  return found;
}

function fieldsOf(
  fields: readonly Field[],
  header: readonly Field[],
  columns: readonly ColumnName[],
  uri: string,
): Fields {
  const extra = fields[header.length] ?? fields.at(-1);
  if (fields.length !== header.length && extra !== undefined) {
    throw wrong(`${fields.length} fields, the header has ${header.length}`, uri, extra);
  }
  return Object.fromEntries(columns.map((name, index) => [name, fields[index]]));
}

/** What rows must have by themselves, and among each other. */
class SheetCheck {
  readonly #uri: string;
  readonly #lineOfFile = new Map<string, number>();
  readonly #first = new Map<string, { readonly row: SampleRow; readonly line: number }>();

  constructor(uri: string) {
    this.#uri = uri;
  }

  row({ sample, fastq_1, fastq_2, label }: Fields): SampleRow {
    if (sample === undefined || fastq_1 === undefined) throw new Error("a row of no columns");
    const name = sample.text.trim();
    if (name === "") throw wrong("the sample has no name", this.#uri, sample);
    const control = /\p{Cc}/u.exec(sample.text);
    if (control !== null) throw wrong("a control character in a name", this.#uri, sample);
    const files = this.#filesOf(fastq_1, fastq_2);
    const called = label?.text.trim() ?? "";
    const row: SampleRow = {
      sample: name,
      files,
      ...(label === undefined ? {} : { label: called }),
    };
    this.#checkLanes(row, sample, label ?? sample);
    return row;
  }

  #filesOf(first: Field, second: Field | undefined): SampleRow["files"] {
    const one = this.#fileOf(first);
    if (one === undefined) throw wrong("fastq_1 names no file", this.#uri, first);
    const other = second === undefined ? undefined : this.#fileOf(second);
    return other === undefined ? [one] : [one, other];
  }

  /** A file is given once: its reads would count twice. */
  #fileOf(field: Field): string | undefined {
    const named = field.text.trim();
    if (named === "") return undefined;
    const file = besides(named, this.#uri);
    const before = this.#lineOfFile.get(file);
    if (before !== undefined) {
      throw wrong(`the file ${named} is given in line ${before} already`, this.#uri, field);
    }
    this.#lineOfFile.set(file, field.line);
    return file;
  }

  /** Lanes of a sample are all single or all of pairs, and have one label. */
  #checkLanes(row: SampleRow, sample: Field, label: Field): void {
    const known = this.#first.get(row.sample);
    if (known === undefined) {
      this.#first.set(row.sample, { row, line: sample.line });
      return;
    }
    if (known.row.files.length !== row.files.length) {
      const what = `the sample ${row.sample} has pairs in one row, and single reads in another`;
      throw wrong(`${what} (line ${known.line})`, this.#uri, sample);
    }
    if (known.row.label !== row.label) {
      const what = `the sample ${row.sample} has the label "${known.row.label}" in line`;
      throw wrong(`${what} ${known.line}, and "${row.label}" here`, this.#uri, label);
    }
  }
}

function besides(file: string, sheet: string): string {
  if (isS3(file) || isAbsolute(file)) return file;
  if (!isS3(sheet)) return resolve(dirname(sheet), file);
  return joinUri(sheet.slice(0, sheet.lastIndexOf("/")), file);
}

/** Fields by line of the sheet; empty lines are none. RFC 4180, with either line end. */
function linesOf(text: string, uri: string): Field[][] {
  if (text.length > SHEET_CHARACTERS_MAX) {
    throw wrong(`over ${SHEET_CHARACTERS_MAX} characters`, uri, { line: 1, column: 1 });
  }
  const reader = new CsvReader(text.startsWith("\ufeff") ? text.slice(1) : text, uri);
  const lines: Field[][] = [];
  for (let fields = reader.next(); fields !== undefined; fields = reader.next()) {
    const [only] = fields;
    if (fields.length > 1 || only?.text.trim() !== "") lines.push(fields);
  }
  return lines;
}

/** A field without quotes, from a place on. */
const PLAIN = /[^,\r\n]*/y;

class CsvReader {
  readonly #text: string;
  readonly #uri: string;
  #at = 0;
  #line = 1;
  #lineBegin = 0;

  constructor(text: string, uri: string) {
    this.#text = text;
    this.#uri = uri;
  }

  /** The next line's fields; undefined at the end. */
  next(): Field[] | undefined {
    if (this.#at >= this.#text.length) return undefined;
    const fields: Field[] = [];
    for (;;) {
      fields.push(this.#field());
      if (this.#text[this.#at] !== ",") break;
      this.#at += 1;
    }
    this.#lineEnd();
    return fields;
  }

  #field(): Field {
    const place = { line: this.#line, column: this.#at - this.#lineBegin + 1 };
    if (this.#text[this.#at] === '"') return { text: this.#quoted(place), ...place };
    PLAIN.lastIndex = this.#at;
    const [text = ""] = PLAIN.exec(this.#text) ?? [];
    const quote = text.indexOf('"');
    if (quote >= 0) {
      const at = { line: place.line, column: place.column + quote };
      throw wrong("a quote in a field that doesn't begin with one", this.#uri, at);
    }
    this.#at += text.length;
    return { text, ...place };
  }

  #quoted(place: Omit<Field, "text">): string {
    let text = "";
    for (let begin = this.#at + 1; ; ) {
      const end = this.#text.indexOf('"', begin);
      if (end < 0) throw wrong("a quote that isn't closed", this.#uri, place);
      text += this.#text.slice(begin, end);
      if (this.#text[end + 1] !== '"') {
        this.#at = end + 1;
        break;
      }
      text += '"';
      begin = end + 2;
    }
    const breaks = text.split("\n").length - 1;
    this.#line += breaks;
    if (breaks > 0) this.#lineBegin = this.#text.lastIndexOf("\n", this.#at - 1) + 1;
    const next = this.#text[this.#at];
    if (next === undefined || next === "," || next === "\n" || next === "\r") return text;
    const at = { line: this.#line, column: this.#at - this.#lineBegin + 1 };
    throw wrong("text behind a closing quote", this.#uri, at);
  }

  #lineEnd(): void {
    if (this.#text[this.#at] === "\r") {
      if (this.#text[this.#at + 1] !== "\n" && this.#at + 1 < this.#text.length) {
        const at = { line: this.#line, column: this.#at - this.#lineBegin + 1 };
        throw wrong("a carriage return without a line feed", this.#uri, at);
      }
      this.#at += 1;
    }
    if (this.#text[this.#at] === "\n") this.#at += 1;
    this.#line += 1;
    this.#lineBegin = this.#at;
  }
}

function wrong(what: string, uri: string, { line, column }: Omit<Field, "text">): SystemError {
  return new SystemError("SHEET_INVALID", what, { uri, line, column });
}
