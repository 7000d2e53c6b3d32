/** What was typed becomes absolute paths. */
import { expect, test } from "vitest";
import { outputFolder, typedPath } from "../../../head/cli/paths.ts";
import { sampleWarnings } from "../../../actors/fastq/input.ts";

test("a typed path is taken from where it was typed", () => {
  expect(typedPath("/a/b", "../c d.fq")).toBe("/a/c d.fq");
  expect(typedPath("/a/b", "/x")).toBe("/x");
  expect(outputFolder("out", [], "/a", false)).toBe("/a/out");
  expect(outputFolder(undefined, ["/r/x.fastq.gz"], "/a", false)).toBe("/a/ligase-runs/x");
});

test("an empty path, as an unset variable gives, isn't the folder where it was typed", () => {
  expect(() => typedPath("/a", "")).toThrow("USAGE");
  expect(() => outputFolder("", [], "/a", false)).toThrow("USAGE");
});

test("a file given twice and two files of one sample name are told of", () => {
  expect(sampleWarnings(["/a/x.fq", "/b/y.fq"])).toEqual([]);
  expect(sampleWarnings(["/a/x.fq", "/a/x.fq"])).toEqual([
    "/a/x.fq: given 2 times, so its reads count 2 times",
  ]);
  expect(sampleWarnings(["/a/x.fq", "/b/x.fastq.gz"])).toEqual([
    "x: 2 files give this sample name; shard names tell them apart",
  ]);
});
