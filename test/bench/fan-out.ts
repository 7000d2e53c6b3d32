/**
 * A shuffle: 1,000 objects of 1 MB are put on three nodes, each in its own process, whose memory
 * for objects holds only 833 of them; then each node reads a third of every other node's and of its
 * own, every byte of it. What doesn't fit is on disk; nothing fails and nothing is lost.
 */
import { type Bench, median } from "./bench.ts";
import type { ObjectRefFields } from "../../runtime/frame/object-ref.ts";
import type { Identity } from "../../runtime/ids.ts";
import { FarNode } from "./nodes/far.ts";
import { MB } from "./nodes/node.ts";

const OBJECTS = 1_000;
const BYTES = MB;
const NODES = 3;
const LIMIT_BYTES = Math.floor((OBJECTS * BYTES) / 1.2 / NODES);

export const fanOutBench: Bench = {
  name: "fan-out",
  run: async (times) => {
    const tookS: number[] = [];
    const putS: number[] = [];
    const spilled: number[] = [];
    for (let run = 0; run < times; run += 1) {
      const once = await shuffle();
      tookS.push(once.putS + once.readS);
      putS.push(once.putS);
      spilled.push(once.spilledBytes / MB);
    }
    return {
      name: "fan-out",
      unit: "s (1,000 objects of 1 MB put and read, memory for 833 of them)",
      ours: median(tookS),
      runs: tookS,
      rivals: {},
      also: {
        "of it putting, s": median(putS),
        "read, MB/s": (OBJECTS * BYTES) / MB / (median(tookS) - median(putS)),
        "spilled at the end, MB": median(spilled),
      },
    };
  },
};

async function shuffle(): Promise<{ putS: number; readS: number; spilledBytes: number }> {
  const nodes: FarNode[] = [];
  const carry = (from: Identity, to: Identity, frame: Uint8Array): void => {
    nodes.find(({ identity }) => identity === to)?.deliver(from, frame);
  };
  for (let one = 0; one < NODES; one += 1) nodes.push(new FarNode(carry));
  try {
    const options = { limitBytes: LIMIT_BYTES, spillBytes: 2 * OBJECTS * BYTES };
    await Promise.all(nodes.map((node) => node.start(options)));
    const begin = performance.now();
    const numbers = Array.from({ length: OBJECTS }, (_, number) => number);
    const refs: (readonly [ObjectRefFields, number])[] = [];
    await Promise.all(
      nodes.map(async (node, at) => {
        const own = numbers.filter((number) => number % NODES === at);
        const put = await node.putAll(BYTES, own);
        refs.push(...put.map((ref, i) => [ref, own[i] ?? 0] as const));
      }),
    );
    const putAt = performance.now();
    const read = await Promise.all(
      nodes.map((node, at) =>
        node.consume(refs.filter(([, number]) => Math.floor(number / NODES) % NODES === at)),
      ),
    );
    const end = performance.now();
    const bytes = read.reduce((sum, one) => sum + one, 0);
    if (bytes !== OBJECTS * BYTES) throw new Error(`${bytes} bytes were read`);
    const usages = await Promise.all(nodes.map((node) => node.usage()));
    const spilledBytes = usages.reduce((sum, usage) => sum + usage.spilledBytes, 0);
    return { putS: (putAt - begin) / 1000, readS: (end - putAt) / 1000, spilledBytes };
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
  }
}
