/** Which machine this is: processes of equal `machineId` can open each other's sockets. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Host name and boot id, so that a restarted machine, or a container beside us, is another one. */
export function machineId(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${hostname()}/${boot}`;
}
