/** Amounts are exact, what isn't one is refused by name, and equal needs have equal keys. */
import { describe, expect, test } from "vitest";
import * as v from "valibot";
import { demandOf } from "../../../runtime/resources/demand.ts";
import {
  ANY_NODE,
  fits,
  labelsOf,
  type LabelRequest,
  matches,
  minus,
  NO_RESOURCES,
  ONE_CPU,
  plus,
  type ResourceRequest,
  resources,
  resourcesOf,
  selectorOf,
  shapeKey,
  UNITS,
} from "../../../runtime/resources/resources.ts";
import { resourcesText, selectorText } from "../../../runtime/resources/text.ts";

describe("amounts", () => {
  test("ten tenths are one, and n times 1/n always fits", () => {
    const tenth = resourcesOf({ cpu: 0.1, custom: { disk: 0.1 } });
    let sum = NO_RESOURCES;
    for (let i = 0; i < 10; i += 1) sum = plus(sum, tenth);
    expect(sum).toEqual(resourcesOf({ cpu: 1, custom: { disk: 1 } }));
    for (let n = 1; n <= 1_000; n += 1) {
      expect(n * resourcesOf({ gpu: 1 / n }).gpu, `1/${n}`).toBeLessThanOrEqual(UNITS);
    }
    // 0.29 x 10,000 is 2,899.9999999999995 in floating point.
    expect(resourcesOf({ cpu: 0.29 }).cpu).toBe(2_900);
  });

  test("what is taken away and given back leaves nothing", () => {
    const a = resourcesOf({ cpu: 4, gpu: 1, memory: 100, custom: { x: 2 } });
    const b = resourcesOf({ cpu: 0.5, memory: 7, custom: { x: 2 } });
    const rest = minus(a, b);
    expect(rest.custom).toEqual({});
    expect(plus(rest, b)).toEqual(a);
    expect([fits(b, a), fits(a, b), fits(b, rest)]).toEqual([true, false, false]);
  });

  test("a resource that is called like a member of objects isn't there for nothing", () => {
    const need = resourcesOf({ custom: { toString: 1, valueOf: 1 } });
    expect(fits(need, resourcesOf({ cpu: 8 }))).toBe(false);
    expect(matches(selectorOf({ in: { toString: "x" } }), {})).toBe(false);
  });

  test("cross the wire as they are", () => {
    const said = resourcesOf({ cpu: 1.5, gpu: 2, memory: 2 ** 40, custom: { "fpga/a": 3 } });
    expect(v.parse(resources, said)).toEqual(said);
    for (const bad of [{ cpu: -1 }, { gpu: 15_000 }, { memory: 0.5 }, { custom: { x: 0 } }]) {
      expect(v.is(resources, { ...NO_RESOURCES, ...bad }), JSON.stringify(bad)).toBe(false);
    }
  });

  test.each<[unknown, string]>([
    [{ cpu: -1 }, "resources.cpu is a number from 0 to 1000000, not -1"],
    [{ cpu: Number.NaN }, "resources.cpu is a number from 0 to 1000000, not NaN"],
    [{ cpu: "2" }, "resources.cpu is a number from 0 to 1000000, not 2"],
    [{ cpu: 0.00001 }, "resources.cpu is 0 or at least 0.0001, not 0.00001"],
    [{ gpu: 1.5 }, "resources.gpu is a share of one GPU or a whole number of them, not 1.5"],
    [{ gpu: 1.00001 }, "resources.gpu is a share of one GPU or a whole number of them"],
    [{ gpu: 4_000 }, "resources.gpu is a number from 0 to 1024, not 4000"],
    [{ memory: 1.5 }, "resources.memory is a whole number of bytes"],
    [{ memory: 2 ** 51 }, "resources.memory is a whole number of bytes"],
    [{ gpus: 1 }, 'resources has no "gpus", but cpu, gpu, memory, custom; others stand in custom'],
    [{ custom: { "a b": 1 } }, "a name in resources.custom is 1 to 63 letters"],
    [{ custom: { constructor: 1 } }, "a name in resources.custom is 1 to 63 letters"],
    [{ custom: [1] }, "resources.custom is an object, not [1]"],
    [{ custom: many(33) }, "resources.custom names at most 32, not 33"],
    [null, "resources is an object, not null"],
  ])("%j is refused", (request, what) => {
    expect(() => resourcesOf(request as ResourceRequest)).toThrow(what);
  });
});

