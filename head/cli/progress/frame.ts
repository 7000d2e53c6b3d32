/**
 * Pure core of progress: what is said, as a plain line and as one line of a terminal, and the bytes
 * that turn one frame into the next. A frame is narrower than its terminal, so that it never wraps.
 */
import { printableLine } from "../actors/text.ts";

/** What goes on. The words before the first colon of `line` are its phase. */
export interface Said {
  readonly line: string;
  /** More of it, the most telling first: a narrow terminal leaves it out from the end on. */
  readonly more?: readonly string[];
  /** How much of the phase is done, 0..1, for the bar; the words say it too. */
  readonly fraction?: number | undefined;
}

/** Characters of a bar at most and at least, its brackets and the space before it aside. */
const BAR = { most: 20, least: 10, around: 3 } as const;
const HOUR_S = 3_600;

/** What equal lines of a phase share. */
export function phaseOf({ line }: Said): string {
  return line.split(":")[0] ?? "";
}

/** All of it in one line. */
export function plainOf({ line, more = [] }: Said): string {
  return printableLine([line, ...more].join(", "));
}

/** A terminal's line of fewer than `width` columns: words first, then a bar of what is left. */
export function frameOf({ line, more = [], fraction }: Said, width: number): string {
  const room = Math.max(0, width - 1);
  const bar = fraction === undefined ? 0 : BAR.least + BAR.around;
  const words = more.reduce((text, part) => {
    const longer = `${text}, ${printableLine(part)}`;
    return longer.length + bar > room ? text : longer;
  }, printableLine(line));
  const left = Math.min(BAR.most, room - words.length - BAR.around);
  if (fraction === undefined || left < BAR.least) return words.slice(0, room);
  const done = Math.round(Math.min(1, Math.max(0, fraction)) * left);
  return `${words} [${"#".repeat(done)}${"-".repeat(left - done)}]`;
}

/**
 * The bytes that put `frame` in the place of `before`, in one piece: the new text lies over the old
 * one and only its rest is cleared, so that nothing flickers. A terminal that became narrower has
 * wrapped the old one over rows of its own; the cursor stands in the last.
 */
export function redraw(before: string, frame: string, width: number): string {
  const wrapped = width > 0 ? Math.max(0, Math.ceil(before.length / width) - 1) : 0;
  const up = wrapped === 0 ? "" : `\u001b[${wrapped}A`;
  return `${up}\r${frame}\u001b[${wrapped === 0 ? "K" : "J"}`;
}

/** Such as "0:07 left", "12:30 left", "1:00:00 left". */
export function timeLeft(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor((whole % HOUR_S) / 60);
  const tail = `${two(whole % 60)} left`;
  if (whole < HOUR_S) return `${minutes}:${tail}`;
  return `${Math.floor(whole / HOUR_S)}:${two(minutes)}:${tail}`;
}

/** Such as "1,234,567". */
export function grouped(count: number): string {
  return Math.round(count)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ",");
}
