/** What placement prefers, and that it never gives away what isn't there, whatever happens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeAll, placeOn } from "../../../head/core/placement/placement.ts";
import {
  changeRoom,
  fitsEver,
  fitsNow,
  freeGpus,
  giveBack,
  type Grant,
  hold,
  newRoom,
  type Room,
} from "../../../head/core/placement/room.ts";
import {
  type LabelRequest,
  type Labels,
  type ResourceRequest,
  type Resources,
  resourcesOf,
  selectorOf,
  type Shape,
  UNITS,
} from "../../../runtime/resources/resources.ts";

type Nodes = Map<string, { readonly room: Room }>;

function node(request: ResourceRequest, labels: Labels = {}): { readonly room: Room } {
  return { room: newRoom(resourcesOf(request), labels) };
}

function shapeOf(request: ResourceRequest, labels: LabelRequest = {}): Shape {
  return { resources: resourcesOf(request), labels: selectorOf(labels) };
}

/** Names of the nodes where so many of it go, one after the other. */
function placeMany(nodes: Nodes, shape: Shape, times: number): (string | undefined)[] {
  return Array.from({ length: times }, () => placeOn(nodes, shape)?.name);
}

describe("a piece of work goes", () => {
  test("where most of what it reads is, if it fits there", () => {
    const nodes: Nodes = new Map([
      ["a", node({ cpu: 4 })],
      ["b", node({ cpu: 1 })],
    ]);
    const near = (name: string): number => (name === "b" ? 1_000 : 0);
    expect(placeOn(nodes, shapeOf({ cpu: 1 }), { near })?.name).toBe("b");
    expect(placeOn(nodes, shapeOf({ cpu: 1 }), { near })?.name).toBe("a");
  });

  test("to the least loaded node of those on which it fits", () => {
    const nodes: Nodes = new Map([
      ["a", node({ cpu: 2 })],
      ["b", node({ cpu: 4 })],
    ]);
    const places = placeMany(nodes, shapeOf({ cpu: 1 }), 7);
    expect(places).toEqual(["a", "b", "b", "a", "b", "b", undefined]);
  });

  test("only to a node with its labels", () => {
    const nodes: Nodes = new Map([
      ["a", node({ cpu: 9 }, { zone: "x" })],
      ["b", node({ cpu: 1 }, { zone: "y" })],
    ]);
    const shape = shapeOf({ cpu: 1 }, { in: { zone: "y" } });
    expect(placeMany(nodes, shape, 2)).toEqual(["b", undefined]);
  });

  test("not where it may not, whatever is free there", () => {
    const nodes: Nodes = new Map([["a", node({ cpu: 9 })]]);
    expect(placeOn(nodes, shapeOf({ cpu: 1 }), { places: () => 0 })).toBeUndefined();
  });
});

describe("a share of a GPU", () => {
  test("fills one up before it begins another, over all nodes", () => {
    const nodes: Nodes = new Map([
      ["a", node({ gpu: 2 })],
      ["b", node({ gpu: 1 })],
    ]);
    const half = shapeOf({ gpu: 0.5 });
    const quarter = shapeOf({ gpu: 0.25 });
    expect(placeOn(nodes, half)).toMatchObject({ name: "a", grant: { gpus: [0] } });
    expect(placeOn(nodes, quarter)).toMatchObject({ name: "a", grant: { gpus: [0] } });
    // A GPU has to be begun: that of the node that does least.
    expect(placeOn(nodes, half)).toMatchObject({ name: "b", grant: { gpus: [0] } });
    expect(placeOn(nodes, half)).toMatchObject({ name: "b", grant: { gpus: [0] } });
    expect(placeOn(nodes, shapeOf({ gpu: 1 }))).toMatchObject({ name: "a", grant: { gpus: [1] } });
    expect(placeOn(nodes, half)).toBeUndefined();
    expect(placeOn(nodes, quarter)).toMatchObject({ name: "a", grant: { gpus: [0] } });
  });

  test("never spans two, and several are whole", () => {
    const nodes: Nodes = new Map([["a", node({ gpu: 3 })]]);
    const thirds = placeMany(nodes, shapeOf({ gpu: 1 / 3 }), 4);
    expect(thirds).toEqual(["a", "a", "a", "a"]);
    expect(nodes.get("a")?.room.gpuFree).toEqual([1, UNITS - 3_333, UNITS]);
    // 1.6 GPUs are free, and one of them is whole.
    expect(placeOn(nodes, shapeOf({ gpu: 2 }))).toBeUndefined();
    expect(placeOn(nodes, shapeOf({ gpu: 0.7 }))?.grant.gpus).toEqual([2]);
  });

  test("leaves whole ones to who needs them", () => {
    const nodes: Nodes = new Map([["a", node({ gpu: 2 })]]);
    placeMany(nodes, shapeOf({ gpu: 0.1 }), 10);
    expect(placeOn(nodes, shapeOf({ gpu: 1 }))?.grant.gpus).toEqual([1]);
  });
});

