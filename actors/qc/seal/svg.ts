/**
 * Pictures as SVG text: lines over numbers, with axes. Self-contained, in the page's own colours,
 * and the same bytes for the same values.
 */
import { PLOT_POINTS_MAX } from "../limits.ts";

/** One line of a picture; points in rising order of x. */
export interface Line {
  readonly name: string;
  /** A number of the page's palette, 0..7. */
  readonly colour: number;
  readonly points: readonly (readonly [number, number])[];
  readonly isDashed?: boolean;
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** Least and most of the y axis; by its values unless given. */
  readonly yRange?: readonly [number, number];
  /** Axes in powers of ten; values of 0 and less aren't shown. */
  readonly logX?: boolean;
  readonly logY?: boolean;
}

const WIDTH = 520;
const HEIGHT = 280;
const LEFT = 58;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 46;
const TICKS = 5;

/** A picture as an `svg` element. */
export function plotSvg(plot: Plot): string {
  const lines = plot.lines.map((line) => ({ ...line, points: shownPoints(plot, line.points) }));
  const all = lines.flatMap(({ points }) => points);
  const xAxis = axisOf(
    all.map(([x]) => x),
    plot.logX ?? false,
    undefined,
  );
  const yAxis = axisOf(
    all.map(([, y]) => y),
    plot.logY ?? false,
    plot.yRange ?? [0, 0],
  );
  const xAt = (x: number): number => LEFT + xAxis.share(x) * (WIDTH - LEFT - RIGHT);
  const yAt = (y: number): number => HEIGHT - BOTTOM - yAxis.share(y) * (HEIGHT - TOP - BOTTOM);
  const body =
    all.length === 0
      ? text(WIDTH / 2, HEIGHT / 2, "nothing to show", "middle")
      : lines.map((line) => pathOf(line, xAt, yAt)).join("");
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(plot.title)}">` +
    text(LEFT, 18, plot.title, "start", "title") +
    axes(
      xAxis.ticks.map((x) => [xAt(x), x]),
      yAxis.ticks.map((y) => [yAt(y), y]),
    ) +
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, plot.x, "middle") +
    `<text transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" ` +
    `text-anchor="middle">${escaped(plot.y)}</text>` +
    `${body}${legend(plot.lines)}</svg>`
  );
}

/** At most PLOT_POINTS_MAX of them: of neighbours, their mean. */
function shownPoints(
  { logX = false, logY = false }: Plot,
  points: Line["points"],
): (readonly [number, number])[] {
  const shown = points.filter(
    ([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!logX || x > 0) && (!logY || y > 0),
  );
  // Powers of ten are denser at the end, where the mean of neighbours would hide the begin.
  const step = logX ? 1 : Math.ceil(shown.length / PLOT_POINTS_MAX);
  if (step === 1) return shown;
  const means: (readonly [number, number])[] = [];
  for (let at = 0; at < shown.length; at += step) {
    const part = shown.slice(at, at + step);
    const mean = (of: 0 | 1): number => part.reduce((sum, it) => sum + it[of], 0) / part.length;
    means.push([mean(0), mean(1)]);
  }
  return means;
}

interface Axis {
  readonly ticks: readonly number[];
  /** Where a value lies, 0..1. */
  share(value: number): number;
}

/** @param least - a range that the axis holds in any case, of a linear one. */
function axisOf(
  values: readonly number[],
  isLog: boolean,
  range: readonly [number, number] | undefined,
): Axis {
  // Powers of ten have no place for the 0 that no value at all would give.
  if (isLog && values.length === 0) return logAxis(1, 10);
  const [from, to] = boundsOf(values, isLog ? undefined : range);
  return isLog ? logAxis(from, to) : linearAxis(from, to);
}

function boundsOf(
  values: readonly number[],
  range: readonly [number, number] | undefined,
): readonly [number, number] {
  let [from, to] = range ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    from = Math.min(from, value);
    to = Math.max(to, value);
  }
  return Number.isFinite(from) ? [from, to] : [0, 1];
}

function linearAxis(from: number, to: number): Axis {
  const step = stepOf(to - from);
  const begin = Math.floor(from / step) * step;
  const end = Math.max(begin + step, Math.ceil(to / step - 1e-9) * step);
  const count = Math.round((end - begin) / step);
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => rounded(begin + i * step)),
    share: (value) => (value - begin) / (end - begin),
  };
}

/** 1, 2 or 5 times a power of ten, about TICKS of which make the span. */
function stepOf(span: number): number {
  if (span <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(span / TICKS));
  return ([1, 2, 5].find((times) => times * power * TICKS >= span) ?? 10) * power;
}

function logAxis(from: number, to: number): Axis {
  const begin = Math.floor(Math.log10(from));
  const end = Math.max(begin + 1, Math.ceil(Math.log10(to)));
  return {
    ticks: Array.from({ length: end - begin + 1 }, (_, i) => 10 ** (begin + i)),
    share: (value) => (Math.log10(value) - begin) / (end - begin),
  };
}

type Tick = readonly [number, number];

function axes(xTicks: readonly Tick[], yTicks: readonly Tick[]): string {
  const [right, bottom] = [WIDTH - RIGHT, HEIGHT - BOTTOM];
  const across = yTicks.map(
    ([at, value]) =>
      `<path class="grid" d="M${LEFT} ${fixed(at)}H${right}"/>` +
      text(LEFT - 6, at + 4, shortNumber(value), "end"),
  );
  const down = xTicks.map(
    ([at, value]) =>
      `<path class="grid" d="M${fixed(at)} ${bottom}v4"/>` +
      text(at, bottom + 17, shortNumber(value), "middle"),
  );
  return `${across.join("")}${down.join("")}<path class="axis" d="M${LEFT} ${bottom}H${right}"/>`;
}

function pathOf(
  { points, colour, isDashed = false }: Line,
  xAt: (x: number) => number,
  yAt: (y: number) => number,
): string {
  const [only] = points;
  const kind = `${isDashed ? "line dashed" : "line"} c${colour}`;
  if (only !== undefined && points.length === 1) {
    const [x, y] = only;
    return `<circle class="${kind}" cx="${fixed(xAt(x))}" cy="${fixed(yAt(y))}" r="3"/>`;
  }
  const d = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${fixed(xAt(x))} ${fixed(yAt(y))}`);
  return `<path class="${kind}" d="${d.join("")}"/>`;
}

/** Names of lines in a row, at the right of the title. */
function legend(lines: readonly Line[]): string {
  if (lines.length < 2) return "";
  let end = WIDTH - RIGHT;
  const names = lines.toReversed().map(({ name, colour }) => {
    const width = 7 * name.length;
    const at = end - width;
    end = at - 22;
    return (
      `<path class="line c${colour}" d="M${fixed(at - 16)} 14h12"/>` + text(at, 18, name, "start")
    );
  });
  return names.toReversed().join("");
}

function text(x: number, y: number, value: string, anchor: string, kind?: string): string {
  const named = kind === undefined ? "" : ` class="${kind}"`;
  const place = `x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}"`;
  return `<text ${place}${named}>${escaped(value)}</text>`;
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** What steps of floating point add is taken away. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

/** A number as short as an axis has room for. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${rounded(value / 1e9)}G`;
  if (size >= 1e6) return `${rounded(value / 1e6)}M`;
  if (size >= 1e4) return `${rounded(value / 1e3)}k`;
  return String(rounded(value));
}

/** Text that stands in a page as it is. */
export function escaped(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
