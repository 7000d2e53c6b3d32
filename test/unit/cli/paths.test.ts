/** What was typed becomes absolute paths. */
import { expect, test } from "vitest";
import { checkPlaces, outputFolder, statePlaces, typedPath } from "../../../head/cli/paths.ts";
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

test("a name in S3 is taken as it was typed, or refused", () => {
  expect(typedPath("/a", "s3://bucket/raw reads/")).toBe("s3://bucket/raw reads");
  expect(outputFolder("s3://bucket/out", [], "/a", false)).toBe("s3://bucket/out");
  expect(() => typedPath("/a", "s3://bucket/../x")).toThrow("USAGE");
  for (const other of ["http://host/reads.fq", "S3://bucket/x", "file:///x"]) {
    expect(() => typedPath("/a", other)).toThrow("USAGE: it is neither a path nor s3://");
  }
  expect(() => outputFolder("s3://bucket/out", [], "/a", true)).toThrow("USAGE");
});

test("a state in S3 has a folder of its own, an output there must name its state", () => {
  const env = { XDG_STATE_HOME: "/home-state" };
  const placesOf = (state: string) => statePlaces(state, "s3://bucket/out", "/a", env);
  const { stateDir, stateUri } = placesOf("s3://bucket/state");
  expect(stateUri).toBe("s3://bucket/state");
  expect(stateDir).toMatch(/^\/home-state\/ligase\/[0-9a-f]{12}$/);
  expect(placesOf("s3://bucket/other").stateDir).not.toBe(stateDir);
  expect(placesOf("here")).toEqual({ stateDir: "/a/here" });
  expect(() => statePlaces(undefined, "s3://bucket/out", "/a", env)).toThrow("--state");
});

test("what can't be done in S3 is refused before anything starts", () => {
  const inputs = ["s3://bucket/a.fq"];
  expect(() => checkPlaces("s3://bucket/out", { inputs, solve: true })).toThrow("--no-solve");
  expect(() => checkPlaces("s3://bucket/out", { inputs: [], solve: false })).toThrow("--input");
  expect(() => checkPlaces("s3://bucket/out", { inputs, solve: false })).not.toThrow();
  expect(() => checkPlaces("/out", { inputs, solve: true })).not.toThrow();
});
