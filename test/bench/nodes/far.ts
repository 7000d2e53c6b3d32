/** A node in another process, as its parent has it. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ObjectRef, type ObjectRefFields } from "../../../runtime/frame/object-ref.ts";
import type { Identity } from "../../../runtime/ids.ts";
import type { StoreUsage } from "../../../runtime/objects/index.ts";
import type { FromChild, ToChild } from "./child.ts";
import type { NodeOptions, Send } from "./node.ts";

export class FarNode {
  identity: Identity = "" as Identity;
  readonly #child: ChildProcess;
  #root: string | undefined;
  #done: ((value: unknown) => void) | undefined;

  /** @param send - carries its frames; the sender is this node. */
  constructor(send: (from: Identity, ...frame: Parameters<Send>) => void) {
    this.#child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), [], {
      serialization: "advanced",
    });
    this.#child.on("message", (message: FromChild) => {
      if (message.op === "frame") send(this.identity, message.to, message.frame);
      else this.#done?.(message.value);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async start(options: NodeOptions): Promise<void> {
    // Made here: a node that is killed leaves it.
    const root = mkdtempSync(join("/dev/shm", "ligase-test-"));
    this.#root = root;
    this.identity = (await this.#ask({ op: "start", options: { ...options, root } })) as Identity;
  }

  deliver(from: Identity, frame: Uint8Array): void {
    this.#say({ op: "frame", from, frame });
  }

  async put(bytes: number, seed: number): Promise<ObjectRef> {
    return new ObjectRef((await this.#ask({ op: "put", bytes, seed })) as ObjectRefFields);
  }

  async putAll(bytes: number, numbers: readonly number[]): Promise<readonly ObjectRefFields[]> {
    return (await this.#ask({ op: "put-all", bytes, numbers })) as ObjectRefFields[];
  }

  /** @returns bytes that were read. */
  async consume(refs: readonly (readonly [ObjectRefFields, number])[]): Promise<number> {
    return (await this.#ask({ op: "consume", refs })) as number;
  }

  async usage(): Promise<StoreUsage & { readonly cpu: NodeJS.CpuUsage }> {
    return (await this.#ask({ op: "usage" })) as StoreUsage & { cpu: NodeJS.CpuUsage };
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** It ends by itself when its parent leaves it. */
  async end(): Promise<void> {
    const gone = new Promise((resolve) => void this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      if (this.#child.connected) this.#child.disconnect();
      await gone;
    }
    if (this.#root !== undefined) rmSync(this.#root, { recursive: true, force: true });
  }

  #ask(message: ToChild): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error("the node's process ended"));
      this.#child.once("exit", gone);
      this.#done = (value) => {
        this.#child.off("exit", gone);
        resolve(value);
      };
      this.#say(message);
    });
  }

  #say(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message);
  }
}
