/** Flags of the commands that read sequences: what they ask for, and what they refuse. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { QC_OPTION_NAMES, qcSettings } from "../../../actors/qc/options.ts";
import { addInputCommands } from "../../../head/cli/inputs/commands.ts";
import { FASTP_OPTIONS } from "../../../head/cli/inputs/fastp.ts";
import { fastpGiven } from "../../../head/cli/inputs/flags.ts";
import { RAY_OPTIONS, translated } from "../../../head/cli/inputs/ray.ts";
import {
  datasetName,
  embedRequest,
  qcRequest,
  runRequest,
  type RunFlags,
} from "../../../head/cli/inputs/request.ts";
import { withoutStdin } from "../../../head/cli/inputs/stdin.ts";

const GUIDE = readFileSync(join(import.meta.dirname, "../../../actors/GUIDE.md"), "utf8");
const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) throw new Error(`no whole ${text}`);
  return value;
};

/** What a command would get, as typed. */
function parsed(name: string, ...typed: readonly string[]): RunFlags {
  const ligase = new Command();
  addInputCommands(ligase, whole);
  const command = ligase.commands.find((one) => one.name() === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  command.configureOutput({ writeErr: () => undefined });
  command.action(() => undefined).parse(translated(typed), { from: "user" });
  const flags = command.opts<RunFlags>();
  return { ...flags, input: [...(flags.input ?? []), ...command.args] };
}

describe("requests", () => {
  test("hold nothing that wasn't asked for, so that old jobs stay the same", () => {
    expect(Object.keys(runRequest(parsed("run", "a.fq"), "/d")).toSorted()).toEqual([
      ...["encoder", "inputs", "output", "ranks", "solve"],
    ]);
  });

  test("of embed are those of a run without a solve", () => {
    const words = ["a.fq", "--batch-size", "64", "--concurrency", "1,8", "--num-gpus", "0.5"];
    const embed = embedRequest(parsed("embed", ...words), "/d");
    expect(embed).toEqual(runRequest(parsed("run", "--no-solve", ...words), "/d"));
    expect(embed).toMatchObject({ batchSize: 64, concurrency: [1, 8], numGpus: 0.5 });
    expect([embed.inputs, embed.output]).toEqual([["/d/a.fq"], "/d/ligase-runs/a"]);
  });

  test("of qc name a preset and fastp's options, and go to a folder of their own", () => {
    const request = qcRequest(parsed("qc", "a.fq", "--cut_right", "--length_required", "50"), "/d");
    expect(request).toMatchObject({
      only: "qc",
      solve: false,
      qc: { preset: "short", given: { cut_right: true, length_required: 50 } },
    });
    expect(datasetName(request)).toBe("qc");
  });

  test("with fastp's options alone trim by them and by nothing else", () => {
    const { qc } = embedRequest(parsed("embed", "a.fq", "--trim-front1=3"), "/d");
    expect(qc).toEqual({ preset: "none", given: { trim_front1: 3 } });
  });

  test("have inputs or a sheet, not both", () => {
    const sheet = embedRequest(parsed("embed", "--samples", "s.csv"), "/d");
    expect(sheet).toMatchObject({ samples: "/d/s.csv", inputs: [], output: "/d/ligase-runs/s" });
    expect(() => embedRequest(parsed("embed", "--samples", "s.csv", "a.fq"), "/d")).toThrow(
      "--samples names the input",
    );
  });

  test("name standard input once", () => {
    expect(withoutStdin({ input: ["-", "a.fq"] })).toEqual({ input: ["stdin", "a.fq"] });
    expect(() => withoutStdin({ input: ["-", "-"] })).toThrow("once");
  });
});

describe("a flag that can't be meant is refused:", () => {
  test.each([
    [["--batch-size", "0"], "0"],
    [["--concurrency", "3,2"], "least,most"],
    [["--concurrency", "0"], "least,most"],
    [["--num-gpus", "-1"], "0 to 64"],
    [["--num-gpus", "0.33333"], "four decimals"],
    [["--qc", "medium"], "Allowed choices"],
    [["--orf", "first"], "Allowed choices"],
    [["--on-bad-record", "mend"], "Allowed choices"],
    [["--adapter_sequence", "acgt"], "A, C, G, T"],
    [["--cut_window_size", "0"], "0"],
    [["--no-such-thing"], "unknown"],
  ])("%j", (words, what) => {
    expect(() => parsed("embed", ...words)).toThrow(what);
  });
});

describe("fastp's options", () => {
  test("are the actors', name by name", () => {
    expect(FASTP_OPTIONS.map(({ name }) => name).toSorted()).toEqual(
      [...QC_OPTION_NAMES].toSorted(),
    );
  });

  test.each(FASTP_OPTIONS)("$name is taken in its bounds, and as fastp writes it", (option) => {
    const { name, takes } = option;
    const values = {
      flag: [],
      adapter: ["ACGTACGT", "auto"],
      whole: takes.kind === "whole" ? [takes.least, takes.most].map(String) : [],
    }[takes.kind];
    for (const value of values.length === 0 ? [undefined] : values) {
      const words = [`--${name}`, ...(value === undefined ? [] : [value])];
      const given = fastpGiven(parsed("qc", ...words));
      expect(Object.keys(given)).toEqual([name]);
      expect(() => qcSettings("short", given)).not.toThrow();
    }
    if (takes.kind !== "whole") return;
    const over = { [name]: takes.most + 1 };
    expect(() => qcSettings("short", over)).toThrow(name);
  });
});

describe("Ray's options", () => {
  const refused = RAY_OPTIONS.filter(({ here }) => here === undefined);

  test.each(refused)("$name is refused by name, with what to do", ({ name, say }) => {
    const dashed = `--${name.replaceAll("_", "-")}`;
    for (const word of [dashed, `--${name}`, `${dashed}=x`]) {
      expect(() => translated(["a.fq", word, "x"])).toThrow(`${word.split("=")[0]} is Ray's`);
      expect(() => translated([word])).toThrow(say);
    }
    expect(translated(["--", dashed])).toEqual(["--", dashed]);
  });

  test("that are honoured mean what they say", () => {
    const ray = ["--model_name", "kmer", "--batch_size", "32", "--num_gpus", "1"];
    const words = [...ray, "--concurrency", "4", "--try_create_dir", "--output", "o"];
    const request = embedRequest(parsed("embed", "a.fq", ...words), "/d");
    const ours = ["--encoder", "kmer", "--batch-size", "32", "--num-gpus", "1", "--output", "o"];
    expect(request).toEqual(
      embedRequest(parsed("embed", "a.fq", ...ours, "--concurrency=4"), "/d"),
    );
    expect(request).toMatchObject({ batchSize: 32, numGpus: 1, concurrency: 4, output: "/d/o" });
  });

  test("try_create_dir is true or refused", () => {
    expect(translated(["--try-create-dir", "true", "a.fq"])).toEqual(["a.fq"]);
    expect(translated(["--try_create_dir", "a.fq"])).toEqual(["a.fq"]);
    expect(() => translated(["--try_create_dir=false"])).toThrow("always made");
    expect(() => translated(["--try-create-dir", "False"])).toThrow("always made");
  });

  test("are those of the guide's table, word by word", () => {
    const rows = RAY_OPTIONS.map(({ name, of, here, say }) => {
      const where = here?.startsWith("--") ? `\`${here}\`` : (here ?? "refused");
      return `| \`${name}\` | ${of} | ${where} | ${say} |`;
    });
    expect(GUIDE).toContain(`| --- | --- | --- | --- |\n${rows.join("\n")}\n`);
  });
});
