import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FollowServer, followRun } from "../../../head/cluster/follow.ts";
import {
  FOLLOW_REQUEST_MS,
  FOLLOWER_BACKLOG_BYTES_MAX,
  FOLLOWERS_MAX,
} from "../../../runtime/limits.ts";
import { cleanUp, onEnd, temporaryFolder, until } from "./support.ts";

afterEach(cleanUp);

async function startServer() {
  const path = join(await temporaryFolder(), "follow.sock");
  const server = new FollowServer();
  await server.listen(path);
  onEnd(() => server.close());
  return { server, path };
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on("error", () => undefined);
  onEnd(async () => socket.destroy());
  await once(socket, "connect");
  return socket;
}

describe("the follow socket", () => {
  it("cuts off a follower that doesn't read, and serves the others", async () => {
    const { server, path } = await startServer();
    server.setRequest("k");
    const lazy = await connected(path);
    lazy.once("data", () => undefined);
    lazy.write('{"request":{"key":"k"}}\n');
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => seen.push(progress);
    const following = followRun({ socket: path, key: "k", onProgress });
    const text = "x".repeat(FOLLOWER_BACKLOG_BYTES_MAX / 8);
    await until("both follow", () => {
      server.pass({ progress: "" });
      return seen.length > 0 && lazy.bytesRead > 0;
    });
    lazy.pause();
    for (let sent = 0; sent < 32; sent += 1) {
      const before = seen.length;
      server.pass({ progress: text });
      await until("the other one has it", () => seen.length > before);
    }
    const closed = once(lazy, "close");
    lazy.resume();
    await closed;
    server.pass({ result: 1 });
    expect(await following).toEqual({ kind: "result", result: 1 });
  });

  it("has room for so many", async () => {
    const { path } = await startServer();
    for (let n = 0; n < FOLLOWERS_MAX; n += 1) await connected(path);
    const options = { socket: path, key: "k", onProgress: () => undefined };
    expect(await followRun(options)).toEqual({ kind: "gone" });
  });

  it("tells who asks for nothing, or before the command says what it runs, `busy`", async () => {
    const { path } = await startServer();
    const silent = await connected(path);
    const began = performance.now();
    const [[words], outcome] = await Promise.all([
      once(silent, "data"),
      followRun({ socket: path, key: "k", onProgress: () => undefined }),
    ]);
    expect(String(words)).toBe('{"busy":true}\n');
    expect(outcome).toEqual({ kind: "busy" });
    expect(performance.now() - began).toBeGreaterThan(FOLLOW_REQUEST_MS / 2);
  });

  it("is left by an abort, and gone when nobody listens", async () => {
    const { server, path } = await startServer();
    server.setRequest("k");
    const abort = new AbortController();
    const options = { socket: path, key: "k", onProgress: () => abort.abort() };
    const following = followRun({ ...options, signal: abort.signal });
    server.pass({ progress: 1 });
    expect(await following).toEqual({ kind: "gone" });
    expect(await followRun({ ...options, socket: `${path}.other` })).toEqual({ kind: "gone" });
  });
});
