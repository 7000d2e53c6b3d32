/** Trimming and filtering of one read in TypeScript: qc/trim.cpp, where no addon is. */
import { QC_VERDICTS, type QcOptions, type QcWindow } from "../qc.ts";

const MISMATCH_EACH = 8;
const MISMATCH_MAX = 5;
const N = 78;
const G = 71;
const POLY = [65, 84, 67, 71];

/** A read under way: bases[begin, begin + n) of its batch. */
export interface Way {
  readonly bases: Uint8Array;
  readonly qualities: Uint8Array;
  begin: number;
  n: number;
  /** What stood in front and was cut off. */
  front: number;
  gone: boolean;
}

/** As QcCounts.sums. */
export type TrimSums = Float64Array;

export function cutEnds(options: QcOptions, mate: 0 | 1, way: Way): void {
  let front = options.trimFront[mate];
  const tail = options.trimTail[mate];
  const { cutFront, cutTail, cutRight } = options;
  const windows = cutFront.window + cutTail.window + cutRight.window > 0;
  if (front === 0 && tail === 0 && !windows) return;
  let n = way.n - front - tail;
  let gone = n < 0;
  const hasRoom = ({ window }: QcWindow): boolean => way.n - front - tail - window > 0;
  if (!gone && cutFront.window > 0) {
    gone = !hasRoom(cutFront);
    if (!gone) {
      front = frontOf(way, cutFront, front, tail);
      n = way.n - front - tail;
    }
  }
  if (!gone && cutRight.window > 0) {
    gone = !hasRoom(cutRight);
    if (!gone) n = rightOf(way, cutRight, front, tail, n);
  } else if (!gone && cutTail.window > 0) {
    gone = !hasRoom(cutTail);
    if (!gone) n = tailOf(way, cutTail, front, tail);
  }
  way.gone = gone || (windows && (n <= 0 || front >= way.n - 1));
  if (way.gone) return;
  way.begin += front;
  way.front = front;
  way.n = n;
}

function qualityAt(way: Way, i: number): number {
  return way.qualities[way.begin + i] as number;
}

function baseAt(way: Way, i: number): number {
  return way.bases[way.begin + i] as number;
}

function firstSum(way: Way, begin: number, window: number, step: number): number {
  let total = 0;
  for (let i = 0; i < window - 1; i++) total += qualityAt(way, begin + i * step);
  return total;
}

function isGood(total: number, { window, mean }: QcWindow): boolean {
  return total / window >= 33 + mean;
}

function frontOf(way: Way, cut: QcWindow, front: number, tail: number): number {
  let s = front;
  let total = firstSum(way, s, cut.window, 1);
  for (; s + cut.window < way.n - tail; s++) {
    total += qualityAt(way, s + cut.window - 1);
    if (s > front) total -= qualityAt(way, s - 1);
    if (isGood(total, cut)) break;
  }
  if (s > 0) s += cut.window - 1;
  while (s < way.n && baseAt(way, s) === N) s++;
  return s;
}

function rightOf(way: Way, cut: QcWindow, front: number, tail: number, n: number): number {
  let s = front;
  let total = firstSum(way, s, cut.window, 1);
  for (; s + cut.window < way.n - tail; s++) {
    total += qualityAt(way, s + cut.window - 1);
    if (s > front) total -= qualityAt(way, s - 1);
    if (isGood(total, cut)) continue;
    while (s < way.n - 1 && qualityAt(way, s) >= 33 + cut.mean) s++;
    return s - front;
  }
  return n;
}

function tailOf(way: Way, cut: QcWindow, front: number, tail: number): number {
  const last = way.n - tail - 1;
  let total = firstSum(way, last, cut.window, -1);
  let t = last;
  for (; t - cut.window >= front; t--) {
    total += qualityAt(way, t - cut.window + 1);
    if (t < last) total -= qualityAt(way, t + 1);
    if (isGood(total, cut)) break;
  }
  if (t < way.n - 1) t = t - cut.window + 1;
  while (t >= 0 && baseAt(way, t) === N) t--;
  return t - front + 1;
}

export function trimPolyG(shortest: number, way: Way): void {
  let mismatches = 0;
  let first = way.n - 1;
  let i = 0;
  for (; i < way.n; i++) {
    if (baseAt(way, way.n - i - 1) === G) first = way.n - i - 1;
    else mismatches++;
    const allowed = Math.trunc((i + 1) / MISMATCH_EACH);
    if (mismatches > MISMATCH_MAX || (mismatches > allowed && i >= shortest - 1)) break;
  }
  if (i >= shortest && first >= 0) way.n = first;
}

