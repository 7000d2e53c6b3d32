/** What a worker offers: what its operator said, and what its machine has of what wasn't said. */
import {
  type Labels,
  labelsOf,
  type ResourceRequest,
  type Resources,
  resourcesOf,
  UNITS,
} from "../../runtime/resources/resources.ts";
import { usage } from "../../runtime/usage.ts";
import { countGpus } from "./gpus.ts";
import { lookAtMemory } from "./procfs.ts";

/** What an operator may say of a worker. */
export interface Offer {
  readonly resources?: ResourceRequest | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/**
 * What a worker with so many slots offers: a processor a slot, the GPUs that nvidia-smi counts, the
 * memory of the machine or of the control group, unless its operator said other amounts.
 * @throws {SystemError} USAGE naming what is off.
 */
export async function offerOf(
  slots: number,
  { resources: given = {}, labels = {} }: Offer,
  warn: (line: string) => void,
): Promise<{ readonly resources: Resources; readonly labels: Labels }> {
  const gpu = given.gpu === undefined ? (await countGpus(warn)) * UNITS : 0;
  const memory = given.memory === undefined ? (lookAtMemory()?.totalBytes ?? 0) : 0;
  const found = { cpu: slots * UNITS, gpu, memory, custom: {} };
  return { resources: wholeGpus(resourcesOf(given, "resources", found)), labels: labelsOf(labels) };
}

/** A node has whole GPUs. */
function wholeGpus(resources: Resources): Resources {
  const { gpu } = resources;
  if (gpu % UNITS === 0) return resources;
  throw usage(`a worker has a whole number of gpu, not ${gpu / UNITS}`);
}
