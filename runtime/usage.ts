/** Checks of what user code passes, for who writes it without a compiler. */
import { SystemError } from "./errors.ts";

/** A misspelt option would be ignored without a word. @throws {SystemError} USAGE naming it. */
export function checkNames(options: object, known: readonly string[]): void {
  const strange = Object.keys(options).find((name) => !known.includes(name));
  if (strange === undefined) return;
  throw usage(`no option ${JSON.stringify(strange)}; there are ${known.join(", ")}`);
}

/** @throws {SystemError} USAGE unless the value is one of the choices. */
export function checkChoice(what: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw usage(`${what} is ${choices.join(" or ")}, not ${JSON.stringify(value)}`);
}

/** @throws {SystemError} USAGE unless it is a whole number in the bounds, both included. */
export function checkCount(what: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw usage(`${what} is a whole number from ${least} to ${most}, not ${value}`);
}

/** @throws {SystemError} USAGE unless it is true or false. */
export function checkBoolean(what: string, value: unknown): void {
  if (typeof value === "boolean") return;
  throw usage(`${what} is true or false, not ${String(value)}`);
}

/** What user code passed is wrong. */
export function usage(what: string): SystemError {
  return new SystemError("USAGE", what);
}

/** Bytes by the letters that people write: powers of 1,024. */
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** `512M`, `4G` or plain bytes. @throws {SystemError} USAGE naming what says it. */
export function parseBytes(text: string, name: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,12})([KMGT]?)i?B?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (digits !== "" && Number.isSafeInteger(bytes)) return bytes;
  throw new SystemError("USAGE", `${name} is a number of bytes such as 4G, not ${text}`);
}
