/**
 * The typed handle of a remote actor: its methods, each returning a promise of its own type, or an
 * async generator where the method is one.
 */
import { SystemError } from "../errors.ts";
import { checkNames } from "../usage.ts";
import { CALL_OPTIONS, type CallOptions } from "./calls/call.ts";
import type { CallTarget } from "./calls/port.ts";
import type { ActorType } from "./registry.ts";

export type { CallOptions } from "./calls/call.ts";
export type { CallTarget } from "./calls/port.ts";

type Method = (...args: never[]) => unknown;

/** What a method gives its caller elsewhere. */
type Remote<Result> =
  Result extends AsyncGenerator<infer Item, unknown, never>
    ? AsyncGenerator<Item, void, void>
    : Result extends Generator<infer Item, unknown, never>
      ? AsyncGenerator<Item, void, void>
      : Promise<Awaited<Result>>;

/**
 * The methods of a class as a caller elsewhere sees them. Fields and private members don't cross.
 */
export type RemoteActor<Instance> = {
  readonly [Name in keyof Instance as Name extends string
    ? Instance[Name] extends Method
      ? Name
      : never
    : never]: Instance[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Remote<Result>
    : never;
};

/** Where a handle's calls go, and how. */
interface Way {
  readonly target: CallTarget;
  readonly options: CallOptions | undefined;
  readonly prototype: object;
}

const ways = new WeakMap<object, Way>();
const prototypes = new WeakMap<object, object>();

/** Names that a handle is asked for by who awaits or writes it: no method of theirs is remote. */
const LOCAL = new Set(["then", "toJSON"]);

const generators: readonly object[] = [
  Object.getPrototypeOf(function* () {}) as object,
  Object.getPrototypeOf(async function* () {}) as object,
];

/** Every handle is an instance of it, so that nothing takes one for plain data. */
class ActorHandle {
  constructor(way: Way) {
    ways.set(this, way);
  }

  [Symbol.toPrimitive](): string {
    return `[actor ${wayOf(this).target.actorId}]`;
  }
}

/** A handle whose calls go to a target. The class tells which of its methods are streams. */
export function newHandle<Instance>(type: ActorType, target: CallTarget): RemoteActor<Instance> {
  const prototype = prototypeOf(type.class);
  return made({ target, options: undefined, prototype }) as RemoteActor<Instance>;
}

/**
 * The same actor, its calls with these options beside those that the handle had:
 * `await withOptions(embedder, { signal, deadlineMs: 500, retries: 2 }).embed(batch)`.
 * @throws {SystemError} USAGE for something that isn't a handle, or an unknown option.
 */
export function withOptions<Handle extends object>(handle: Handle, options: CallOptions): Handle {
  const way = wayOf(handle);
  checkNames(options, CALL_OPTIONS);
  return made({ ...way, options: { ...way.options, ...options } }) as Handle;
}

/** Where a handle's calls go. @throws {SystemError} USAGE for something that isn't a handle. */
export function targetOf(handle: object): CallTarget {
  return wayOf(handle).target;
}

function wayOf(handle: object): Way {
  const way = ways.get(handle);
  if (way === undefined) throw new SystemError("USAGE", "this isn't an actor's handle");
  return way;
}

function made(way: Way): object {
  return Object.setPrototypeOf(new ActorHandle(way), way.prototype) as object;
}

/**
 * What handles of one class inherit: its methods, and behind them whatever name is asked for,
 * because fields that hold a function are in no prototype. A method is bound to its handle when it
 * is first read, so that it can be passed on: `batches.map(embedder.embed)`.
 */
function prototypeOf(actorClass: ActorType["class"]): object {
  const known = prototypes.get(actorClass);
  if (known !== undefined) return known;
  const methods = Object.create(
    new Proxy(Object.create(ActorHandle.prototype) as object, {
      get: (handle, name, receiver: object) => {
        // Who looks for a class behind a handle finds ActorHandle, and no method.
        if (typeof name !== "string" || !ways.has(receiver)) return Reflect.get(handle, name);
        return LOCAL.has(name) ? undefined : bound(receiver, name, false);
      },
    }),
  ) as object;
  for (const [name, isStream] of methodsOf(actorClass)) {
    Object.defineProperty(methods, name, {
      get(this: object) {
        return bound(this, name, isStream);
      },
    });
  }
  prototypes.set(actorClass, methods);
  return methods;
}

function bound(handle: object, name: string, isStream: boolean): (...args: unknown[]) => unknown {
  const { target, options } = wayOf(handle);
  const method = isStream
    ? (...args: unknown[]): unknown => target.stream(name, args, options)
    : (...args: unknown[]): unknown => target.call(name, args, options);
  Object.defineProperty(handle, name, { value: method });
  return method;
}

/** The methods of a class and those it inherits, and whether each is a generator. */
function methodsOf(actorClass: ActorType["class"]): Map<string, boolean> {
  const methods = new Map<string, boolean>();
  let prototype = actorClass.prototype as object | null;
  while (prototype !== null && prototype !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
      if (typeof value !== "function" || name === "constructor" || LOCAL.has(name)) continue;
      if (methods.has(name)) continue;
      methods.set(name, generators.includes(Object.getPrototypeOf(value) as object));
    }
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return methods;
}
