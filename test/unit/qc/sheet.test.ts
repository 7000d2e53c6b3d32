/** Sample sheets: what is read, and that each mistake is told with its place. */
import { describe, expect, test } from "vitest";
import { parseSampleSheet } from "../../../actors/qc/sheet.ts";
import { SystemError } from "../../../runtime/errors.ts";

const URI = "/runs/sheet.csv";

function fault(text: string): string {
  try {
    parseSampleSheet(text, URI);
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== "SHEET_INVALID") throw thrown;
    expect(thrown.where.uri).toBe(URI);
    return `${String(thrown.where["line"])}:${String(thrown.where["column"])} ${thrown.what}`;
  }
  throw new Error("it was taken");
}

describe("a sheet", () => {
  test("has columns in any order; files lie beside it", () => {
    const text = "label,fastq_2,sample,fastq_1\nwell,b.fq,gut,a.fq\n,,lungs,/reads/c.fq\n";
    expect(parseSampleSheet(text, URI)).toEqual([
      { sample: "gut", files: ["/runs/a.fq", "/runs/b.fq"], label: "well" },
      { sample: "lungs", files: ["/reads/c.fq"], label: "" },
    ]);
  });

  test("of two columns has single reads without a label", () => {
    expect(parseSampleSheet("sample,fastq_1\ngut,a.fq", URI)).toEqual([
      { sample: "gut", files: ["/runs/a.fq"] },
    ]);
  });

  test("may have a byte order mark, CRLF, quotes, empty lines and blanks around values", () => {
    const text =
      '\ufeffsample,fastq_1\r\n\r\n"a ""b"", c" , x.fq \r\n'.replace('" ,', '",') +
      'd,"y,1.fq"\r\n  \r\n';
    expect(parseSampleSheet(text, URI)).toEqual([
      { sample: 'a "b", c', files: ["/runs/x.fq"] },
      { sample: "d", files: ["/runs/y,1.fq"] },
    ]);
  });

  test("in S3 names files beside it, and others as they are", () => {
    const text = "sample,fastq_1\na,lane/1.fq\nb,s3://other/2.fq\n";
    expect(
      parseSampleSheet(text, "s3://bucket/run/sheet.csv").map(({ files }) => files[0]),
    ).toEqual(["s3://bucket/run/lane/1.fq", "s3://other/2.fq"]);
  });

  test("may have a sample in several rows: its lanes, in order", () => {
    const text = "sample,fastq_1,label\na,1.fq,x\nb,2.fq,y\na,3.fq,x\n";
    expect(parseSampleSheet(text, URI).map(({ sample }) => sample)).toEqual(["a", "b", "a"]);
  });

  test.each([
    ["", "1:1 the sheet is empty"],
    ["sample,fastq_1\n", "1:1 the sheet has no row below its header"],
    ["sample,fastq_2\na,b\n", "1:1 the header lacks the column fastq_1"],
    [
      "sample,fastq_1,strand\na,b,c\n",
      '1:16 no column is named "strand"; a sheet has sample, fastq_1, fastq_2, label',
    ],
    ["sample,fastq_1,sample\n", "1:16 the column sample comes twice"],
    ["sample,fastq_1\na,b,c\n", "2:5 3 fields, the header has 2"],
    ["sample,fastq_1,label\n\na,b\n", "3:3 2 fields, the header has 3"],
    ["sample,fastq_1\n  ,b.fq\n", "2:1 the sample has no name"],
    ["sample,fastq_1\na,\n", "2:3 fastq_1 names no file"],
    ["sample,fastq_1\na\tb,c\n", "2:1 a control character in a name"],
    ["sample,fastq_1\na,1.fq\nb,./1.fq\n", "3:3 the file ./1.fq is given in line 2 already"],
    ["sample,fastq_1,fastq_2\na,1.fq,1.fq\n", "2:8 the file 1.fq is given in line 2 already"],
    [
      "sample,fastq_1,fastq_2\na,1.fq,2.fq\nb,3.fq,\na,4.fq,\n",
      "4:1 the sample a has pairs in one row, and single reads in another (line 2)",
    ],
    [
      "sample,fastq_1,label\na,1.fq,x\na,2.fq,y\n",
      '3:8 the sample a has the label "x" in line 2, and "y" here',
    ],
    ['sample,fastq_1\n"a\nb\n', "2:1 a quote that isn't closed"],
    ['sample,fastq_1\na,b"c\n', "2:4 a quote in a field that doesn't begin with one"],
    ['sample,fastq_1\n"a" x,b\n', "2:4 text behind a closing quote"],
    ['sample,fastq_1\na,"b\n\nc" x\n', "4:3 text behind a closing quote"],
    ["sample,fastq_1\na,b\rc,d\n", "2:4 a carriage return without a line feed"],
  ])("%j is refused: %s", (text, said) => {
    expect(fault(text)).toBe(said);
  });

  test("of more rows than one job takes is refused at the first row too many", () => {
    const rows = Array.from({ length: 10_001 }, (_, i) => `s${i},${i}.fq`).join("\n");
    expect(fault(`sample,fastq_1\n${rows}`)).toBe("10002:1 more than 10000 rows");
  });
});
