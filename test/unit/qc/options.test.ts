/** Options: fastp's names and defaults, presets, and nothing else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QC_DEFAULTS, QcCounter } from "../../../actors/native/qc.ts";
import {
  counterOptions,
  QC_OPTION_NAMES,
  QC_PRESETS,
  qcSettings,
} from "../../../actors/qc/options.ts";

const NOTHING = { phred64: false, polyG: false, adapters: ["", ""] } as const;

test("without options the counter does what fastp does", () => {
  expect(counterOptions(qcSettings("short", {}), NOTHING)).toEqual(QC_DEFAULTS);
});

test("every preset is made of options that are there, and the counter takes it", () => {
  for (const [preset, given] of Object.entries(QC_PRESETS)) {
    expect(QC_OPTION_NAMES).toEqual(expect.arrayContaining(Object.keys(given)));
    const counter = new QcCounter(counterOptions(qcSettings(preset, {}), NOTHING));
    expect(counter.counts().filtered).toHaveLength(32);
  }
});

test("what is given stands over the preset, and the preset over the defaults", () => {
  const settings = qcSettings("long", { length_required: 1000 });
  expect(settings).toMatchObject({ length_required: 1000, average_qual: 7, cut_front: false });
});

test("a window's own width stands over the shared one; mate 2 follows mate 1", () => {
  const settings = qcSettings("short", {
    cut_front: true,
    cut_tail: true,
    cut_window_size: 6,
    cut_tail_window_size: 9,
    cut_mean_quality: 25,
    trim_front1: 3,
    trim_tail1: 4,
    trim_tail2: 1,
    max_len1: 90,
    trim_poly_x: true,
    low_complexity_filter: true,
  });
  expect(counterOptions(settings, { ...NOTHING, polyG: true, phred64: true })).toMatchObject({
    cutFront: { window: 6, mean: 25 },
    cutTail: { window: 9, mean: 25 },
    cutRight: { window: 0 },
    trimFront: [3, 3],
    trimTail: [4, 1],
    maxLength: [90, 90],
    polyG: 10,
    polyX: 10,
    complexity: 30,
    phred64: true,
  });
});

describe("is refused by name:", () => {
  test.each([
    ["an option that isn't there", "short", { umi: true }, /no option "umi".*length_required/],
    ["a value of another kind", "short", { length_required: "15" }, /length_required/],
    ["a value out of range", "short", { unqualified_percent_limit: 101 }, /unqualified_percent/],
    ["half a base", "short", { n_base_limit: 1.5 }, /n_base_limit/],
    ["an adapter of other letters", "short", { adapter_sequence: "ACGTNN" }, /adapter_sequence/],
    ["an unknown preset", "medium", {}, /"medium"; there are short, long, none/],
    [
      "a contradiction",
      "short",
      { trim_poly_g: true, disable_trim_poly_g: true },
      /exclude each other/,
    ],
  ])("%s", (_, preset, given, text) => {
    expect(() => qcSettings(preset, given)).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringMatching(text) }),
    );
  });
});

test("a preset's poly-G gives way to what is asked for", () => {
  expect(qcSettings("long", { trim_poly_g: true }).disable_trim_poly_g).toBe(false);
});

describe("a preset's `off` gives way to what is asked for by name:", () => {
  const reads = {
    bases: Buffer.from(`${"ACGTTGCAAC".repeat(10)}${"ACGTN".repeat(20)}`),
    qualities: Buffer.from(`${"#".repeat(100)}${"I".repeat(100)}`),
    ends: Int32Array.of(0, 100, 200),
  };
  test.each([
    [{ length_required: 101 }, [16, 16]],
    [{ length_limit: 99 }, [17, 17]],
    [{ average_qual: 20 }, [20, 0]],
    [{ qualified_quality_phred: 20 }, [20, 0]],
    [{ unqualified_percent_limit: 60 }, [20, 0]],
    [{ n_base_limit: 3 }, [0, 12]],
    [{ trim_front1: 3 }, [0, 0]],
    [{ length_required: 101, disable_length_filtering: true }, [0, 0]],
  ])("%j alone", async (given, verdicts) => {
    const counter = new QcCounter(counterOptions(qcSettings("none", given), NOTHING));
    expect(Array.from((await counter.add(reads)).verdicts)).toEqual(verdicts);
  });

  test("an adapter is cut", () => {
    const adapter = "AGATCGGAAGAGC";
    const settings = qcSettings("long", { adapter_sequence: adapter });
    expect(settings.disable_adapter_trimming).toBe(false);
    expect(qcSettings("long", {}).disable_adapter_trimming).toBe(true);
  });
});

test("settings are plain JSON and come back as they were", () => {
  fc.assert(
    fc.property(fc.constantFrom("short", "long", "none"), fc.nat(100), (preset, percent) => {
      const settings = qcSettings(preset, { unqualified_percent_limit: percent });
      const again = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
      expect(qcSettings(preset, again)).toEqual(settings);
    }),
    { numRuns: 30 },
  );
});
