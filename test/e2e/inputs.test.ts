/**
 * The commands that read sequences, as a person types them: the example of each help text, standard
 * input, a terminal, Ctrl-C, and a run that goes on.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nothingLeft } from "./processes.ts";
import {
  BIN,
  cleanUp,
  environment,
  errorOf,
  namesIn,
  newPlace,
  patience,
  type Place,
  resultOf,
  start,
} from "./support.ts";

const MINUTES = 60_000;
const COLUMNS = 60;
let place: Place;

beforeAll(async () => {
  place = await newPlace();
});
afterAll(() => cleanUp());

const typed = (...words: readonly string[]) => start(place, words).ended;

/** The words of the example that a help text ends with, without `ligase`. */
async function exampleOf(command: string): Promise<readonly string[]> {
  const { stdout } = await typed(command, "--help");
  const [, line] = /^Example: ligase (.*)$/m.exec(stdout) ?? [];
  if (line === undefined) throw new Error(`no example in the help of ${command}`);
  return line.split(" ");
}

test("the example of simulate makes reads and their truth", async () => {
  const ended = await typed(...(await exampleOf("simulate")), "--json");
  expect(ended.code, ended.stderr).toBe(0);
  expect(JSON.parse(ended.stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
    records: 2_000,
    bases: 1_200_000,
  });
  const text = gunzipSync(readFileSync(place.path("reads.fastq.gz"))).toString();
  expect(text.match(/^@sim_/gm)?.length).toBe(2_000);
  expect(readFileSync(place.path("truth.tsv"), "utf8").split("\n").length).toBe(2_002);
});

test(
  "the example of qc leaves reports as fastp writes them and no embeddings",
  async () => {
    const words = [...(await exampleOf("qc")), "--json"];
    const result = resultOf(await typed(...words));
    expect(result).toMatchObject({ reads: { in: 2_000 }, rows: 0, dimensions: 0, netcdf: null });
    const { passed, filtered } = result.reads;
    expect(passed + filtered).toBe(2_000);
    const report = result.reports.find(({ kind }) => kind === "fastp");
    const json = JSON.parse(readFileSync(report?.uri ?? "", "utf8")) as {
      readonly summary: Readonly<Record<string, { readonly total_reads: number }>>;
    };
    expect(json.summary["before_filtering"]?.total_reads).toBe(2_000);
    expect(json.summary["after_filtering"]?.total_reads).toBe(passed);
    // The same again does nothing, and says the same.
    const again = resultOf(await typed(...words));
    expect({ ...again, seconds: result.seconds }).toEqual(result);
    expect(again.seconds.phase1).toBe(0);
  },
  3 * MINUTES,
);

test(
  "without the addon it says so once, aloud and in the result, and writes the same reports",
  async () => {
    const few = ["few.fastq", "--reads", "300", "--length", "100,200", "--seed", "3"];
    expect((await typed("simulate", ...few)).code).toBe(0);
    const words = ["qc", "few.fastq", "--json", "--output"];
    const native = resultOf(await typed(...words, "runs/native"));
    const env = { LIGASE_NATIVE: "off" };
    const ended = await start(place, [...words, "runs/script"], { env }).ended;
    const { reports, native: said } = resultOf(ended);
    expect(native.native).toMatch(/^native addon, /);
    expect(said).toContain("slower TypeScript forms");
    expect(ended.stderr.match(/slower TypeScript forms/g)?.length).toBe(1);
    const text = (uri: string) =>
      readFileSync(uri, "utf8").replaceAll("runs/native", "runs/script");
    expect(reports.map(({ uri }) => text(uri))).toEqual(native.reports.map(({ uri }) => text(uri)));
  },
  3 * MINUTES,
);

test(
  "the example of embed ends with embeddings, and standard input gives the same rows",
  async () => {
    const words = await exampleOf("embed");
    const result = resultOf(await typed(...words, "--json"));
    expect(result).toMatchObject({ dimensions: 136, netcdf: null, slurm: null });
    expect(result.rows).toBe(result.reads.passed);
    const piped = words.map((word) => word.replace(/^reads.*/, "-").replace("vectors", "piped"));
    const command = ["sh", "-c", `zcat reads.fastq.gz | "$0" "$@" --json`, process.execPath, BIN];
    const other = resultOf(await start(place, piped, { command }).ended);
    expect([other.rows, other.reads]).toEqual([result.rows, result.reads]);
  },
  3 * MINUTES,
);

test(
  "the example of run ends with a NetCDF",
  async () => {
    const { netcdf, rows } = resultOf(await typed(...(await exampleOf("run")), "--json"));
    expect([netcdf, rows]).toEqual([place.path("runs", "first", "results", "reads_sim.nc"), 2_000]);
  },
  3 * MINUTES,
);

test("an option of Ray's that isn't honoured is refused before anything starts", async () => {
  const ended = await typed("embed", "reads.fastq.gz", "--seq-col", "x", "--json");
  expect([ended.code, errorOf(ended).code]).toEqual([2, "USAGE"]);
  expect(ended.stderr).toContain("--seq-col is Ray's");
  expect(namesIn(place.path("ligase-runs"))).toEqual([]);
});

interface Seen {
  readonly text: string;
  readonly code: number | null;
}

/** A command on a terminal. @param until - Ctrl-C is typed when this shows. */
function onTerminal(words: readonly string[], until?: string): Promise<Seen> {
  const line = [process.execPath, BIN, ...words].join(" ");
  const command = `stty cols ${COLUMNS}; exec ${line}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    ...{ cwd: place.folder, env: environment(place), stdio: "pipe" as const },
  });
  let text = "";
  let waits = until;
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
    if (waits === undefined || !text.includes(waits)) return;
    waits = undefined;
    child.stdin.write("\u0003");
  });
  return new Promise((settle, fail) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), MINUTES * patience());
    child.once("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      settle({ text, code });
    });
  });
}

/** Frames of phases, as they stood in the line. */
function framesOf(text: string): readonly string[] {
  const escape = String.fromCharCode(27);
  const plain = text.replaceAll(new RegExp(`${escape}\\[[0-9]*[A-Z]`, "g"), "");
  return plain
    .split(/[\r\n]+/)
    .filter((frame) => /^(starting|planning|quality control|sealing|sealed):/.test(frame));
}

test(
  "on a terminal each phase is one line within its width, and the table follows",
  async () => {
    const { text, code } = await onTerminal(["qc", "reads.fastq.gz", "--output", "runs/seen"]);
    expect(code, text).toBe(0);
    const frames = framesOf(text);
    expect(frames.length).toBeGreaterThan(1);
    for (const frame of frames) expect(frame.length, frame).toBeLessThan(COLUMNS);
    expect(text).toMatch(/sealed: [^\n]*\r\n(.*\r\n)*?job {9}/);
  },
  3 * MINUTES,
);

test(
  "Ctrl-C ends it in order on a line of its own, and the same command goes on",
  async () => {
    const words = ["qc", "reads.fastq.gz", "--output", "runs/cut"];
    const { text, code } = await onTerminal(words, "starting:");
    expect(code, text).toBe(130);
    expect(text).toMatch(/\nligase: CANCELLED: interrupted\r\n$/);
    await nothingLeft(place);
    const { reads } = resultOf(await typed(...words, "--json"));
    expect(reads.in).toBe(2_000);
  },
  3 * MINUTES,
);
