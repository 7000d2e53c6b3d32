/** The typed handle of a remote actor: its methods, each returning a promise of its own type. */
import type { ActorLink } from "./link.ts";

type Method = (...args: never[]) => unknown;

/**
 * The methods of a class as a caller elsewhere sees them. Fields and private members don't cross.
 */
export type RemoteActor<Instance> = {
  readonly [Name in keyof Instance as Instance[Name] extends Method
    ? Name
    : never]: Instance[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

export const ActorHandle = {
  /** A handle over an open link. `then` isn't a method, so that a handle can be awaited. */
  over<Instance>(link: ActorLink, actorId: string): RemoteActor<Instance> {
    const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>();
    const target = Object.create(null) as RemoteActor<Instance>;
    return new Proxy(target, {
      get: (_target, name) => {
        if (typeof name !== "string" || name === "then") return undefined;
        const known = methods.get(name);
        if (known !== undefined) return known;
        const method = (...args: unknown[]): Promise<unknown> => link.call(actorId, name, args);
        methods.set(name, method);
        return method;
      },
    });
  },
};
