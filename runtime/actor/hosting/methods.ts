/** From a call's name to an instance's method: what may be called from afar, and how. */
import { SystemError } from "../../errors.ts";
import type { Hosted } from "./hosted.ts";
import type { TakenCall } from "./taken.ts";

/** Methods every object has, which are nobody's to call from afar. */
const FORBIDDEN = new Set(["constructor", ...Object.getOwnPropertyNames(Object.prototype)]);
/** What async functions inherit from. */
export const asyncFunction = Object.getPrototypeOf(async () => undefined) as object;

type Method = (...args: readonly unknown[]) => unknown;

/** Calls the method of a call. @throws whatever it throws, or `methodOf`. */
export function invoke(call: TakenCall): unknown {
  const { hosted, method, args } = call;
  // What the method starts may keep its call alive for long; its arguments needn't be.
  call.args = [];
  return Reflect.apply(methodOf(hosted, method), hosted.instance, args);
}

/** @throws {SystemError} ACTOR_NOT_FOUND; what a getter of that name throws. */
export function methodOf(hosted: Hosted, name: string): Method {
  if (hosted.lastMethod !== name && FORBIDDEN.has(name)) throw noMethod(name);
  const method: unknown = Reflect.get(hosted.instance, name);
  if (typeof method !== "function") throw noMethod(name);
  hosted.lastMethod = name;
  return method as Method;
}

function noMethod(name: string): SystemError {
  return new SystemError("ACTOR_NOT_FOUND", `the actor has no method ${name}`);
}

/** Whether a method's result comes later. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null || !("then" in value)) return false;
  return typeof value.then === "function";
}
