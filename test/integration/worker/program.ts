/** Actors for the tests of the worker: they write, take memory, keep their process busy, end it. */
import { spawn } from "node:child_process";
import { actor } from "ligase";

class Subject {
  readonly #kept: Buffer[] = [];
  readonly #name: string;

  constructor(name = "") {
    this.#name = name;
    if (name === "loud") process.stdout.write("constructed\n");
  }

  name(): string {
    return this.#name;
  }

  pid(): number {
    return process.pid;
  }

  print(stream: "stdout" | "stderr", text: string): void {
    process[stream].write(text);
  }

  printBytes(bytes: Uint8Array): void {
    process.stdout.write(bytes);
  }

  /** MiB that are really used: each page is written to. */
  async take(mib: number, msBetween: number): Promise<number> {
    for (let i = 0; i < mib; i += 1) {
      this.#kept.push(Buffer.alloc(1024 * 1024, 1 + (i % 250)));
      if (msBetween > 0) await new Promise((resolve) => setTimeout(resolve, msBetween));
    }
    return this.#kept.length;
  }

  /** Nothing else runs in this process meanwhile. */
  spin(ms: number): string {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return "done";
  }

  [Symbol.dispose](): void {
    process.stdout.write(`${this.#name} disposed\n`);
  }

  exit(): void {
    process.exit(7);
  }

  /** A process of its own, in a session of its own. */
  start(): number | undefined {
    const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    child.unref();
    return child.pid;
  }

  /** One without anything of ours that holds this one's output and outlives it. */
  leave(): number | undefined {
    const child = spawn("sleep", ["60"], { env: {}, stdio: ["ignore", "inherit", "inherit"] });
    child.unref();
    return child.pid;
  }
}

export const SubjectActor = actor("subject", Subject);
