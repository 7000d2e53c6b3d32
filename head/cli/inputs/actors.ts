/**
 * What commands use of the actors by themselves, without a cluster: modules of the package, loaded
 * by their URL as programs are, because the head's own code doesn't know what an actor computes.
 */

const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";

/** The exports of a module of `actors`, as the caller declares them. @param name - its path. */
export async function loadActors<Exports>(name: string): Promise<Exports> {
  const url = new URL(`../../../actors/${name}${EXTENSION}`, import.meta.url);
  const loaded: unknown = await import(url.href);
  return loaded as Exports;
}
