/** Runs of check.py. Python with its packages must be there: a missing one is a failed test. */
import { join } from "node:path";
import { PYTHON } from "../parity/support.ts";
import { type Place, start } from "./support.ts";

/** What check.py found. @throws {Error} with its text when an assertion of it failed. */
export async function check(place: Place, ...args: readonly string[]): Promise<unknown> {
  const command = [PYTHON, join(import.meta.dirname, "check.py")];
  const { code, stdout, stderr } = await start(place, args, { command }).ended;
  if (code !== 0) throw new Error(`check.py ${args[0]}: ${stderr}`);
  return JSON.parse(stdout);
}
