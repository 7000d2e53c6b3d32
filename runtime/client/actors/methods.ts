/** The types of a pool's calls: method by method, as the class has them. */

/** Names of the methods that a pool may call: those with one result. */
export type PoolMethod<Instance> = {
  [Name in keyof Instance]: Instance[Name] extends (...args: never[]) => infer Result
    ? Result extends Generator | AsyncGenerator
      ? never
      : Name
    : never;
}[keyof Instance] &
  string;

/** What a method takes. */
export type Args<Instance, Name extends keyof Instance> = Instance[Name] extends (
  ...args: infer Given
) => unknown
  ? Given
  : never;

/** What a method's promise gives. */
export type Result<Instance, Name extends keyof Instance> = Instance[Name] extends (
  ...args: never[]
) => infer Given
  ? Awaited<Given>
  : never;

/** Items, at hand or to come. */
export type SourceOf<Item> = Iterable<Item> | AsyncIterable<Item>;
