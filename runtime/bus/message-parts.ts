/**
 * The small schemas that messages of all kinds are made of: texts, counts, names, errors.
 */
import * as v from "valibot";
import { isIdentity } from "./subjects.ts";
import { ERRORS, type ErrorCode, type ErrorData } from "../errors.ts";

export const text = v.pipe(v.string(), v.maxLength(4096));
/** A whole number from 0. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const processId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** Becomes part of a subject: nothing else may stand in it. */
export const identity = v.pipe(
  v.string(),
  v.check((value) => isIdentity(value)),
);
export const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const errorCode = v.custom<ErrorCode>(
  // `String(value)` would run what came, and take ["INTERNAL"] for "INTERNAL".
  (value) => typeof value === "string" && Object.hasOwn(ERRORS, value),
);
export const errorData = v.object({
  code: errorCode,
  what: v.string(),
  where: v.record(v.string(), v.union([v.string(), v.number()])),
}) as v.GenericSchema<unknown, ErrorData>;

/** One leader's reign. Workers refuse a lower number, or an equal one with another uuid. */
export const epoch = v.object({ number: count, leader: text });
export type Epoch = v.InferOutput<typeof epoch>;

/** A module that exports actors, tasks and main, by URL and the sha256 of its bytes. */
export const program = v.object({ url: text, sha256: hash });
export type Program = v.InferOutput<typeof program>;

/** A class as `actor()` names it, a function as `task()` does: short and plain, people see it. */
export const className = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,62}$/));

/** Whose an actor or a task is: a client's or a driver's process. */
export const owner = v.object({ identity: text, process: processId });
export type Owner = v.InferOutput<typeof owner>;
