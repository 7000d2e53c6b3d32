/**
 * The classes, functions, sources and programs that one process knows by name. Filled by importing
 * modules; executors map `ligase` to their own copy, so there is one registry a process, or a
 * thread.
 */
import { SystemError } from "../errors.ts";
import type { Source } from "../dataset/types.ts";
import { checkNames } from "../usage.ts";

/** A class whose instances can be actors; arguments and results cross processes. */
// biome-ignore lint: a constructor's parameters are contravariant; only this form accepts any
// class.
export type ActorClass<Instance extends object = object> = new (...args: never[]) => Instance;

/** What `actor()` returns: the typed name of a class. */
export interface ActorType<Class extends ActorClass = ActorClass> {
  readonly kind: "actor";
  readonly name: string;
  readonly class: Class;
  /** Whether its instances may live in threads. */
  readonly threads: boolean;
}

/** How a class may be hosted, wherever it is spawned from. */
export interface ActorDefinition {
  /**
   * The class and all that its module imports are safe in threads: `hosting: "thread"` is allowed.
   */
  readonly threads?: boolean;
}

/** A plain function that can be a task; arguments and result cross processes. */
// biome-ignore lint: as with classes, only this form accepts any function.
export type TaskFunction = (...args: never[]) => unknown;

/** What `task()` returns: the typed name of a function. */
export interface TaskType<Fn extends TaskFunction = TaskFunction> {
  readonly kind: "task";
  readonly name: string;
  readonly fn: Fn;
  /** Whether it runs in threads, beside others of its program in one process. */
  readonly threads: boolean;
}

/** @throws {SystemError} USAGE when a class that doesn't say it is safe is to live in a thread. */
export function checkHosting({ name, threads }: ActorType, hosting: string): void {
  if (hosting !== "thread" || threads) return;
  const what = `${name} may not be hosted in a thread: actor(name, class, { threads: true })`;
  throw new SystemError("USAGE", what);
}

/** How a task's function may be run, wherever it is submitted from. */
export interface TaskDefinition {
  /**
   * The function and all that its module imports are safe in threads: tasks then share a process
   * with one thread a core, which is lighter; a crash of that process ends all of them.
   */
  readonly threads?: boolean;
}

const actors = new Map<string, ActorType>();
const tasks = new Map<string, TaskType>();
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
export function actor<Class extends ActorClass>(
  name: string,
  actorClass: Class,
  definition: ActorDefinition = {},
): ActorType<Class> {
  checkName(name);
  checkNames(definition, ["threads"]);
  const { threads = false } = definition;
  const known = actors.get(name);
  if (known !== undefined && known.class !== actorClass) {
    throw new SystemError("USAGE", `two actor classes are named ${name}`);
  }
  for (const method of LOCAL_METHODS) {
    if (!(method in actorClass.prototype)) continue;
    throw new SystemError("USAGE", `the actor ${name} can't have a method ${method}`);
  }
  const type: ActorType<Class> = { kind: "actor", name, class: actorClass, threads };
  actors.set(name, type);
  return type;
}

/**
 * Registers a function that can be submitted as a task.
 * @param name - lower-case letters, digits and `-`; unique among the tasks of the process.
 * @throws {SystemError} USAGE for a bad name, or one that another function has.
 */
export function task<Fn extends TaskFunction>(
  name: string,
  fn: Fn,
  definition: TaskDefinition = {},
): TaskType<Fn> {
  checkName(name);
  checkNames(definition, ["threads"]);
  const { threads = false } = definition;
  if (typeof fn !== "function") throw new SystemError("USAGE", `the task ${name} is no function`);
  const known = tasks.get(name);
  if (known !== undefined && known.fn !== fn) {
    throw new SystemError("USAGE", `two tasks are named ${name}`);
  }
  const type: TaskType<Fn> = { kind: "task", name, fn, threads };
  tasks.set(name, type);
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

/** A loaded program: its exported actors and tasks by name, and its main. */
export interface LoadedProgram {
  readonly actors: ReadonlyMap<string, ActorType>;
  readonly tasks: ReadonlyMap<string, TaskType>;
  readonly main: ((cluster: never, argv: string[]) => Promise<unknown>) | undefined;
}

/** What a module's namespace exports: actors, tasks, main. Importing alone has run no main. */
function programOf(namespace: Readonly<Record<string, unknown>>): LoadedProgram {
  const exported = new Map<string, ActorType>();
  const functions = new Map<string, TaskType>();
  for (const value of Object.values(namespace)) {
    if (isActorType(value)) exported.set(value.name, value);
    else if (isTaskType(value)) functions.set(value.name, value);
  }
  const main = namespace["default"];
  return {
    actors: exported,
    tasks: functions,
    main: typeof main === "function" ? (main as LoadedProgram["main"]) : undefined,
  };
}

/**
 * A program's actors, tasks and main, its module imported.
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

/** @throws {SystemError} NOT_IN_PROGRAM: only a program's exports can be submitted. */
export function taskOf(program: LoadedProgram, name: string): TaskType {
  const found = program.tasks.get(name);
  if (found === undefined) {
    throw new SystemError("NOT_IN_PROGRAM", `the program doesn't export the task ${name}`);
  }
  return found;
}

function isTaskType(value: unknown): value is TaskType {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "task";
}

function isActorType(value: unknown): value is ActorType {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "actor";
}

function checkName(name: string): void {
  if (!NAME.test(name)) throw new SystemError("USAGE", `bad name ${JSON.stringify(name)}`);
}
