/** Stands for `ligase run`: starts an embedded cluster, says how it went, waits to be killed. */
import { startEmbedded } from "../../../runtime/client/embedded.ts";

const stateDir = process.argv[2] ?? "";
const bin = new URL("./supervise.ts", import.meta.url).pathname;
const temporary = process.argv[3] === "temporary";
const how = { stateDir, temporary, slurm: "private", executors: 1, bin } as const;
const started = await startEmbedded(how);
const facts = started.kind === "ready" ? { mark: started.mark, pid: started.pid } : {};
process.stdout.write(`${JSON.stringify({ kind: started.kind, ...facts })}\n`);
process.stdin.resume();
