/**
 * The classes, sources and programs that one process knows by name. Filled by importing modules;
 * executors map `ligase` to their own copy, so there is one registry a process.
 */
import { SystemError } from "../errors.ts";
import type { Source } from "../dataset/types.ts";

/** A class whose instances can be actors; arguments and results cross processes. */
// biome-ignore lint: a constructor's parameters are contravariant; only this form accepts any
// class.
export type ActorClass<Instance extends object = object> = new (...args: never[]) => Instance;

/** What `actor()` returns: the typed name of a class. */
export interface ActorType<Class extends ActorClass = ActorClass> {
  readonly kind: "actor";
  readonly name: string;
  readonly class: Class;
}

const actors = new Map<string, ActorType>();
const sources = new Map<string, Source>();
/** What a handle answers itself: it is no promise and no JSON. */
const LOCAL_METHODS = ["then", "toJSON"];
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Registers a class as an actor type.
 * @param name - lower-case letters, digits and `-`; unique in the process.
 * @throws {SystemError} USAGE for a bad name, one that another class has, or a method that no
 * handle can have: an awaited or printed handle would call it.
 */
export function actor<Class extends ActorClass>(name: string, actorClass: Class): ActorType<Class> {
  checkName(name);
  const known = actors.get(name);
  if (known !== undefined && known.class !== actorClass) {
    throw new SystemError("USAGE", `two actor classes are named ${name}`);
  }
  for (const method of LOCAL_METHODS) {
    if (!(method in actorClass.prototype)) continue;
    throw new SystemError("USAGE", `the actor ${name} can't have a method ${method}`);
  }
  const type: ActorType<Class> = { kind: "actor", name, class: actorClass };
  actors.set(name, type);
  return type;
}

/** Registers where records come from. @throws {SystemError} USAGE for a bad or taken name. */
export function source(implementation: Source): Source {
  checkName(implementation.name);
  const known = sources.get(implementation.name);
  if (known !== undefined && known !== implementation) {
    throw new SystemError("USAGE", `two sources are named ${implementation.name}`);
  }
  sources.set(implementation.name, implementation);
  return implementation;
}

/** @throws {SystemError} NOT_IN_PROGRAM when no imported module registered it. */
export function sourceNamed(name: string): Source {
  const found = sources.get(name);
  if (found === undefined) throw new SystemError("NOT_IN_PROGRAM", `no source ${name}`);
  return found;
}

/** A loaded program: its exported actors by name, and its main. */
export interface LoadedProgram {
  readonly actors: ReadonlyMap<string, ActorType>;
  readonly main: ((cluster: never, argv: string[]) => Promise<unknown>) | undefined;
}

/** The actors and main that a module's namespace exports; importing alone has run no main. */
function programOf(namespace: Readonly<Record<string, unknown>>): LoadedProgram {
  const exported = new Map<string, ActorType>();
  for (const value of Object.values(namespace)) {
    if (isActorType(value)) exported.set(value.name, value);
  }
  const main = namespace["default"];
  return {
    actors: exported,
    main: typeof main === "function" ? (main as LoadedProgram["main"]) : undefined,
  };
}

/**
 * A program's actors and main, its module imported.
 * @throws {SystemError} PROGRAM_INVALID when it isn't a file or doesn't load.
 */
export async function importProgram(url: string): Promise<LoadedProgram> {
  if (!url.startsWith("file:")) {
    throw new SystemError("PROGRAM_INVALID", "only file: programs run here", { uri: url });
  }
  try {
    return programOf((await import(url)) as Record<string, unknown>);
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("PROGRAM_INVALID", what, { uri: url }, thrown);
  }
}

/** @throws {SystemError} NOT_IN_PROGRAM: only a program's exports can be spawned. */
export function actorOf(program: LoadedProgram, name: string): ActorType {
  const found = program.actors.get(name);
  if (found === undefined) {
    throw new SystemError("NOT_IN_PROGRAM", `the program doesn't export the actor ${name}`);
  }
  return found;
}

function isActorType(value: unknown): value is ActorType {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "actor";
}

function checkName(name: string): void {
  if (!NAME.test(name)) throw new SystemError("USAGE", `bad name ${JSON.stringify(name)}`);
}
