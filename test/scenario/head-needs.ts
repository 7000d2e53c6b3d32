/** What work needs and workers have, as words of the head's scenarios. */
import type { ActorOptions, Report } from "../../runtime/messages.ts";
import { demandOf } from "../../runtime/resources/demand.ts";
import {
  labelsOf,
  type ResourceRequest,
  resourcesOf,
  selectorOf,
} from "../../runtime/resources/resources.ts";
import type { Command } from "./runner.ts";

type Options = Command["options"];

/** `cpu=2 gpu=0.5 memory=100 disk=1`; disk is a custom resource. */
function requestIn({ cpu, gpu, memory, disk }: Options): ResourceRequest {
  return {
    ...(cpu === undefined ? {} : { cpu: Number(cpu) }),
    ...(gpu === undefined ? {} : { gpu: Number(gpu) }),
    ...(memory === undefined ? {} : { memory: Number(memory) }),
    ...(disk === undefined ? {} : { custom: { disk: Number(disk) } }),
  };
}

/** What a worker says that it has; `zone=a` is a label of it. */
export function offerIn(options: Options): Pick<Report, "resources" | "labels"> {
  const request = requestIn(options);
  const { zone, slots = "1" } = options;
  const least = resourcesOf({ cpu: Number(slots) });
  return {
    ...(Object.keys(request).length === 0
      ? {}
      : { resources: resourcesOf(request, "resources", least) }),
    ...(zone === undefined ? {} : { labels: labelsOf({ zone }) }),
  };
}

/** What an actor asks for; `zone=a` or `zone=!a` is which workers. */
export function needIn(options: Options): Pick<ActorOptions, "resources" | "labels"> {
  const request = requestIn(options);
  const { zone } = options;
  return {
    ...(Object.keys(request).length === 0 ? {} : { resources: resourcesOf(request) }),
    ...(zone === undefined ? {} : { labels: selectorIn(zone) }),
  };
}

function selectorIn(zone: string): ReturnType<typeof selectorOf> {
  if (zone.startsWith("!")) return selectorOf({ notIn: { zone: zone.slice(1) } });
  return selectorOf({ in: { zone: zone.split("|") } });
}

/** What a dataset asks for; `atOnce=2` or `atOnce=1-2` is its concurrency. */
export function demandIn({ atOnce, cpu, gpu, memory, zone }: Options) {
  const said = [atOnce, cpu, gpu, memory, zone].some((word) => word !== undefined);
  if (!said) return {};
  const [least = 0, most] = (atOnce ?? "").split("-").map(Number);
  const concurrency = most === undefined ? least : ([least, most] as const);
  return {
    demand: demandOf({
      ...(atOnce === undefined ? {} : { concurrency }),
      ...(cpu === undefined ? {} : { numCpus: Number(cpu) }),
      ...(gpu === undefined ? {} : { numGpus: Number(gpu) }),
      ...(memory === undefined ? {} : { memory: Number(memory) }),
      ...(zone === undefined ? {} : { labels: selectorIn(zone) }),
    }),
  };
}

/** `x0#0!0+1` holds two GPUs, `x0#0!` something else, `x0#0` nothing special. */
export function gpusIn(text: string): { gpus?: number[] } {
  const [, granted] = text.split("!");
  if (granted === undefined) return {};
  return { gpus: granted === "" ? [] : granted.split("+").map(Number) };
}
