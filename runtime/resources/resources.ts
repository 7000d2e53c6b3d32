/**
 * What work takes of a node and what a node has. Amounts of cpu, gpu and custom resources are whole
 * counts of 1/UNITS, memory is bytes: sums and differences are exact, so that ten tenths are one.
 * An amount that isn't a multiple of 1/UNITS is rounded down, so that n times 1/n always fits.
 *
 * Invariants: amounts are safe integers >= 0; no custom amount is 0; a gpu amount above one whole
 * GPU is a multiple of it, and one below lies on a single GPU.
 */
import * as v from "valibot";
import { count } from "../bus/message-parts.ts";
import { usage } from "../usage.ts";
import {
  AMOUNT_MAX,
  CUSTOM_RESOURCES_MAX,
  GPUS_MAX,
  LABEL_VALUES_MAX,
  LABELS_MAX,
  MEMORY_BYTES_MAX,
} from "./limits.ts";

/** Parts of one cpu, gpu or custom resource. */
export const UNITS = 10_000;

const NAME = /^[A-Za-z][A-Za-z0-9._/-]{0,62}$/;
/** A label's value: shown to people, and written on command lines. */
const VALUE = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$/;

const amount = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.regex(NAME));
const value = v.pipe(v.string(), v.regex(VALUE));

/** Amounts in units; memory in bytes. */
export const resources = v.object({
  cpu: v.pipe(amount, v.maxValue(AMOUNT_MAX * UNITS)),
  gpu: v.pipe(
    amount,
    v.maxValue(GPUS_MAX * UNITS),
    v.check((units) => units <= UNITS || units % UNITS === 0),
  ),
  memory: v.pipe(amount, v.maxValue(MEMORY_BYTES_MAX)),
  custom: v.pipe(
    v.record(name, v.pipe(amount, v.minValue(1), v.maxValue(AMOUNT_MAX * UNITS))),
    v.check((custom) => Object.keys(custom).length <= CUSTOM_RESOURCES_MAX),
  ),
});
export type Resources = v.InferOutput<typeof resources>;

/** GPUs of one worker, counted from 0 as its machine does. */
export const gpuIndices = v.pipe(
  v.array(v.pipe(count, v.maxValue(GPUS_MAX))),
  v.maxLength(GPUS_MAX),
);

/** What a node is, by name. */
export const labels = v.pipe(
  v.record(name, value),
  v.check((all) => Object.keys(all).length <= LABELS_MAX),
);
export type Labels = v.InferOutput<typeof labels>;

const labelValues = v.pipe(
  v.record(name, v.pipe(v.array(value), v.minLength(1), v.maxLength(LABEL_VALUES_MAX))),
  v.check((all) => Object.keys(all).length <= LABELS_MAX),
);

/** Nodes whose label has one of the values (`in`), or hasn't any of them (`notIn`). */
export const labelSelector = v.object({ in: labelValues, notIn: labelValues });
export type LabelSelector = v.InferOutput<typeof labelSelector>;

/** What one piece of work needs of the one node where it runs. */
export const shape = v.object({ resources, labels: labelSelector });
export type Shape = v.InferOutput<typeof shape>;

/** What a user asks for: plain numbers, memory in bytes; what is left out isn't needed. */
export interface ResourceRequest {
  /** Processors; fractions allowed. */
  readonly cpu?: number;
  /** GPUs; a fraction is a share of one, more than one are whole. */
  readonly gpu?: number;
  /** Bytes. */
  readonly memory?: number;
  /** Whatever nodes were said to have, by name. */
  readonly custom?: Readonly<Record<string, number>>;
}

/** What a user asks of a node's labels: a value or several, by the label's name. */
export interface LabelRequest {
  readonly in?: Readonly<Record<string, string | readonly string[]>>;
  readonly notIn?: Readonly<Record<string, string | readonly string[]>>;
}

export const NO_RESOURCES: Resources = { cpu: 0, gpu: 0, memory: 0, custom: {} };
export const ANY_NODE: LabelSelector = { in: {}, notIn: {} };
/** One processor of any node: what a task or a shard takes unless it says otherwise. */
export const ONE_CPU: Shape = {
  resources: { cpu: UNITS, gpu: 0, memory: 0, custom: {} },
  labels: ANY_NODE,
};

