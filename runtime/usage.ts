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

/** What user code passed is wrong. */
export function usage(what: string): SystemError {
  return new SystemError("USAGE", what);
}
