/**
 * Keeps what isn't simulated out: while a seed runs, asking for the true time, a true timer or true
 * chance throws, in our code as in others'.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

type Holder = Record<string, unknown>;

const TRAPS: readonly (readonly [Holder, readonly string[]])[] = [
  [globalThis, ["setTimeout", "setInterval", "setImmediate"]],
  [Date as unknown as Holder, ["now"]],
  [performance as unknown as Holder, ["now"]],
  [globalThis.crypto as unknown as Holder, ["randomUUID"]],
  [Math as unknown as Holder, ["random"]],
  [crypto, ["randomBytes", "randomInt", "randomUUID"]],
];

/** What `run` gives; meanwhile nothing true can be had. */
export function trapped<T>(run: () => T): T {
  const before = TRAPS.map(([holder, names]) => names.map((name) => holder[name]));
  for (const [holder, names] of TRAPS) {
    for (const name of names) {
      holder[name] = () => {
        throw new Error(`${name} isn't simulated`);
      };
    }
  }
  syncBuiltinESMExports();
  try {
    return run();
  } finally {
    for (const [index, [holder, names]] of TRAPS.entries()) {
      for (const [at, name] of names.entries()) holder[name] = before[index]?.[at];
    }
    syncBuiltinESMExports();
  }
}
