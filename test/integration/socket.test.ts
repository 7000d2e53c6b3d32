import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Channel,
  type CloseReason,
  connectSocket,
  listenSocket,
  type SocketServer,
} from "../../runtime/bus/socket.ts";
import { SystemError } from "../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../runtime/frame/codec.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import { FRAME_BYTES_MAX, HELLO_MS, SOCKET_BUFFERED_BYTES_MAX } from "../../runtime/limits.ts";
import { FIELDS } from "../unit/frame/fixtures.ts";

const TOKEN = "the right token";
const DEADLINE_MS = 5_000;
const HELLO = Buffer.concat([Buffer.from("LIGASE\x01\n"), Buffer.from(sha256Hex(TOKEN), "hex")]);

let folder: string;
let path: string;
let server: SocketServer;
let accepted: Channel[];
let arrived: (channel: Channel) => void;
const children: ChildProcess[] = [];
const raws: Socket[] = [];
const others: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lg-"));
  path = join(folder, "s");
  accepted = [];
  arrived = () => {};
  const onConnection = (channel: Channel): void => {
    accepted.push(channel);
    arrived(channel);
  };
  server = await listenSocket(path, { token: TOKEN, onConnection });
});

afterEach(async () => {
  for (const raw of raws.splice(0)) raw.destroy();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const other of others.splice(0)) other.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Fails after the deadline instead of waiting for ever. */
async function within<T>(promise: Promise<T>, what: string, ms = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function dial(token = TOKEN): Promise<Channel> {
  return connectSocket(path, { token, deadlineMs: DEADLINE_MS });
}

/** The next accepted channel. */
function nextChannel(): Promise<Channel> {
  const next = new Promise<Channel>((resolve) => {
    arrived = resolve;
  });
  return within(next, "a connection");
}

/** Both ends of a new connection. */
async function pair(): Promise<{ client: Channel; host: Channel }> {
  const host = nextChannel();
  return { client: await dial(), host: await host };
}

function closed(channel: Channel): Promise<CloseReason> {
  return within(new Promise((resolve) => channel.onClose(resolve)), "a close");
}

/** Values of the first `n` frames. */
function values(channel: Channel, n: number): Promise<unknown[]> {
  const received: unknown[] = [];
  const all = new Promise<unknown[]>((resolve) => {
    channel.onFrame((frame) => {
      received.push(decodeFrame(frame).value);
      if (received.length === n) resolve(received);
    });
  });
  return within(all, `${n} frames`, 20_000);
}

function rawClient(...writes: Uint8Array[]): Socket {
  const socket = connect(path);
  socket.on("error", () => {});
  for (const bytes of writes) socket.write(bytes);
  raws.push(socket);
  return socket;
}

/** A server that isn't ours, in the same folder. */
async function otherServer(name: string, onSocket: (socket: Socket) => void): Promise<void> {
  const other = createServer((socket) => {
    socket.on("error", () => {});
    raws.push(socket);
    onSocket(socket);
  });
  others.push(other);
  other.listen(join(folder, name));
  await once(other, "listening");
}

async function failure(promise: Promise<unknown>): Promise<SystemError> {
  const error = await promise.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof SystemError) return error;
  throw error;
}

describe("a socket", () => {
  it("carries frames of every size both ways, in order", async () => {
    const { client, host } = await pair();
    const sent = [undefined, 1, "x".repeat(70_000), new Uint8Array(FRAME_BYTES_MAX - 56).fill(7)];
    for (let i = 0; i < 3_000; i++) sent.push({ i, bytes: Uint8Array.of(i) } as never);
    const there = values(host, sent.length);
    const back = values(client, sent.length);
    for (const value of sent) client.send(encodeFrame(FIELDS, value));
    for (const value of sent) host.send(encodeFrame(FIELDS, value));
    expect(await there).toStrictEqual(sent);
    expect(await back).toStrictEqual(sent);
    expect(server.counters).toMatchObject({ accepted: 1, refused: 0, framesReceived: sent.length });
  });

  it("is a file for its owner alone, and gone after the close", async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { client } = await pair();
    const end = closed(client);
    await within(server.close(), "the server's close");
    client.onFrame(() => {});
    await end;
    expect(await readdir(folder)).toEqual([]);
  });

  it("keeps frames that come before anybody asks for them", async () => {
    const { client, host } = await pair();
    host.send(encodeFrame(FIELDS, "early"));
    host.send(encodeFrame(FIELDS, "bird"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(await values(client, 2)).toEqual(["early", "bird"]);
  });

  it("delivers what was sent before the close, to both", async () => {
    const { client, host } = await pair();
    const there = values(host, 20);
    for (let i = 0; i < 20; i++) client.send(encodeFrame(FIELDS, new Uint8Array(200_000)));
    client.close();
    expect(await there).toHaveLength(20);
    expect(await closed(host)).toBe(undefined);
    expect(await closed(client)).toBe(undefined);
    expect(client.send(encodeFrame(FIELDS, 1))).toBe(false);
    // Also who asks late is told.
    expect(await closed(client)).toBe(undefined);
  });
});

describe("the hello", () => {
  it("with a wrong token is refused, counted, and ends nothing else", async () => {
    const { client, host } = await pair();
    for (const token of ["wrong", `${TOKEN} `, "x".repeat(1_000)]) {
      expect((await failure(dial(token))).code).toBe("NOT_AUTHORIZED");
    }
    expect(server.counters).toMatchObject({ accepted: 1, refused: 3 });
    expect(accepted).toHaveLength(1);
    const still = values(host, 1);
    client.send(encodeFrame(FIELDS, "still here"));
    expect(await still).toEqual(["still here"]);
  });

  it("can't be without a token on either side", async () => {
    expect((await failure(dial(""))).code).toBe("INTERNAL");
    const listen = listenSocket(join(folder, "t"), { token: "", onConnection: () => {} });
    expect((await failure(listen)).code).toBe("INTERNAL");
  });

  it("that doesn't come in time closes the connection, and is counted", async () => {
    const start = performance.now();
    const silent = rawClient();
    const half = rawClient(HELLO.subarray(0, 20));
    for (const socket of [silent, half]) {
      socket.resume();
      await within(once(socket, "close"), "the server's close", HELLO_MS + DEADLINE_MS);
    }
    expect(performance.now() - start).toBeGreaterThan(HELLO_MS - 100);
    expect(server.counters.refused).toBe(2);
    expect(accepted).toHaveLength(0);
  });

  it("that is cut by the client's end is counted and no connection", async () => {
    const socket = rawClient(HELLO.subarray(0, 39));
    socket.resume();
    socket.end();
    await within(once(socket, "close"), "the server's close");
    expect(server.counters.refused).toBe(1);
    expect(accepted).toHaveLength(0);
  });

  it("of other bytes is refused, a right hash among them", async () => {
    const wrong = Buffer.from(HELLO);
    wrong[6] = 2;
    const socket = rawClient(wrong);
    const [answer] = (await within(once(socket, "data"), "the answer")) as [Buffer];
    expect(answer.toString()).toBe("REFUSED\n");
    expect(accepted).toHaveLength(0);
  });

  it("may come byte by byte, with frames right behind it", async () => {
    const host = nextChannel();
    const socket = rawClient(...Array.from(HELLO, (byte) => Uint8Array.of(byte)));
    socket.write(encodeFrame(FIELDS, "behind"));
    expect(await values(await host, 1)).toEqual(["behind"]);
  });

  it("has a deadline on the caller's side too", async () => {
    await otherServer("mute", () => {});
    const start = performance.now();
    const dialled = connectSocket(join(folder, "mute"), { token: TOKEN, deadlineMs: 200 });
    expect((await failure(dialled)).code).toBe("DEADLINE_EXCEEDED");
    expect(performance.now() - start).toBeLessThan(DEADLINE_MS);
  });

  it("fails by type where nobody listens, who listens ends, or the path can't be", async () => {
    const at = (name: string) =>
      connectSocket(join(folder, name), { token: TOKEN, deadlineMs: DEADLINE_MS });
    expect(await failure(at("nobody"))).toMatchObject({
      code: "SOCKET_FAILED",
      where: { uri: join(folder, "nobody") },
    });
    await otherServer("rude", (socket) => socket.destroy());
    expect((await failure(at("rude"))).code).toBe("SOCKET_FAILED");
    await otherServer("babbler", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect((await failure(at("babbler"))).code).toBe("SOCKET_FAILED");

    expect((await failure(at("x".repeat(120)))).what).toContain("107");
    const options = { token: TOKEN, onConnection: () => {} };
    expect((await failure(listenSocket(join(folder, "no", "such"), options))).code).toBe(
      "SOCKET_FAILED",
    );
  });

  it("of a second listener on the same path is refused, and the first goes on", async () => {
    const second = listenSocket(path, { token: "other", onConnection: () => {} });
    expect((await failure(second)).code).toBe("SOCKET_FAILED");
    await pair();
  });
});

describe("a stream that breaks the format", () => {
  /** The server's end of a connection that sends these bytes, and how it closes. */
  async function sends(...writes: Uint8Array[]): Promise<{ reason: CloseReason; frames: number }> {
    const next = nextChannel();
    const socket = rawClient(HELLO, ...writes);
    socket.resume();
    const host = await next;
    let frames = 0;
    host.onFrame(() => frames++);
    const end = closed(host);
    if (writes.length > 1) socket.end();
    return { reason: await end, frames };
  }

  it("by a length over the bound ends its channel, typed and counted, and no other", async () => {
    const other = await pair();
    const start = Buffer.from(encodeFrame(FIELDS, undefined));
    start.writeUInt32LE(0xffffffff, 4);
    expect((await sends(start)).reason?.code).toBe("FRAME_TOO_LARGE");
    start[0] = 7;
    expect((await sends(start)).reason?.code).toBe("FRAME_VERSION");
    expect((await sends(Buffer.alloc(5_000))).reason?.code).toBe("FRAME_VERSION");
    expect(server.counters).toMatchObject({ accepted: 4, invalidFrames: 3 });
    const still = values(other.host, 1);
    other.client.send(encodeFrame(FIELDS, 1));
    expect(await still).toEqual([1]);
  });

  it("by ending within a frame is a cut frame, and the frames before it came", async () => {
    const whole = encodeFrame(FIELDS, "whole");
    for (const cut of [1, 7, 8, 39, whole.length - 1]) {
      const { reason, frames } = await sends(whole, whole.subarray(0, cut));
      expect(reason?.code).toBe("FRAME_INVALID");
      expect(frames).toBe(1);
    }
    expect(server.counters.invalidFrames).toBe(5);
    expect((await sends(whole, whole)).reason).toBe(undefined);
  });

  it("ends the channel when who takes the frames finds one broken", async () => {
    const { client, host } = await pair();
    const end = closed(host);
    let taken = 0;
    host.onFrame((frame) => {
      taken++;
      decodeFrame(frame);
    });
    const broken = Uint8Array.from(encodeFrame(FIELDS, [1, 2, 3]));
    broken[42] = 0xc1;
    client.send(broken);
    client.send(encodeFrame(FIELDS, "after"));
    expect((await end)?.code).toBe("FRAME_INVALID");
    expect(taken).toBe(1);
    expect(server.counters.invalidFrames).toBe(1);
    client.onFrame(() => {});
    await closed(client);
  });
});

describe("a handler that closes the channel", () => {
  it("gets no frame that came behind", async () => {
    const next = nextChannel();
    const frame = encodeFrame(FIELDS, "one");
    rawClient(Buffer.concat([HELLO, frame, frame, frame])).resume();
    const host = await next;
    let taken = 0;
    host.onFrame(() => {
      taken++;
      host.close();
    });
    expect(await closed(host)).toBe(undefined);
    expect(taken).toBe(1);
  });
});

describe("back-pressure", () => {
  const frame = encodeFrame(FIELDS, new Uint8Array(100_000));

  it("is told to the sender, and its end too, and loses nothing", async () => {
    const { client, host } = await pair();
    let sent = 0;
    while (client.send(frame) && sent < 1_000) sent++;
    expect(sent).toBeLessThan(1_000);
    expect(client.bufferedBytes).toBeGreaterThan(0);
    const drained = new Promise<void>((resolve) => client.onDrain(resolve));
    const all = values(host, sent + 1);
    await within(drained, "the drain");
    expect(client.bufferedBytes).toBe(0);
    expect(await all).toHaveLength(sent + 1);
  });

  it("that a sender doesn't heed ends its channel at the bound", async () => {
    const { client } = await pair();
    const most = SOCKET_BUFFERED_BYTES_MAX / frame.length + 100;
    for (let i = 0; i < most && client.isOpen; i++) client.send(frame);
    expect(client.isOpen).toBe(false);
    expect((await closed(client))?.code).toBe("INTERNAL");
  });
});

describe("a process that dies", () => {
  it("closes its channels at once", async () => {
    const next = nextChannel();
    const module = new URL("../../runtime/bus/socket.ts", import.meta.url).href;
    const script = `
      const { connectSocket } = await import(process.argv[1]);
      const [path, token] = process.argv.slice(2);
      const channel = await connectSocket(path, { token, deadlineMs: 5000 });
      channel.onFrame(() => {});
    `;
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", script, module, path, TOKEN],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    children.push(child);
    const host = await next;
    host.onFrame(() => {});
    const end = closed(host);
    const start = performance.now();
    child.kill("SIGKILL");
    await end;
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