/**
 * A request in units.
 * @param what - how it is called in errors, such as `resources`.
 * @param least - what isn't said; nothing unless given.
 * @param said - how the amounts are called where they were said.
 * @throws {SystemError} USAGE naming the amount that is off.
 */
export function resourcesOf(
  request: ResourceRequest,
  what = "resources",
  least: Resources = NO_RESOURCES,
  said = { cpu: `${what}.cpu`, gpu: `${what}.gpu`, memory: `${what}.memory` },
): Resources {
  checkKeys(request, what, ["cpu", "gpu", "memory", "custom"]);
  const { cpu, gpu, memory, custom = {} } = request;
  checkRecord(custom, `${what}.custom`);
  const names = Object.keys(custom);
  if (names.length > CUSTOM_RESOURCES_MAX) {
    throw usage(`${what}.custom names at most ${CUSTOM_RESOURCES_MAX}, not ${names.length}`);
  }
  const own: Record<string, number> = {};
  for (const [key, wanted] of Object.entries(custom).sort(byName)) {
    checkName(key, `${what}.custom`);
    const units = unitsOf(wanted, `${what}.custom.${key}`, AMOUNT_MAX);
    if (units > 0) own[key] = units;
  }
  return {
    cpu: cpu === undefined ? least.cpu : unitsOf(cpu, said.cpu, AMOUNT_MAX),
    gpu: gpu === undefined ? least.gpu : gpuUnitsOf(gpu, said.gpu),
    memory: memory === undefined ? least.memory : bytesOf(memory, said.memory),
    custom: own,
  };
}

/** @throws {SystemError} USAGE: a share of a GPU isn't spread over several. */
function gpuUnitsOf(gpu: number, what: string): number {
  const units = unitsOf(gpu, what, GPUS_MAX);
  if (gpu <= 1 || Number.isInteger(gpu)) return units;
  throw usage(`${what} is a share of one GPU or a whole number of them, not ${gpu}`);
}

function unitsOf(value: number, what: string, most: number): number {
  if (typeof value !== "number" || !(value >= 0 && value <= most)) {
    throw usage(`${what} is a number from 0 to ${most}, not ${String(value)}`);
  }
  // What was meant as 0.29 is a little less: that little isn't rounded away.
  const units = Math.floor(value * UNITS + 1e-6);
  if (units === 0 && value > 0) throw usage(`${what} is 0 or at least ${1 / UNITS}, not ${value}`);
  return units;
}

function bytesOf(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= MEMORY_BYTES_MAX) return value;
  const form = `a whole number of bytes up to ${MEMORY_BYTES_MAX}`;
  throw usage(`${what} is ${form}, not ${String(value)}`);
}

/** A request for labels with every field said. @throws {SystemError} USAGE naming what is off. */
export function selectorOf(request: LabelRequest, what = "labels"): LabelSelector {
  checkKeys(request, what, ["in", "notIn"]);
  return {
    in: valuesOf(request.in ?? {}, `${what}.in`),
    notIn: valuesOf(request.notIn ?? {}, `${what}.notIn`),
  };
}

function valuesOf(
  wanted: Readonly<Record<string, string | readonly string[]>>,
  what: string,
): Record<string, string[]> {
  checkRecord(wanted, what);
  const entries = Object.entries(wanted).sort(byName);
  if (entries.length > LABELS_MAX) throw usage(`${what} names at most ${LABELS_MAX} labels`);
  return Object.fromEntries(
    entries.map(([key, one]) => {
      checkName(key, what);
      const values = typeof one === "string" ? [one] : one;
      if (!Array.isArray(values) || values.length === 0 || values.length > LABEL_VALUES_MAX) {
        throw usage(`${what}.${key} is a value or 1 to ${LABEL_VALUES_MAX} of them`);
      }
      for (const text of values) checkValue(text, `${what}.${key}`);
      return [key, [...new Set(values)].sort(byText)];
    }),
  );
}

/** A node's labels. @throws {SystemError} USAGE naming what is off. */
export function labelsOf(given: Readonly<Record<string, string>>, what = "labels"): Labels {
  checkRecord(given, what);
  const entries = Object.entries(given).sort(byName);
  if (entries.length > LABELS_MAX) throw usage(`${what} are at most ${LABELS_MAX}`);
  for (const [key, text] of entries) {
    checkName(key, what);
    checkValue(text, `${what}.${key}`);
  }
  return Object.fromEntries(entries);
}

