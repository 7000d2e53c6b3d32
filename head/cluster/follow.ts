/**
 * Following a run. The supervisor's socket gives a second command on the same output, when it
 * asks for the same job, the first one's progress and result; one that asks for another job
 * hears `busy`.
 */
import { chmod } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type JsonLine, readLines, writeLine } from "../../runtime/client/lines.ts";
import {
  FOLLOW_REQUEST_MS,
  FOLLOWER_BACKLOG_BYTES_MAX,
  FOLLOWERS_MAX,
} from "../../runtime/limits.ts";

export class FollowServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Followers that asked before the command had said what it runs. */
  readonly #waiting = new Map<Socket, string>();
  readonly #followers = new Set<Socket>();
  #key: string | undefined;
  #progress: JsonLine | undefined;
  #result: JsonLine | undefined;

  constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = FOLLOWERS_MAX;
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((settle, fail) => {
      this.#server.once("error", fail);
      this.#server.listen(path, settle);
    });
    await chmod(path, 0o600);
  }

  /** What the command runs; followers with the same key follow, others are told `busy`. */
  setRequest(key: string): void {
    this.#key = key;
    for (const [socket, asked] of this.#waiting) this.#admit(socket, asked, key);
    this.#waiting.clear();
  }

  /** A line `{"progress": ...}` or `{"result": ...}` of the command, for all followers. */
  pass(line: JsonLine): void {
    if ("result" in line) this.#result = line;
    else this.#progress = line;
    for (const socket of this.#followers) send(socket, line);
    if (this.#result !== undefined) this.#endFollowers();
  }

  /** Takes no more followers; those that are still here find the run gone. */
  async close(): Promise<void> {
    this.#endFollowers();
    for (const socket of this.#sockets) socket.end();
    const closed = new Promise<void>((settle) => this.#server.close(() => settle()));
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, 200);
    await closed;
    clearTimeout(timer);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => this.#tellBusy(socket), FOLLOW_REQUEST_MS);
    readLines(socket, {
      onLine: (line) => {
        const key = keyOf(line);
        if (key === undefined || this.#followers.has(socket)) return void socket.destroy();
        if (this.#key === undefined) return void this.#waiting.set(socket, key);
        this.#admit(socket, key, this.#key);
      },
      onEnd: () => {
        clearTimeout(timer);
        this.#sockets.delete(socket);
        this.#waiting.delete(socket);
        this.#followers.delete(socket);
      },
    });
  }

  #admit(socket: Socket, asked: string, running: string): void {
    if (asked !== running) return this.#tellBusy(socket);
    if (this.#progress !== undefined) send(socket, this.#progress);
    if (this.#result === undefined) return void this.#followers.add(socket);
    send(socket, this.#result);
    socket.end();
  }

  #tellBusy(socket: Socket): void {
    if (this.#followers.has(socket)) return;
    this.#waiting.delete(socket);
    writeLine(socket, { busy: true });
    socket.end();
  }

  #endFollowers(): void {
    for (const socket of this.#followers) socket.end();
    this.#followers.clear();
  }
}

/** A follower that doesn't read is cut off: it may not fill the supervisor's memory. */
function send(socket: Socket, line: JsonLine): void {
  if (socket.writableLength > FOLLOWER_BACKLOG_BYTES_MAX) socket.destroy();
  else writeLine(socket, line);
}

/** The key of a line `{"request": {"key": ...}}`. */
export function keyOf(line: JsonLine): string | undefined {
  const request = line["request"];
  if (typeof request !== "object" || request === null || !("key" in request)) return undefined;
  return typeof request.key === "string" ? request.key : undefined;
}

export type FollowOutcome =
  /** What the first command sent as its result. */
  | { readonly kind: "result"; readonly result: unknown }
  /** It runs another job. */
  | { readonly kind: "busy" }
  /** It ended without a result, or is just ending: the output is free in a moment. */
  | { readonly kind: "gone" };

export interface FollowOptions {
  /** The lock owner's socket. */
  readonly socket: string;
  /** What this command would run; the same text as the other's means the same job. */
  readonly key: string;
  readonly onProgress: (progress: unknown) => void;
  readonly signal?: AbortSignal;
}

/** Follows a run to its end. An abort of `signal` leaves it and settles as `gone`. */
export function followRun(options: FollowOptions): Promise<FollowOutcome> {
  return new Promise((settle) => {
    let outcome: FollowOutcome = { kind: "gone" };
    const socket = connect(options.socket);
    // A live supervisor answers at once with a progress, a result, `busy` or by waiting for its own
    // command; a frozen one would hold us for ever, so that only connecting has a deadline.
    const timer = setTimeout(() => socket.destroy(), FOLLOW_REQUEST_MS);
    const leave = () => socket.destroy();
    options.signal?.addEventListener("abort", leave, { once: true });
    if (options.signal?.aborted) leave();
    socket.once("connect", () => {
      clearTimeout(timer);
      writeLine(socket, { request: { key: options.key } });
    });
    readLines(socket, {
      onLine: (line) => {
        if ("progress" in line) options.onProgress(line["progress"]);
        if ("result" in line) outcome = { kind: "result", result: line["result"] };
        if ("busy" in line) outcome = { kind: "busy" };
      },
      onEnd: () => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", leave);
        settle(outcome);
      },
    });
  });
}
