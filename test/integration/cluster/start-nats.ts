/** Starts nats-server in the folder it is given, says its pid and waits to be killed. */
import { join } from "node:path";
import { startNatsServer } from "../../../head/cluster/nats-server.ts";

const folder = process.argv[2] ?? "";
const logPath = join(folder, "nats.log");
const server = await startNatsServer({ cluster: "00112233445566ff", folder, logPath });
process.stdout.write(`${server.pid}\n`);
process.stdin.resume();
