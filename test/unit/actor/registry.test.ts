/** Which classes can be actors. */
import { expect, it } from "vitest";
import { actor } from "../../../runtime/actor/registry.ts";
import { systemErrorOf } from "../frame/fixtures.ts";

it.each(["then", "toJSON"])("a class with a method %s is refused: no handle has it", (method) => {
  class Base {
    work(): void {}
  }
  Object.defineProperty(Base.prototype, method, { value: () => undefined });
  class Inheriting extends Base {}
  const error = systemErrorOf(() => actor("with-method", Inheriting));
  expect(error.code).toBe("USAGE");
  expect(error.what).toContain(method);
});
