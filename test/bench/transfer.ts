/**
 * Objects between two agents on loopback, each in its own process: 256 MB a fetch, from the asker's
 * question to the sealed copy. Into memory of an earlier copy, and into fresh pages, which the
 * kernel clears first. Beside it bytes over a plain connection between two threads, received and
 * thrown away: what the machine gives without TLS and without writing.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { type Bench, median } from "./bench.ts";
import { FarNode } from "./nodes/far.ts";
import { MB, Node } from "./nodes/node.ts";

const BYTES = 256 * MB;
const LIMIT_BYTES = 6 * BYTES;
const STEP_BYTES = 256 * 1024;

export const transferBench: Bench = {
  name: "transfer",
  run: async (times) => {
    const far = new FarNode((from, _to, frame) => near.deliver(from, frame));
    const near = new Node((_to, frame) => far.deliver(near.identity, frame), {
      limitBytes: LIMIT_BYTES,
    });
    try {
      await far.start({ limitBytes: LIMIT_BYTES });
      const ref = await far.put(BYTES, 3);
      const fetch = async (): Promise<number> => {
        const begin = performance.now();
        await near.exchange.fetch(ref);
        const rate = BYTES / (performance.now() - begin) / MB;
        near.store.release(ref.id);
        return rate;
      };
      for (let warm = 0; warm < 2; warm += 1) await fetch();
      const kept: number[] = [];
      const fresh: number[] = [];
      const plain: number[] = [];
      for (let run = 0; run < times; run += 1) {
        kept.push(await fetch());
        // The end of any job gives kept memory back.
        near.store.endJob("none");
        fresh.push(await fetch());
        plain.push(await plainRate());
        await fetch();
      }
      return {
        name: "transfer",
        unit: "GB/s",
        ours: median(kept),
        runs: kept,
        rivals: {},
        also: {
          "into fresh pages, GB/s": median(fresh),
          "plain TCP between two threads, nothing written, GB/s": median(plain),
        },
      };
    } finally {
      await near.kill();
      await far.end();
    }
  },
};

/** GB/s. */
async function plainRate(): Promise<number> {
  const server = createServer((socket) => {
    const step = new Uint8Array(STEP_BYTES).fill(5);
    let left = BYTES;
    const pump = (): void => {
      while (left > 0) {
        left -= STEP_BYTES;
        if (!socket.write(step)) return;
      }
      socket.end();
    };
    socket.on("drain", pump);
    pump();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const begin = performance.now();
  const worker = new Worker(new URL(import.meta.url), { workerData: { port } });
  await once(worker, "online");
  const [tookMs] = (await once(worker, "message")) as [number];
  server.close();
  await worker.terminate();
  return begin > 0 ? BYTES / tookMs / MB : 0;
}

/** The receiving thread. */
async function drain(port: number): Promise<void> {
  const { parentPort } = await import("node:worker_threads");
  const begin = performance.now();
  const buffer = new Uint8Array(STEP_BYTES);
  const socket = connect({ port, host: "127.0.0.1", onread: { buffer, callback: () => true } });
  socket.on("end", () => parentPort?.postMessage(performance.now() - begin, []));
}

if (!isMainThread) void drain((workerData as { port: number }).port);