test("what makes sense together is placed as a whole or not at all", () => {
  const nodes: Nodes = new Map([
    ["a", node({ cpu: 2 })],
    ["b", node({ cpu: 1 })],
  ]);
  const one = shapeOf({ cpu: 1 });
  expect(placeAll(nodes, [one, one, one, one])).toBeUndefined();
  expect([...nodes.values()].map(({ room }) => room.free.cpu)).toEqual([2 * UNITS, UNITS]);
  expect(placeAll(nodes, [one, one, one])?.map(({ name }) => name)).toHaveLength(3);
});

test("a node that says to have less keeps what it holds, and takes no more before", () => {
  const { room } = node({ cpu: 4, gpu: 2 });
  const grants: Grant[] = [];
  const nodes: Nodes = new Map([["a", { room }]]);
  for (const gpu of [0.5, 0.5, 0.5]) {
    grants.push(placeOn(nodes, shapeOf({ cpu: 1, gpu }))?.grant ?? noGrant());
  }
  changeRoom(room, resourcesOf({ cpu: 2, gpu: 1 }), { zone: "a" });
  expect([room.free.cpu, freeGpus(room)]).toEqual([-UNITS, [0]]);
  // One that comes back is what it was: half of it is still held.
  changeRoom(room, resourcesOf({ cpu: 2, gpu: 3 }), {});
  expect(freeGpus(room)).toEqual([0, UNITS / 2, UNITS]);
  changeRoom(room, resourcesOf({ cpu: 2, gpu: 1 }), {});
  for (const grant of grants) giveBack(room, grant);
  expect([room.free.cpu, freeGpus(room)]).toEqual([2 * UNITS, [UNITS]]);
  changeRoom(room, resourcesOf({ cpu: 2, gpu: 3 }), {});
  expect(freeGpus(room)).toEqual([UNITS, UNITS, UNITS]);
});

function noGrant(): never {
  throw new Error("it had to fit");
}

/** What is known of a node without any of the arithmetic that is tested. */
interface Plain {
  readonly total: Resources;
  readonly labels: Labels;
  readonly held: Grant[];
}

const KINDS = ["cpu", "gpu", "memory", "disk"] as const;

function amountOf(resources: Resources, kind: (typeof KINDS)[number]): number {
  return kind === "disk" ? (resources.custom["disk"] ?? 0) : resources[kind];
}

/** Whether all grants of a node together are more than it has. */
function isOver({ total, held }: Plain): boolean {
  const over = KINDS.some(
    (kind) =>
      held.reduce((sum, { resources }) => sum + amountOf(resources, kind), 0) >
      amountOf(total, kind),
  );
  return over || gpuUse({ total, held }).some((units) => units > UNITS);
}

function gpuUse({ total, held }: Pick<Plain, "total" | "held">): number[] {
  const use = Array.from({ length: total.gpu / UNITS }, () => 0);
  for (const { resources, gpus } of held) {
    for (const gpu of gpus) use[gpu] = (use[gpu] ?? 0) + resources.gpu / gpus.length;
  }
  return use;
}

