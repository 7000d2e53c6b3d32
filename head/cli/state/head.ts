/**
 * `ligase head --standby`: one more head for a cluster that runs on this machine. It stands by
 * until the leader falls silent, then leads; one that lost its lead stands by again. It lives until
 * the cluster ends or somebody ends it. Its key is good as long as it holds the cluster's door
 * open, and by that door it asks for Slurm, as the cluster's own heads ask their supervisor.
 */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import type { ClusterAddress } from "../../../runtime/client/address.ts";
import { type JsonLine, readLines, writeLine } from "../../../runtime/client/lines.ts";
import { errorFromData, SystemError } from "../../../runtime/errors.ts";
import { CLIENT_KEY_MS, HEAD_RESTARTS_MAX } from "../../../runtime/limits.ts";
import { errorData } from "../../../runtime/messages.ts";
import { isReplaced, KeptChild } from "../../cluster/child.ts";
import {
  freshLog,
  makeRuntimeFolder,
  newRuntimeFolderPath,
  removeRuntimeFolder,
} from "../../cluster/folders.ts";
import { type HeadConfig, type JoinedHead, joinedHead } from "../../cluster/protocol.ts";
import { addressOf, type ReachFlags } from "../actors/reach.ts";
import { reachOf } from "../jobs/source.ts";

const answerSchema = v.union([v.object({ head: joinedHead }), v.object({ error: errorData })]);

/** The exit code. @throws {SystemError} CLUSTER_NOT_FOUND, USAGE, what the head ended with. */
export async function headCommand(flags: ReachFlags): Promise<number> {
  const door = await Door.open(await addressOf(reachOf(flags)));
  const runtimeDir = await newRuntimeFolderPath();
  await makeRuntimeFolder(runtimeDir);
  try {
    return await keep(door, runtimeDir);
  } finally {
    door.close();
    await removeRuntimeFolder(runtimeDir);
  }
}

async function keep(door: Door, runtimeDir: string): Promise<number> {
  const ended = Promise.withResolvers<SystemError | undefined>();
  const say = (line: string): void => void process.stderr.write(`ligase: ${line}\n`);
  const { head } = door;
  let tail = 0;
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const child = new KeptChild({
    name: "head",
    script: fileURLToPath(new URL(`../../daemon/main${extension}`, import.meta.url)),
    configPath: join(runtimeDir, `${head.identity}.json`),
    config: (): HeadConfig => ({ ...head, runtimeDir, standby: true, tail }),
    logPath: await freshLog(head.stateDir, head.identity),
    env: process.env,
    restartsMax: HEAD_RESTARTS_MAX,
    mends: isReplaced,
    log: say,
    onMessage: (message, reply) => {
      if (message.op === "leads") say(`leads epoch ${message.epoch}`);
      if (message.op === "tail") tail = Math.max(tail, message.tail);
      door.pass(message, reply);
    },
    onFailed: (error) => ended.resolve(error),
  });
  const stop = (): void => ended.resolve(undefined);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  void door.closed.then(stop);
  try {
    await child.start();
    say(`stands by for cluster ${head.cluster}`);
    const error = await ended.promise;
    if (error !== undefined) throw error;
    return 0;
  } finally {
    await child.stop();
  }
}

/** The connection over which the cluster gave a key. */
class Door {
  readonly head: JoinedHead;
  /** The cluster is gone. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  /** Who waits for an answer, by its number. */
  readonly #replies: Map<number, (answer: object) => void>;

  private constructor(
    socket: Socket,
    head: JoinedHead,
    closed: Promise<void>,
    replies: Map<number, (answer: object) => void>,
  ) {
    this.#socket = socket;
    this.#replies = replies;
    this.head = head;
    this.closed = closed;
  }

  static async open({ socket: path, token }: ClusterAddress): Promise<Door> {
    const socket = connect(path);
    const replies = new Map<number, (answer: object) => void>();
    const head = Promise.withResolvers<JoinedHead>();
    const closed = Promise.withResolvers<void>();
    const missing = new SystemError("CLUSTER_NOT_FOUND", "no cluster answers", { uri: path });
    const timer = setTimeout(() => socket.destroy(), CLIENT_KEY_MS);
    writeLine(socket, { token, role: "head" });
    readLines(socket, {
      onLine: (line) => {
        if (typeof line["id"] === "number") return settle(replies, line["id"], line);
        const parsed = v.safeParse(answerSchema, line);
        if (!parsed.success) head.reject(new SystemError("FRAME_INVALID", "no cluster's answer"));
        else if ("error" in parsed.output) head.reject(errorFromData(parsed.output.error));
        else head.resolve(parsed.output.head);
      },
      onEnd: () => {
        head.reject(missing);
        closed.resolve();
      },
    });
    try {
      return new Door(socket, await head.promise, closed.promise, replies);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Passes what the head says on to the cluster's supervisor, and the answer back. */
  pass(message: JsonLine & { readonly id?: number }, reply: (answer: object) => void): void {
    if (message.id !== undefined) this.#replies.set(message.id, reply);
    writeLine(this.#socket, message);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function settle(
  replies: Map<number, (answer: object) => void>,
  id: number,
  answer: JsonLine,
): void {
  const reply = replies.get(id);
  replies.delete(id);
  reply?.(answer);
}
