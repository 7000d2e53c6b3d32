/** A node in a process of its own: frames come and go over its parent's channel. */
import { ObjectRef, type ObjectRefFields } from "../../../runtime/frame/object-ref.ts";
import type { Identity } from "../../../runtime/ids.ts";
import type { OpenObject } from "../../../runtime/objects/index.ts";
import { bytesOf, Node, type NodeOptions } from "./node.ts";

/** What the parent says. */
export type ToChild =
  | { readonly op: "start"; readonly options: NodeOptions }
  | { readonly op: "frame"; readonly from: Identity; readonly frame: Uint8Array }
  | { readonly op: "put"; readonly bytes: number; readonly seed: number }
  /** Puts objects of one size with these numbers, as many at once as there is room for. */
  | { readonly op: "put-all"; readonly bytes: number; readonly numbers: readonly number[] }
  /** Fetches each and looks at every byte of it. */
  | {
      readonly op: "consume";
      readonly refs: readonly (readonly [ObjectRefFields, number])[];
    }
  | { readonly op: "usage" }
  | { readonly op: "release"; readonly id: string };

/** What the child says. */
export type FromChild =
  | { readonly op: "frame"; readonly to: Identity; readonly frame: Uint8Array }
  | { readonly op: "done"; readonly value: unknown };

let node: Node | undefined;

function say(message: FromChild): void {
  process.send?.(message);
}

const AT_ONCE = 8;
let template = new Uint8Array();

/** Bytes of their own: a number, then what all have. Good until the next call. */
function stamped(bytes: number, number: number): Uint8Array {
  if (template.length !== bytes) template = bytesOf(bytes, 1);
  new DataView(template.buffer).setFloat64(0, number);
  return template;
}

/** A view of an object, wherever it is; where memory is short a copy may go before it is read. */
async function fetched(at: Node, ref: ObjectRef): Promise<OpenObject> {
  for (;;) {
    await at.exchange.fetch(ref);
    if (at.store.has(ref.id)) return await at.store.get(ref.id);
  }
}

/** @returns bytes that were read. */
async function consume(
  at: Node,
  refs: readonly (readonly [ObjectRefFields, number])[],
): Promise<number> {
  let [next, read] = [0, 0];
  const one = async (): Promise<void> => {
    for (let of = refs[next++]; of !== undefined; of = refs[next++]) {
      const [fields, number] = of;
      const ref = new ObjectRef(fields);
      const { array, release } = await fetched(at, ref);
      const found = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      if (Buffer.compare(found, stamped(ref.bytes, number)) !== 0) throw new Error("other bytes");
      read += found.length;
      release();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return read;
}

async function obey(message: ToChild): Promise<void> {
  if (message.op === "start") {
    node = new Node((to, frame) => say({ op: "frame", to, frame }), message.options);
    return say({ op: "done", value: node.identity });
  }
  if (node === undefined) return;
  switch (message.op) {
    case "frame":
      return node.deliver(message.from, message.frame);
    case "put": {
      const { id, bytes, job } = await node.put(bytesOf(message.bytes, message.seed));
      return say({ op: "done", value: { id, bytes, job, node: node.identity } });
    }
    case "put-all": {
      const put: ObjectRefFields[] = [];
      for (const number of message.numbers) {
        const { id, bytes, job } = await node.put(stamped(message.bytes, number));
        put.push({ id, bytes, job, node: node.identity });
      }
      return say({ op: "done", value: put });
    }
    case "consume":
      return say({ op: "done", value: await consume(node, message.refs) });
    case "usage":
      return say({ op: "done", value: { ...node.store.usage(), cpu: process.cpuUsage() } });
    case "release":
      return say({ op: "done", value: node.store.release(message.id) });
    default:
      message satisfies never;
  }
}

process.on("message", (message: ToChild) => {
  void obey(message).catch((thrown: unknown) => {
    process.stderr.write(`${String(thrown)}\n`);
    process.exit(1);
  });
});
process.on("disconnect", () => {
  void (node?.kill() ?? Promise.resolve()).finally(() => process.exit(0));
});
