/** Says `ready`, takes a lock at the first input, says how it went, waits for its end. */
import { once } from "node:events";
import { takeLock, thisProcess } from "../../../head/cluster/lock.ts";

const stateDir = process.argv[2] ?? "";
const runtimeFolder = "/tmp/lg-00000000";
const socket = `${runtimeFolder}/follow.sock`;
const self = { ...thisProcess(), mark: "00112233445566ff", runtimeFolder, socket };
process.stdout.write("ready\n");
await once(process.stdin, "data");
const outcome = await takeLock({ stateDir, self, sweep: () => Promise.resolve() });
process.stdout.write(`${outcome.kind} ${outcome.owner.pid}\n`);
await once(process.stdin, "end");