describe("labels", () => {
  test("a node is chosen by the values it has, and by those it hasn't", () => {
    const selector = selectorOf({ in: { zone: ["b", "a"] }, notIn: { disk: "hdd" } });
    expect(matches(selector, { zone: "a", disk: "ssd" })).toBe(true);
    expect(matches(selector, { zone: "a" })).toBe(true);
    expect(matches(selector, { zone: "a", disk: "hdd" })).toBe(false);
    expect(matches(selector, { zone: "c" })).toBe(false);
    expect(matches(selector, {})).toBe(false);
    expect(selectorText(selector)).toBe("zone=a or b, disk not hdd");
  });

  test.each<[unknown, string]>([
    [{ zone: "a" }, 'labels has no "zone", but in, notIn'],
    [{ in: { zone: [] } }, "labels.in.zone is a value or 1 to 32 of them"],
    [{ in: { zone: 3 } }, "labels.in.zone is a value or 1 to 32 of them"],
    [{ notIn: { zone: "\u001B[2J" } }, "labels.notIn.zone is 1 to 63 letters"],
    [{ in: { "": "a" } }, "a name in labels.in is 1 to 63 letters"],
  ])("%j is refused", (request, what) => {
    expect(() => selectorOf(request as LabelRequest)).toThrow(what);
  });

  test("of a node are one value each", () => {
    expect(labelsOf({ b: "2", a: "1" })).toEqual({ a: "1", b: "2" });
    expect(() => labelsOf({ a: "" })).toThrow("labels.a is 1 to 63 letters");
  });
});

describe("shapes", () => {
  test("that need the same have the same key, whatever was said first", () => {
    const one = {
      resources: resourcesOf({ custom: { b: 1, a: 2 }, cpu: 1 }),
      labels: selectorOf({ in: { z: ["2", "1"], y: "3" } }),
    };
    const other = {
      resources: { ...one.resources, custom: { b: UNITS, a: 2 * UNITS } },
      labels: { in: { y: ["3"], z: ["1", "2"] }, notIn: {} },
    };
    expect(shapeKey(one)).toBe(shapeKey(other));
    expect(shapeKey(one)).not.toBe(shapeKey({ ...one, labels: ANY_NODE }));
    expect(resourcesText(one.resources)).toBe("1 cpu, 2 a, 1 b");
  });
});

describe("what mapBatches asks for", () => {
  test("is nothing when it is what every shard takes", () => {
    expect(demandOf({})).toEqual({});
    expect(demandOf({ numCpus: 1, numGpus: 0 })).toEqual({});
  });

  test("is a shape, and how many at once", () => {
    const { concurrency, shape } = demandOf({ concurrency: [1, 8], numGpus: 0.5, memory: 9 });
    expect(concurrency).toEqual({ min: 1, max: 8 });
    expect(shape?.resources).toEqual({ ...ONE_CPU.resources, gpu: UNITS / 2, memory: 9 });
    expect(demandOf({ concurrency: 3 })).toEqual({ concurrency: { min: 0, max: 3 } });
  });

  test.each<[object, string]>([
    [{ numGpus: 1.5 }, "numGpus is a share of one GPU or a whole number of them, not 1.5"],
    [{ numCpus: -1 }, "numCpus is a number from 0"],
    [{ memory: "1g" }, "memory is a whole number of bytes"],
    [{ concurrency: 0 }, "concurrency is a whole number from 1 to 1000000, not 0"],
    [{ concurrency: [4, 2] }, "concurrency's least is a whole number from 0 to 2, not 4"],
    [{ concurrency: [1, 2, 3] }, "concurrency is a number or [least, most], not [1,2,3]"],
  ])("%j is refused", (options, what) => {
    expect(() => demandOf(options)).toThrow(what);
  });
});

function many(n: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [`r${i}`, 1]));
}