/** Whether a node with these labels is one that is asked for. */
export function matches(selector: LabelSelector, given: Labels): boolean {
  return unmet(selector, given) === undefined;
}

/** The first label that keeps a node from being one that is asked for. */
export function unmet(
  selector: LabelSelector,
  given: Labels,
): { readonly label: string; readonly kind: "in" | "notIn" } | undefined {
  for (const [label, values] of Object.entries(selector.in)) {
    const has = Object.hasOwn(given, label) ? given[label] : undefined;
    if (has === undefined || !values.includes(has)) return { label, kind: "in" };
  }
  for (const [label, values] of Object.entries(selector.notIn)) {
    const has = Object.hasOwn(given, label) ? given[label] : undefined;
    if (has !== undefined && values.includes(has)) return { label, kind: "notIn" };
  }
  return undefined;
}

/** Equal for equal shapes, whatever the order in which they were said. */
export function shapeKey({ resources: need, labels: wanted }: Shape): string {
  const { cpu, gpu, memory, custom } = need;
  const own = Object.entries(custom).sort(byName);
  const selectors = [wanted.in, wanted.notIn].map((all) =>
    Object.entries(all)
      .sort(byName)
      .map(([key, values]) => [key, [...values].sort(byText)]),
  );
  return JSON.stringify([cpu, gpu, memory, own, selectors]);
}

/** Whether this much is there. Of GPUs only the sum is looked at: a room knows them one by one. */
export function fits(need: Resources, free: Resources): boolean {
  if (need.cpu > free.cpu || need.gpu > free.gpu || need.memory > free.memory) return false;
  for (const [key, units] of Object.entries(need.custom)) {
    if (units > customOf(free, key)) return false;
  }
  return true;
}

/** Units of a custom resource; 0 of one that isn't there. */
export function customOf({ custom }: Resources, key: string): number {
  return Object.hasOwn(custom, key) ? (custom[key] ?? 0) : 0;
}

export function isNothing({ cpu, gpu, memory, custom }: Resources): boolean {
  return cpu === 0 && gpu === 0 && memory === 0 && Object.keys(custom).length === 0;
}

export function plus(a: Resources, b: Resources): Resources {
  return sum(a, b, 1);
}

/** What is left; amounts under 0 say by how much it was too little. */
export function minus(a: Resources, b: Resources): Resources {
  return sum(a, b, -1);
}

function sum(a: Resources, b: Resources, sign: 1 | -1): Resources {
  const custom = { ...a.custom };
  for (const [key, units] of Object.entries(b.custom)) {
    const both = customOf(a, key) + sign * units;
    if (both === 0) delete custom[key];
    else custom[key] = both;
  }
  return {
    cpu: a.cpu + sign * b.cpu,
    gpu: a.gpu + sign * b.gpu,
    memory: a.memory + sign * b.memory,
    custom,
  };
}

function checkKeys(given: object, what: string, known: readonly string[]): void {
  checkRecord(given, what);
  const strange = Object.keys(given).find((key) => !known.includes(key));
  if (strange === undefined) return;
  const hint = what.endsWith("labels") ? "" : "; others stand in custom";
  throw usage(`${what} has no ${JSON.stringify(strange)}, but ${known.join(", ")}${hint}`);
}

function checkRecord(given: unknown, what: string): void {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return;
  throw usage(`${what} is an object, not ${JSON.stringify(given) ?? "nothing"}`);
}

function checkName(key: string, what: string): void {
  // Objects have members of the last two names: a message that says one is cut short.
  if (NAME.test(key) && key !== "constructor" && key !== "prototype") return;
  const form = "1 to 63 letters, digits and ._/-, a letter first";
  throw usage(`a name in ${what} is ${form}, not ${JSON.stringify(key)}`);
}

function checkValue(text: unknown, what: string): void {
  if (typeof text === "string" && VALUE.test(text)) return;
  const form = "1 to 63 letters, digits and ._:/-, a letter or digit first";
  throw usage(`${what} is ${form}, not ${JSON.stringify(text) ?? "nothing"}`);
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return byText(a, b);
}

function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
