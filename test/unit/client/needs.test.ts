/** What spawn and pool say of resources and labels, and what of it reaches the head. */
import { describe, expect, test } from "vitest";
import * as v from "valibot";
import {
  actorOptionsOf,
  memberOptionsOf,
  type SpawnOptions,
} from "../../../runtime/client/actors/options.ts";
import { actorOptions } from "../../../runtime/messages.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";

const SIZE = { min: 0, max: 2 };

describe("an actor's needs", () => {
  test("cross as amounts and values, in a pool too", () => {
    const needs = { resources: { cpu: 0.5, gpu: 1 }, labels: { in: { zone: "a" } } };
    const said = {
      resources: { cpu: UNITS / 2, gpu: UNITS, memory: 0, custom: {} },
      labels: { in: { zone: ["a"] }, notIn: {} },
    };
    for (const options of [actorOptionsOf(needs), memberOptionsOf({ ...needs, size: SIZE })]) {
      expect(options).toMatchObject(said);
      expect(v.parse(actorOptions, options)).toEqual(options);
    }
  });

  test("that are none are left out: such an actor is what it was before there were any", () => {
    for (const options of [{}, { resources: {} }, { resources: { cpu: 0 } }]) {
      expect(actorOptionsOf(options)).not.toHaveProperty("resources");
      expect(actorOptionsOf(options)).not.toHaveProperty("labels");
    }
  });

  test.each<[SpawnOptions, string]>([
    [{ resources: { gpu: 1.5 } }, "resources.gpu is a share of one GPU"],
    [{ resources: { gpu: 0.5 }, hosting: "shared" }, "needs hosting process"],
    [{ labels: { in: { "a b": "c" } } }, "a name in labels.in"],
  ])("that are wrong are refused: %j", (options, what) => {
    expect(() => actorOptionsOf(options)).toThrow(what);
    expect(() => memberOptionsOf({ ...(options as object), size: SIZE })).toThrow(what);
  });
});
