/**
 * What the machine gives without us, by the least code that does it: a ping-pong between two Node
 * processes over a Unix socket and through nats-server, and packed calls without any semantics.
 * This file is also the other process: `limits.ts echo|packed SOCKET`, `limits.ts nats URL`,
 * `limits.ts relay URL SOCKET`.
 *
 * Executors are in another session than who calls them, and Linux schedules sessions as groups: a
 * wake-up across groups costs ~4 us more. So the other processes here have a session of their own,
 * too; the same-session figure is told beside.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect as connectNats, type NatsConnection } from "nats";
import { median } from "./bench.ts";
import { inFlight } from "./counter.ts";

const SELF = fileURLToPath(import.meta.url);
/** Bytes of a frame of ours with one call, and of one with one reply, are 73 and 51: the larger. */
const PING_BYTES = 73;
/** A packed call: its number, its argument; a reply: its number, its result. */
const RECORD_BYTES = 12;

/** The other side of a limit, until `stop`. */
export interface Limit {
  stop(): Promise<void>;
}

export interface PingPong extends Limit {
  /** The median of so many round trips, us. */
  p50Us(rounds: number): Promise<number>;
}

/** Microseconds of the median of `rounds` calls, made one at a time. */
export async function oneAtATime(rounds: number, call: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const begunMs = performance.now();
    await call();
    took.push(performance.now() - begunMs);
  }
  return median(took) * 1_000;
}

/**
 * Bytes there and back between two processes over a Unix socket.
 * @param detached - the other one has a session of its own, as executors have.
 */
export async function socketPingPong(detached: boolean): Promise<PingPong> {
  const { socket, stop } = await otherProcess("echo", detached);
  const ping = Buffer.alloc(PING_BYTES);
  let came = (): void => undefined;
  socket.on("data", () => came());
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      came = resolve;
      socket.write(ping);
    });
  return { p50Us: (rounds) => oneAtATime(rounds, call), stop };
}

/** The same through a nats-server. */
export async function natsPingPong(url: string): Promise<PingPong> {
  const child = await start(["nats", url], true);
  return overNats(url, () => ended(child));
}

/**
 * The same, and behind the server a process that passes bytes on to a third one by Unix socket: the
 * way that a call takes through an agent to an executor, which has no connection of its own.
 */
export async function relayedPingPong(url: string): Promise<PingPong> {
  const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
  const path = join(folder, "socket");
  const echo = await start(["echo", path], true);
  const relay = await start(["relay", url, path], true);
  return overNats(url, async () => {
    await ended(relay);
    await ended(echo);
    await rm(folder, { recursive: true });
  });
}

async function overNats(url: string, end: () => Promise<void>): Promise<PingPong> {
  const bus = await connectNats({ servers: url });
  let came = (): void => undefined;
  bus.subscribe("pong", { callback: () => came() });
  const ping = new Uint8Array(PING_BYTES);
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      came = resolve;
      bus.publish("ping", ping);
    });
  const stop = async (): Promise<void> => {
    await bus.close();
    await end();
  };
  return { p50Us: (rounds) => oneAtATime(rounds, call), stop };
}

export interface Packed extends Limit {
  callsPerSecond(calls: number): Promise<number>;
}

/** Calls as fixed records, all of a turn in one write; a promise each, and nothing else. */
export async function packedCalls(): Promise<Packed> {
  const { socket, stop } = await otherProcess("packed", true);
  const pending = new Map<number, (value: number) => void>();
  const send = packer(socket);
  let last = 0;
  onRecords(socket, (id, value) => {
    pending.get(id)?.(value);
    pending.delete(id);
  });
  const call = (): Promise<number> =>
    new Promise((resolve) => {
      last += 1;
      pending.set(last, resolve);
      send(last, 1);
    });
  return { callsPerSecond: (calls) => inFlight(calls, call), stop };
}

async function otherProcess(
  kind: "echo" | "packed",
  detached: boolean,
): Promise<{ readonly socket: Socket; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
  const path = join(folder, "socket");
  const child = await start([kind, path], detached);
  const socket = connect(path);
  await once(socket, "connect");
  const stop = async (): Promise<void> => {
    socket.destroy();
    await ended(child);
    await rm(folder, { recursive: true });
  };
  return { socket, stop };
}

/** This file as another process, ready. */
async function start(args: readonly string[], detached: boolean): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SELF, ...args], {
    detached,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill();
  await exit;
}

/** Collects records, and writes those of one turn at its end. */
function packer(socket: Socket): (id: number, value: number) => void {
  let bytes = Buffer.allocUnsafe(64 * 1024);
  let end = 0;
  const flush = (): void => {
    socket.write(Buffer.from(bytes.subarray(0, end)));
    end = 0;
  };
  return (id, value) => {
    if (end === 0) setImmediate(flush);
    if (end + RECORD_BYTES > bytes.length) bytes = Buffer.concat([bytes, bytes]);
    bytes.writeUInt32LE(id, end);
    bytes.writeDoubleLE(value, end + 4);
    end += RECORD_BYTES;
  };
}

function onRecords(socket: Socket, take: (id: number, value: number) => void): void {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; bytes.length - at >= RECORD_BYTES; at += RECORD_BYTES) {
      take(bytes.readUInt32LE(at), bytes.readDoubleLE(at + 4));
    }
    rest = Buffer.from(bytes.subarray(at));
  });
}

async function serve(kind: string, where: string, socketPath: string): Promise<void> {
  if (kind === "nats" || kind === "relay") {
    const bus: NatsConnection = await connectNats({ servers: where });
    const pass = kind === "nats" ? undefined : connect(socketPath);
    pass?.on("data", (chunk: Buffer) => bus.publish("pong", chunk));
    const answer = (bytes: Uint8Array): void => {
      if (pass === undefined) bus.publish("pong", bytes);
      else pass.write(bytes);
    };
    bus.subscribe("ping", { callback: (_, { data }) => answer(data) });
    await bus.flush();
  } else {
    const server = createServer((socket) => {
      if (kind === "echo") socket.on("data", (chunk) => void socket.write(chunk));
      else {
        const send = packer(socket);
        let sum = 0;
        onRecords(socket, (id, value) => send(id, (sum += value)));
      }
      socket.on("error", () => undefined);
    });
    server.listen(where);
    await once(server, "listening");
  }
  process.stdout.write("ready\n");
}

if (process.argv[1] === SELF) {
  const [kind = "", where = "", socketPath = ""] = process.argv.slice(2);
  await serve(kind, where, socketPath);
}