export function trimPolyX(shortest: number, way: Way, sums: TrimSums): void {
  const found = [0, 0, 0, 0];
  let pos = 0;
  for (; pos < way.n; pos++) {
    const base = baseAt(way, way.n - pos - 1);
    for (const [b, letter] of POLY.entries()) {
      if (base === letter || base === N) found[b] = (found[b] ?? 0) + 1;
    }
    const allowed = Math.min(MISMATCH_MAX, Math.trunc((pos + 1) / MISMATCH_EACH));
    const isOver = pos + 1 - Math.max(...found) > allowed;
    if (isOver && (pos >= MISMATCH_EACH || pos + 1 >= shortest - 1)) break;
  }
  if (pos + 1 < shortest) return;
  const poly = found.indexOf(Math.max(...found));
  while (pos >= 0 && (pos === way.n || baseAt(way, way.n - pos - 1) !== POLY[poly])) pos--;
  way.n = way.n - pos - 1;
  (sums[4 + poly] as number) += 1;
  (sums[8 + poly] as number) += pos + 1;
}

export function trimAdapters(
  options: QcOptions,
  mate: 0 | 1,
  done: boolean,
  way: Way,
  sums: TrimSums,
): void {
  let trimmed = done;
  const adapter = options.adapter[mate];
  if (!done && adapter !== "") trimmed = trimAdapter(adapter, 4, way, sums);
  const table = options.adapterTable;
  const leastOfMany = table.length > 256 ? 6 : table.length > 16 ? 5 : 4;
  const before = way.n;
  let any = false;
  for (const one of table) any = trimAdapter(one, leastOfMany, way) || any;
  if (!any || way.n === before) return;
  if (!trimmed) (sums[0] as number) += 1;
  (sums[1] as number) += before - way.n;
}

function trimAdapter(adapter: string, least: number, way: Way, sums?: TrimSums): boolean {
  if (adapter.length < least) return false;
  for (let pos = firstPosition(adapter.length); pos < way.n - least; pos++) {
    if (!matchesAt(adapter, way, pos)) continue;
    const cut = pos < 0 ? adapter.length + pos : way.n - pos;
    way.n = Math.max(0, pos);
    if (sums !== undefined && cut > 0) {
      (sums[0] as number) += 1;
      (sums[1] as number) += cut;
    }
    return true;
  }
  return false;
}

/** How far before the read an adapter may begin: dimers often lack its first base. */
function firstPosition(length: number): number {
  if (length >= 16) return -4;
  if (length >= 12) return -3;
  return length >= 8 ? -2 : 0;
}

function matchesAt(adapter: string, way: Way, pos: number): boolean {
  const n = Math.min(way.n - pos, adapter.length);
  const allowed = Math.trunc(n / MISMATCH_EACH);
  let mismatches = 0;
  for (let i = Math.max(0, -pos); i < n; i++) {
    if (adapter.charCodeAt(i) !== baseAt(way, i + pos) && ++mismatches > allowed) return false;
  }
  return true;
}

/** The number of QC_VERDICTS. */
export function judge(options: QcOptions, way: Way): number {
  if (way.gone || way.n === 0) return QC_VERDICTS.tooShort;
  let [below, unknown, total] = [0, 0, 0];
  for (let i = 0; i < way.n; i++) {
    const quality = qualityAt(way, i) - 33;
    total += quality;
    if (quality < options.qualifiedPhred) below++;
    if (baseAt(way, i) === N) unknown++;
  }
  if (options.qualityFilter) {
    if (below > (options.unqualifiedPercent * way.n) / 100) return QC_VERDICTS.lowQuality;
    const mean = Math.trunc(total / way.n);
    if (options.averageQuality > 0 && mean < options.averageQuality) return QC_VERDICTS.lowQuality;
    if (unknown > options.unknownLimit) return QC_VERDICTS.tooManyN;
  }
  if (options.lengthFilter) {
    if (way.n < options.lengthRequired) return QC_VERDICTS.tooShort;
    if (options.lengthLimit > 0 && way.n > options.lengthLimit) return QC_VERDICTS.tooLong;
  }
  const isSimple = options.complexity > 0 && !isComplex(options.complexity, way);
  return isSimple ? QC_VERDICTS.lowComplexity : QC_VERDICTS.passed;
}

function isComplex(percent: number, way: Way): boolean {
  if (way.n <= 1) return false;
  let changes = 0;
  for (let i = 0; i + 1 < way.n; i++) {
    if (baseAt(way, i) !== baseAt(way, i + 1)) changes++;
  }
  return changes / (way.n - 1) >= percent / 100;
}
