/** Resources and labels as people read them. */
import { type Labels, type LabelSelector, type Resources, UNITS } from "./resources.ts";

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;

/** Such as "2 cpu", "0.5 gpu", "1.5 GiB memory". */
export function amountText(kind: string, units: number): string {
  return kind === "memory" ? `${bytesText(units)} memory` : `${numberText(units / UNITS)} ${kind}`;
}

/** Such as "1 cpu, 0.5 gpu"; "nothing of it". */
export function resourcesText({ cpu, gpu, memory, custom }: Resources): string {
  const all = Object.entries({ cpu, gpu, memory, ...custom });
  const said = all.filter(([, units]) => units !== 0);
  if (said.length === 0) return "no resources";
  return said.map(([kind, units]) => amountText(kind, units)).join(", ");
}

/** Such as "zone=a or b, disk not hdd"; empty for any node. */
export function selectorText({ in: wanted, notIn }: LabelSelector): string {
  const yes = Object.entries(wanted).map(([label, values]) => `${label}=${values.join(" or ")}`);
  const no = Object.entries(notIn).map(([label, values]) => `${label} not ${values.join(" or ")}`);
  return [...yes, ...no].join(", ");
}

/** Such as "disk=ssd,zone=a". */
export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
}

/** Amounts as a user says them: whole numbers and fractions, memory in bytes. */
export function amountsOf({ cpu, gpu, memory, custom }: Resources): {
  readonly cpu: number;
  readonly gpu: number;
  readonly memory: number;
  readonly custom: Readonly<Record<string, number>>;
} {
  const own = Object.entries(custom).map(([kind, units]) => [kind, units / UNITS] as const);
  return { cpu: cpu / UNITS, gpu: gpu / UNITS, memory, custom: Object.fromEntries(own) };
}

/** Such as "512 MiB", "1.5 GiB", "100 bytes". */
export function bytesText(bytes: number): string {
  if (Math.abs(bytes) >= GIBIBYTE) return `${numberText(bytes / GIBIBYTE, 1)} GiB`;
  if (Math.abs(bytes) >= MEBIBYTE) return `${numberText(bytes / MEBIBYTE, 1)} MiB`;
  return `${bytes} bytes`;
}

function numberText(value: number, digits = 4): string {
  return String(Number(value.toFixed(digits)));
}