/** Whether there is any way to put it there: each GPU alone, or enough untouched ones. */
function hasRoom(plain: Plain, { resources, labels }: Shape): boolean {
  for (const [label, values] of Object.entries(labels.in)) {
    if (!values.includes(plain.labels[label] ?? "")) return false;
  }
  for (const [label, values] of Object.entries(labels.notIn)) {
    if (values.includes(plain.labels[label] ?? "")) return false;
  }
  const others = {
    ...plain,
    held: [...plain.held, { resources: { ...resources, gpu: 0 }, gpus: [] }],
  };
  if (isOver(others)) return false;
  const use = gpuUse(plain);
  if (resources.gpu < UNITS)
    return resources.gpu === 0 || use.some((units) => units + resources.gpu <= UNITS);
  return use.filter((units) => units === 0).length * UNITS >= resources.gpu;
}

const request = fc.record({
  cpu: fc.constantFrom(0, 0.1, 1 / 3, 0.5, 1, 2, 7),
  gpu: fc.constantFrom(0, 0, 0.1, 1 / 3, 0.5, 1, 2),
  memory: fc.constantFrom(0, 1, 1_000),
  custom: fc.constantFrom<Record<string, number>>({}, {}, { disk: 0.3 }, { disk: 2 }),
});
const wanted = fc.constantFrom<LabelRequest>(
  {},
  {},
  { in: { zone: "a" } },
  { in: { zone: ["a", "b"] } },
  { notIn: { zone: "a" } },
);
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("place" as const), request, wanted }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("failover" as const) }) },
);

test("nothing is over-committed, and what fits somewhere is placed, in any order of events", () => {
  const nodeOf = fc.record({
    request: fc.record({
      cpu: fc.constantFrom(0.5, 1, 4, 8),
      gpu: fc.constantFrom(0, 0, 1, 2, 4),
      memory: fc.constantFrom(0, 999, 5_000),
      custom: fc.constantFrom<Record<string, number>>({}, { disk: 1 }, { disk: 2.5 }),
    }),
    labels: fc.constantFrom<Labels>({}, { zone: "a" }, { zone: "b" }, { zone: "c" }),
  });
  const nodesOf = fc.array(nodeOf, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(nodesOf, fc.array(happening, { maxLength: 80 }), (given, happenings) => {
      const plains = new Map<string, Plain>(
        given.map(({ request: has, labels }, i) => [
          `n${i}`,
          { total: resourcesOf(has), labels, held: [] },
        ]),
      );
      let nodes: Nodes = new Map(
        given.map(({ request: has, labels }, i) => [`n${i}`, node(has, labels)]),
      );
      for (const it of happenings) {
        if (it.kind === "place") {
          const shape = shapeOf(it.request, it.wanted);
          const could = [...plains.values()].some((plain) => hasRoom(plain, shape));
          const placed = placeOn(nodes, shape);
          expect(placed !== undefined).toBe(could);
          if (placed !== undefined) plains.get(placed.name)?.held.push(placed.grant);
        } else if (it.kind === "end") {
          const [name, plain] = [...plains][it.pick % plains.size] ?? noGrant();
          const [grant] = plain.held.splice(it.pick % Math.max(1, plain.held.length), 1);
          const room = nodes.get(name)?.room ?? noGrant();
          if (grant !== undefined) giveBack(room, grant);
        } else {
          // The next leader has what workers tell alone.
          nodes = new Map(
            [...plains].map(([name, { total, labels }]) => [
              name,
              { room: newRoom(total, labels) },
            ]),
          );
          for (const [name, { held }] of plains) {
            for (const grant of held) hold(nodes.get(name)?.room ?? noGrant(), grant);
          }
        }
        for (const [name, plain] of plains) {
          expect(isOver(plain), JSON.stringify(plain)).toBe(false);
          const { room } = nodes.get(name) ?? noGrant();
          expect(room.gpuFree).toEqual(gpuUse(plain).map((units) => UNITS - units));
          const nothing = { resources: resourcesOf({}), labels: selectorOf({}) };
          expect([fitsEver(room, nothing), fitsNow(room, nothing.resources)]).toEqual([true, true]);
        }
      }
    }),
    { numRuns: Number(process.env["PLACEMENT_RUNS"] ?? 300) },
  );
});
