/**
 * Pure core. Why work that waits fits no node now, in sentences for people: what is short by how
 * much and where, whether it could ever fit, and what would change it.
 */
import {
  customOf,
  type LabelSelector,
  type Resources,
  type Shape,
  UNITS,
  unmet,
} from "../../../runtime/resources/resources.ts";
import { amountText, resourcesText, selectorText } from "../../../runtime/resources/text.ts";
import type { Node } from "./placement.ts";
import { fitsEver, fitsNow, freeGpus, gpusFor, type Room } from "./room.ts";

/** Nodes that a sentence names; the others are counted. */
const NAMED_MAX = 3;

/** One thing that a node lacks. */
interface Lack {
  readonly kind: string;
  /** What is said of a node that lacks it. */
  readonly here: string;
}

/**
 * Why it doesn't fit; empty when it does.
 * @param nodes - by name, those that could take work at all.
 */
export function whyNot<T extends Node>(shape: Shape, nodes: ReadonlyMap<string, T>): string[] {
  const all = [...nodes].map(([name, { room }]) => ({ name, room }));
  const needs = `It needs ${needText(shape)}.`;
  if (all.length === 0) return [needs, "No worker is there; it starts when a fitting one comes."];
  const ever = all.filter(({ room }) => fitsEver(room, shape));
  if (ever.some(({ room }) => fitsNow(room, shape.resources))) return [];
  if (ever.length === 0) {
    const lacks = all.map((node) => ({ ...node, lack: lackEver(node.room, shape) }));
    const which = all.length === 1 ? "the only worker" : `any of ${all.length} workers`;
    return [needs, `It could never run on ${which}: ${lines(lacks)}.`, wishOf(shape)];
  }
  const lacks = ever.map((node) => ({ ...node, lack: lackNow(node.room, shape.resources) }));
  const which = all.length === 1 ? "The only worker" : `${ever.length} of ${all.length} workers`;
  const fit = `${which} could run it, and can't now`;
  const when = "It starts when enough of that is given back there, or a fitting worker comes.";
  return [needs, `${fit}: ${lines(lacks)}.`, when];
}

function needText({ resources, labels }: Shape): string {
  const where = selectorText(labels);
  return `${resourcesText(resources)}${where === "" ? "" : ` on a node with ${where}`}`;
}

/** What a node would have to be for it. */
function wishOf(shape: Shape): string {
  const where = selectorText(shape.labels);
  const labels = where === "" ? "" : ` and the labels ${where}`;
  return `It starts when a worker joins that has ${resourcesText(shape.resources)}${labels}.`;
}

/** What they lack, those together that lack the same. */
function lines(lacks: readonly { readonly name: string; readonly lack: Lack }[]): string {
  const groups = new Map<string, { names: string[]; lack: Lack }>();
  for (const { name, lack } of lacks) {
    const key = `${lack.kind} ${lack.here}`;
    const group = groups.get(key) ?? { names: [], lack };
    group.names.push(name);
    groups.set(key, group);
  }
  const said = [...groups.values()].slice(0, NAMED_MAX).map(({ names, lack }) => {
    return `${namesText(names)} ${lack.here}`;
  });
  const more = groups.size - said.length;
  return `${said.join("; ")}${more > 0 ? `; ${more} more are short in other ways` : ""}`;
}

function namesText(names: readonly string[]): string {
  const named = names.slice(0, NAMED_MAX).join(", ");
  const more = names.length - NAMED_MAX;
  return more > 0 ? `${named} and ${more} more` : named;
}

/** What keeps an empty node of this kind from taking it. */
function lackEver({ total, labels }: Room, { resources, labels: wanted }: Shape): Lack {
  const off = unmet(wanted, labels);
  if (off !== undefined) return labelLack(wanted, off, labels[off.label]);
  for (const { kind, need, has } of amounts(resources, total)) {
    if (need <= has) continue;
    const short = `${amountText(kind, need - has)} too little`;
    const here = `${has === 0 ? `has no ${kind}` : `has ${amountText(kind, has)}`}, ${short}`;
    return { kind, here };
  }
  return { kind: "nothing", here: "would do" };
}

function labelLack(
  wanted: LabelSelector,
  { label, kind }: { readonly label: string; readonly kind: "in" | "notIn" },
  has: string | undefined,
): Lack {
  const values = wanted[kind][label]?.join(" or ") ?? "";
  const is = has === undefined ? `has no label ${label}` : `is ${label}=${has}`;
  return { kind: "label", here: `${is}, not ${kind === "in" ? values : "something else"}` };
}

/** What is held of a node that would do if it were empty. */
function lackNow(room: Room, need: Resources): Lack {
  for (const { kind, need: wanted, has } of amounts(need, room.free)) {
    if (kind === "gpu" || wanted <= has) continue;
    const short = `${amountText(kind, wanted - Math.max(0, has))} too little`;
    return { kind, here: `has ${amountText(kind, Math.max(0, has))} free, ${short}` };
  }
  if (gpusFor(room, need.gpu) === undefined) {
    return { kind: "gpu", here: gpuText(freeGpus(room), need.gpu) };
  }
  return { kind: "nothing", here: "is about to take it" };
}

function gpuText(gpuFree: readonly number[], need: number): string {
  if (need >= UNITS) {
    const whole = gpuFree.filter((free) => free === UNITS).length;
    const short = amountText("gpu", need - whole * UNITS);
    return `has ${whole} whole gpu free, ${short} too little`;
  }
  const most = Math.max(0, ...gpuFree);
  const short = amountText("gpu", need - most);
  const free = `has at most ${amountText("gpu", most)} free on one of its ${gpuFree.length}`;
  return `${free}, ${short} too little`;
}

function* amounts(
  need: Resources,
  has: Resources,
): Generator<{ readonly kind: string; readonly need: number; readonly has: number }> {
  yield { kind: "cpu", need: need.cpu, has: has.cpu };
  yield { kind: "gpu", need: need.gpu, has: has.gpu };
  yield { kind: "memory", need: need.memory, has: has.memory };
  for (const [kind, units] of Object.entries(need.custom)) {
    yield { kind, need: units, has: customOf(has, kind) };
  }
}
