/**
 * Unix sockets between the processes of one machine. The first bytes are a hello with a secret
 * token; who doesn't have it is turned away before a frame of theirs is read.
 *
 * Hello: 8 bytes HELLO, 32 bytes sha256 of the token. Answer: 8 bytes WELCOME or REFUSAL.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { chmod } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { SystemError } from "../errors.ts";
import { HELLO_MS, SOCKET_CONNECTIONS_MAX } from "../limits.ts";
import { Channel, newSocketCounters, type SocketCounters } from "./channel.ts";

export type { Channel, CloseReason, SocketCounters } from "./channel.ts";

const HELLO = Buffer.from("LIGASE\x01\n", "latin1");
const WELCOME = Buffer.from("WELCOME\n", "latin1");
const REFUSAL = Buffer.from("REFUSED\n", "latin1");
const HELLO_BYTES = HELLO.length + 32;
/** Bytes of a socket's path that the kernel takes, without the closing zero. */
const PATH_BYTES_MAX = 107;

export interface ListenOptions {
  /** The secret that callers must show, or one of several; not empty. A set may change. */
  readonly token: string | ReadonlySet<string>;
  readonly onConnection: (channel: Channel) => void;
}

/** A listening socket. */
export interface SocketServer {
  readonly path: string;
  readonly counters: SocketCounters;
  /** Stops listening, removes the file and closes every connection; resolves when all are gone. */
  close(): Promise<void>;
}

/**
 * Listens on a new socket file of mode 0600.
 *
 * @throws {SystemError} SOCKET_FAILED when the path is too long, taken, or not writable.
 */
export async function listenSocket(path: string, options: ListenOptions): Promise<SocketServer> {
  checkPath(path);
  const { token } = options;
  const hellos = new Map<string, Buffer>();
  if (typeof token === "string") hellos.set(token, helloOf(token));
  const rightOnes = (): Buffer[] => {
    const tokens = typeof token === "string" ? [token] : [...token];
    for (const known of hellos.keys()) if (!tokens.includes(known)) hellos.delete(known);
    return tokens.map((one) => {
      const hello = hellos.get(one) ?? helloOf(one);
      hellos.set(one, hello);
      return hello;
    });
  };
  const counters = newSocketCounters();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // Between hello and channel nobody else listens for errors; the close says as much.
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    void readHello(socket, HELLO_BYTES, HELLO_MS).then(
      (hello) => admit(socket, hello),
      () => refuse(socket),
    );
  });
  server.maxConnections = SOCKET_CONNECTIONS_MAX;

  const refuse = (socket: Socket): void => {
    counters.refused++;
    socket.end(REFUSAL, () => socket.destroy());
  };
  const admit = (socket: Socket, hello: Hello): void => {
    const isRight = rightOnes().some((right) => timingSafeEqual(hello.bytes, right));
    if (!isRight) return refuse(socket);
    counters.accepted++;
    socket.write(WELCOME);
    options.onConnection(new Channel(socket, counters, hello.early));
  };

  await listening(server, path);
  return {
    path,
    counters,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface ConnectOptions {
  readonly token: string;
  /** Milliseconds for connection and hello together. */
  readonly deadlineMs: number;
  readonly counters?: SocketCounters;
}

/**
 * An open channel to the process that listens at `path`.
 *
 * @throws {SystemError} NOT_AUTHORIZED when the token is refused, DEADLINE_EXCEEDED, or
 * SOCKET_FAILED when nobody listens or the other side ends without an answer.
 */
export async function connectSocket(path: string, options: ConnectOptions): Promise<Channel> {
  checkPath(path);
  const socket = connect(path);
  socket.on("error", () => {});
  socket.write(helloOf(options.token));
  try {
    const answer = await readHello(socket, WELCOME.length, options.deadlineMs);
    if (answer.bytes.equals(WELCOME)) {
      return new Channel(socket, options.counters ?? newSocketCounters(), answer.early);
    }
    if (answer.bytes.equals(REFUSAL)) {
      throw new SystemError("NOT_AUTHORIZED", "the socket refused the token", { uri: path });
    }
    throw new SystemError("SOCKET_FAILED", "the socket's answer is no hello", { uri: path });
  } catch (thrown) {
    socket.destroy();
    if (!(thrown instanceof SystemError)) throw thrown;
    throw thrown.where.uri === undefined
      ? new SystemError(thrown.code, thrown.what, { uri: path }, thrown.cause)
      : thrown;
  }
}

interface Hello {
  readonly bytes: Buffer;
  /** What came behind it. */
  readonly early: Buffer;
}

/**
 * The first `size` bytes of a socket, which is paused afterwards and has no listener of ours
 * left.
 */
function readHello(socket: Socket, size: number, deadlineMs: number): Promise<Hello> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("error", onError).off("end", onEnd).off("close", onEnd);
      socket.pause();
      settle();
    };
    const fail = (error: SystemError): void => finish(() => reject(error));
    const onData = (chunk: Buffer): void => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (received.length < size) return;
      const hello = { bytes: received.subarray(0, size), early: received.subarray(size) };
      finish(() => resolve(hello));
    };
    const onError = (error: Error): void =>
      fail(new SystemError("SOCKET_FAILED", error.message, {}, error));
    const onEnd = (): void =>
      fail(new SystemError("SOCKET_FAILED", "the other side ended before its hello"));
    const timer = setTimeout(
      () => fail(new SystemError("DEADLINE_EXCEEDED", `no hello within ${deadlineMs} ms`)),
      deadlineMs,
    );
    socket.on("data", onData).on("error", onError).on("end", onEnd).on("close", onEnd);
  });
}

/** Hashed, so that tokens of any length compare in constant time. */
function helloOf(token: string): Buffer {
  if (token === "") throw new SystemError("INTERNAL", "an empty token would let everybody in");
  return Buffer.concat([HELLO, createHash("sha256").update(token).digest()]);
}

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= PATH_BYTES_MAX) return;
  const what = `a socket's path has at most ${PATH_BYTES_MAX} bytes, this one ${bytes}`;
  throw new SystemError("SOCKET_FAILED", what, { uri: path });
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // After the start only a failed accept comes here: the caller's own deadline tells it.
    server.on("error", (error) => {
      reject(
        new SystemError("SOCKET_FAILED", `can't listen: ${error.message}`, { uri: path }, error),
      );
    });
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
}
