/**
 * Lines for people: columns, ages, and texts of others, who may not move a terminal's cursor or
 * change its title.
 */

/** Controls of both sets, and what turns the direction of writing round. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line: controls are shown as they would stand in a program's text. */
export function printableLine(text: string): string {
  return text.replace(CONTROLS, escapeOf);
}

/** Several lines: ends of lines and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(CONTROLS, (control) =>
    control === "\n" || control === "\t" ? control : escapeOf(control),
  );
}

function escapeOf(control: string): string {
  const code = control.charCodeAt(0).toString(16).padStart(4, "0");
  return SHORT[control] ?? `\\u${code}`;
}

/** Rows as lines whose columns stand under each other; two spaces between them. */
export function columns(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printableLine));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** Such as "3d", "12s"; a clock that runs behind gives "0s". */
export function ageOf(ms: number): string {
  const [unit, size] = UNITS.find(([, least]) => ms >= least) ?? ["s", 1_000];
  return `${Math.max(0, Math.floor(ms / size))}${unit}`;
}
