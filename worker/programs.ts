/**
 * Programs, loaded by URL from data. A program imports `ligase` and `ligase/*`: wherever it lies,
 * these are this package's own, so that there is one registry of actors.
 */
import { registerHooks } from "node:module";
import { importProgram, type LoadedProgram } from "../runtime/actor/registry.ts";

const loaded = new Map<string, Promise<LoadedProgram>>();

/** Maps `ligase` imports to this package; call once, before the first program is loaded. */
export function mapLigaseImports(): void {
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const ours = specifier === "ligase" || specifier.startsWith("ligase/");
      // A parent inside the package makes its own `exports` answer.
      return nextResolve(specifier, ours ? { ...context, parentURL: import.meta.url } : context);
    },
  });
}

/**
 * The program's actors and main. Importing runs no main.
 * @throws {SystemError} PROGRAM_INVALID when its module doesn't load.
 */
export function loadProgram(url: string): Promise<LoadedProgram> {
  const known = loaded.get(url);
  if (known !== undefined) return known;
  const program = importProgram(url);
  loaded.set(url, program);
  return program;
}
