/** Pictures and the page of all samples: what they show, and that nothing in them is markup. */
import { describe, expect, test } from "vitest";
import { reportHtml, type ReportSample } from "../../../actors/qc/seal/html.ts";
import { sampleNames } from "../../../actors/qc/seal/names.ts";
import { plotSvg, shortNumber } from "../../../actors/qc/seal/svg.ts";
import { simulatePairs } from "../native/simulated.ts";
import { make, planJob } from "./support.ts";

const HOSTILE = `<script>alert("x")</script>&'`;

async function samples(names: readonly string[]): Promise<ReportSample[]> {
  const { first, second } = simulatePairs(6, 300, 80);
  const job = await planJob([{ sample: "one", texts: [first, second] }], {
    qc: { preset: "short", spectrum: 11 },
  });
  const made = await make(job);
  const [fastp, qc] = [made.json("one.fastp.json"), made.json("one.qc.json")];
  return names.map((sample, i) => ({
    ...{ sample, name: `s${i}`, fastp, qc: { ...(qc as object), sample } },
  })) as unknown as ReportSample[];
}

describe("a picture", () => {
  const points = [1, 2, 3, 4].map((x) => [x, x * x] as const);
  const plot = { title: "t", x: "x", y: "y", lines: [{ name: "a", colour: 0, points }] };

  test("has a line through its points, within its frame", () => {
    const svg = plotSvg(plot);
    const d = /class="line c0" d="([^"]*)"/.exec(svg)?.[1] ?? "";
    const places = d
      .split(/[ML]/)
      .slice(1)
      .map((place) => place.split(" ").map(Number));
    expect(places).toHaveLength(4);
    const [xs, ys] = [places.map(([x = 0]) => x), places.map(([, y = 0]) => y)];
    expect(xs).toEqual([...xs].sort((a, b) => a - b));
    expect(ys).toEqual([...ys].sort((a, b) => b - a));
    expect(Math.min(...xs, ...ys)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...xs)).toBeLessThanOrEqual(520);
    expect(Math.max(...ys)).toBeLessThanOrEqual(280);
  });

  test("has ticks at round numbers", () => {
    const lines = [
      {
        name: "a",
        colour: 0,
        points: [
          [0, 0],
          [1, 47_300],
        ] as const,
      },
    ];
    const svg = plotSvg({ ...plot, lines });
    for (const tick of ["0", "10k", "20k", "30k", "40k", "50k"]) expect(svg).toContain(`>${tick}<`);
    expect(["0.3", "12k", "3.5M", "2G"]).toEqual([0.3, 12e3, 3.5e6, 2e9].map(shortNumber));
  });

  test("of powers of ten leaves out what has none, and keeps the first points apart", () => {
    const many = Array.from({ length: 5000 }, (_, i) => [i, i % 2 === 0 ? i : 0] as const);
    const lines = [{ name: "a", colour: 0, points: many }];
    const svg = plotSvg({ ...plot, lines, logX: true, logY: true });
    expect(svg).not.toContain("NaN");
    expect(svg.match(/L/g)?.length).toBe(2498);
  });

  test("of powers of ten of no value at all says so", () => {
    const lines = [{ name: "a", colour: 0, points: [[1, 0]] as const }];
    const svg = plotSvg({ ...plot, lines, logX: true, logY: true });
    expect(svg).toContain("nothing to show");
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  test("of very many points has some hundred, of none says so", () => {
    const many = Array.from({ length: 100_000 }, (_, i) => [i, 1] as const);
    const svg = plotSvg({ ...plot, lines: [{ name: "a", colour: 0, points: many }] });
    expect(svg.match(/L/g)?.length).toBeLessThanOrEqual(300);
    expect(plotSvg({ ...plot, lines: [] })).toContain("nothing to show");
  });

  test("holds texts as texts", () => {
    const svg = plotSvg({ ...plot, title: HOSTILE, x: HOSTILE, y: HOSTILE });
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;script&gt;");
  });
});

describe("the page", () => {
  test("holds all by itself: no script, no link elsewhere, and names as text", async () => {
    const html = reportHtml(await samples(["gut", HOSTILE]));
    expect(html).not.toMatch(/<script|https?:|url\(|@import|<img|<link/);
    expect(html.match(/<svg /g)).toHaveLength(2 * 9);
    expect(html.match(/<section /g)).toHaveLength(2);
    for (const part of ["<table>", "read", "Insert size", "11-mer spectrum", "duplication"]) {
      expect(html).toContain(part);
    }
    // Each tag that opens closes.
    for (const tag of ["section", "svg", "text", "tr", "dl", "div", "ul", "table"]) {
      const opened = html.match(new RegExp(`<${tag}[ >]`, "g"))?.length ?? 0;
      expect(html.match(new RegExp(`</${tag}>`, "g"))?.length ?? 0, tag).toBe(opened);
    }
  });

  test("of many samples has pictures of the first, and all in its table", async () => {
    const names = Array.from({ length: 120 }, (_, i) => `sample-${i}`);
    const html = reportHtml(await samples(names));
    expect(html.match(/<section /g)).toHaveLength(100);
    expect(html).toContain("sample-119");
    expect(html).toContain("Pictures of the first 100 of 120 samples");
  });
});

test("names of samples are plain, short and each their own on any file system", () => {
  const samples = ["gut", "Gut", "gut 1", "gut_1", "../../etc", "", "é".repeat(300)];
  const names = [...sampleNames(samples).values()];
  expect(names.slice(0, 6)).toEqual([
    "gut",
    "Gut-2",
    "gut_1",
    "gut_1-2",
    "sample.._.._etc",
    "sample",
  ]);
  for (const name of names)
    expect(`${name}.fastp.json`).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/);
});
