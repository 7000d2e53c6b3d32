/** Heads that take the lead of a log in tests: on a folder or another storage, on any clock. */
import { randomUUID } from "node:crypto";
import type { DurableState } from "../../../head/core/facts.ts";
import { Replica } from "../../../head/daemon/durable/replica.ts";
import { type LeadPorts, type LogWriter, momentOf, takeLead } from "../../../head/daemon/lead.ts";
import { processClock } from "../../../runtime/clock.ts";
import { folderStorage } from "../../../runtime/storage/folder.ts";

export function leadPorts(stateUri: string, ports: Partial<LeadPorts> = {}): LeadPorts {
  const wallMs = (): number => Date.now();
  return { stateUri, storage: folderStorage, clock: processClock, wallMs, ...ports };
}

/** Reads the log and takes the lead. */
export async function leadOf(
  stateUri: string,
  others: Partial<LeadPorts> = {},
): Promise<{ readonly state: DurableState; readonly log: LogWriter }> {
  const ports = leadPorts(stateUri, others);
  const seen = momentOf(ports);
  return await takeLead(ports, await Replica.load(ports), randomUUID(), seen);
}
