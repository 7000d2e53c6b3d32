/**
 * A head or an agent that does nothing but speak to its supervisor. What it does else stands in the
 * environment variable FAKE_HEAD or FAKE_WORKER: see `Fake`.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

export interface Fake {
  /** Ends at once with this code. */
  readonly crash?: number;
  /** Never says it is ready. */
  readonly silent?: boolean;
  /** Says at SIGUSR2 that this error is fatal, and ends. */
  readonly fatal?: string;
  /** The epoch of another head of its cluster that it has heard of by then. */
  readonly heard?: number;
  /** Takes no order to stop and doesn't mind its supervisor's end. */
  readonly stubborn?: boolean;
  /** Leaves a process behind that does the same. */
  readonly orphan?: boolean;
  /** Asks for Slurm and names an active slurm job. */
  readonly slurm?: boolean;
}

const configPath = process.argv[2] ?? "";
const name = basename(configPath, ".json");
const fake = JSON.parse(process.env[`FAKE_${name.toUpperCase()}`] ?? "{}") as Fake;
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`);

say({ pid: process.pid, config: JSON.parse(await readFile(configPath, "utf8")) });
if (fake.crash !== undefined) {
  process.stderr.write("boom: this one crashes\n");
  process.exit(fake.crash);
}
if (fake.orphan) {
  const orphan = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  orphan.unref();
  say({ orphan: orphan.pid });
}
process.stdin.resume();
if (fake.stubborn) {
  setInterval(() => undefined, 1_000);
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => undefined);
} else {
  process.stdin.on("end", () => process.exit(0));
}
process.on("message", (message: { op?: string }) => {
  say({ heard: message });
  if (message.op === "stop" && !fake.stubborn) process.exit(0);
});
if (fake.slurm) {
  process.send?.({ op: "slurm.ensure", id: 7 });
  const jobs = [{ clusterName: "fake", id: "12", name: "ligase-a-1" }];
  process.send?.({ op: "slurm.active", jobs });
}
if (!fake.silent) process.send?.({ op: "ready" });
if (fake.fatal !== undefined) {
  process.on("SIGUSR2", () => {
    const where = fake.heard === undefined ? {} : { heard: fake.heard };
    process.send?.({ op: "fatal", error: { code: fake.fatal, what: "so be it", where } });
    setTimeout(() => process.exit(1), 50);
  });
}
