/**
 * Clusters that run on this machine, and how a process of the same user becomes a client of one.
 *
 * A supervisor leaves `address.json`, mode 0600, in its runtime folder, mode 0700. It names a Unix
 * socket and a token; who shows the token there gets a key of its own, which is good as long as
 * that connection is open. No key lies in a file, and none outlives who holds it.
 */
import { constants, type FileHandle, open, readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import type { Connection } from "../bus/key.ts";
import { isClusterId, isIdentity } from "../bus/subjects.ts";
import { errorFromData, SystemError, toSystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";
import { CLIENT_KEY_MS } from "../limits.ts";
import { errorData } from "../messages.ts";
import { readLines, writeLine } from "./lines.ts";

/** Environment variable that names an address file. */
export const ADDRESS_VARIABLE = "LIGASE_ADDRESS";
/** Its name in a runtime folder. */
export const ADDRESS_FILE = "address.json";
/** Names of runtime folders. */
const FOLDER = /^lg-[0-9a-f]{8}$/;
const OTHERS = 0o077;

const addressSchema = v.object({
  cluster: v.pipe(v.string(), v.check(isClusterId)),
  /** The supervisor's. */
  pid: v.number(),
  stateDir: v.string(),
  socket: v.string(),
  token: v.pipe(v.string(), v.minLength(32)),
});

/** What an address file says. */
export type ClusterAddress = v.InferOutput<typeof addressSchema>;

const answerSchema = v.union([
  v.object({
    connection: v.object({
      natsUrl: v.string(),
      cluster: v.string(),
      identity: v.custom<Identity>((value) => isIdentity(String(value), "client")),
      seed: v.string(),
    }),
  }),
  v.object({ error: errorData }),
]);

/** A client's way in. */
export interface Entrance {
  readonly connection: Connection;
  /** Gives the key back: its connections to the bus end. */
  readonly release: () => void;
  /** The key is no good any more: given back, or the cluster ended. */
  readonly over: Promise<void>;
}

/** Folders in which runtime folders may lie. */
export function runtimeParents(env: NodeJS.ProcessEnv = process.env): string[] {
  return [...new Set([env["XDG_RUNTIME_DIR"] || tmpdir(), tmpdir(), "/tmp"])];
}

/**
 * What a file says of its cluster. Another user's would lead to another user's cluster.
 * @throws {SystemError} CLUSTER_NOT_FOUND; NOT_AUTHORIZED for a file that isn't this user's alone.
 */
export async function readAddress(path: string): Promise<ClusterAddress> {
  // The very file that was looked at is read: in `/tmp` others may put another one in its place.
  // A link isn't followed, and a pipe without a writer isn't waited for.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: FileHandle | undefined;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const { uid, mode } = await file.stat();
    if (uid !== process.getuid?.() || (mode & OTHERS) !== 0) throw notOwn(path);
    return v.parse(addressSchema, JSON.parse(await file.readFile("utf8")));
  } catch (thrown) {
    if (thrown instanceof SystemError) throw thrown;
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "ELOOP" || code === "EACCES") throw notOwn(path);
    const what = "no cluster's address is there";
    throw new SystemError("CLUSTER_NOT_FOUND", what, { uri: path }, thrown);
  } finally {
    await file?.close();
  }
}

function notOwn(path: string): SystemError {
  return new SystemError("NOT_AUTHORIZED", "the address file isn't this user's alone", {
    uri: path,
  });
}

/** Clusters of this user on this machine whose supervisor left its address; some may be gone. */
export async function clustersHere(env?: NodeJS.ProcessEnv): Promise<ClusterAddress[]> {
  const found = await Promise.all(
    runtimeParents(env).map(async (parent) => {
      const names = await readdir(parent).catch(() => []);
      const files = names.filter((name) => FOLDER.test(name));
      return Promise.all(files.map((name) => addressIn(join(parent, name))));
    }),
  );
  return found.flat().filter((address) => address !== undefined);
}

async function addressIn(folder: string): Promise<ClusterAddress | undefined> {
  return readAddress(join(folder, ADDRESS_FILE)).catch(() => undefined);
}

/**
 * A key for one client, good until `release` or the end of this process.
 * @throws {SystemError} CLUSTER_NOT_FOUND when nobody listens there any more; what the cluster
 * answers; DEADLINE_EXCEEDED.
 */
export async function enter({ socket: path, token }: ClusterAddress): Promise<Entrance> {
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(), CLIENT_KEY_MS);
  try {
    const connection = await connectionBy(socket, path, token);
    // It holds the key, not the process.
    socket.unref();
    const over = new Promise<void>((settle) => void socket.once("close", () => settle()));
    return { connection, release: () => void socket.destroy(), over };
  } catch (thrown) {
    socket.destroy();
    throw toSystemError(thrown);
  } finally {
    clearTimeout(timer);
  }
}

function connectionBy(socket: Socket, path: string, token: string): Promise<Connection> {
  return new Promise((settle, fail) => {
    writeLine(socket, { token });
    readLines(socket, {
      onLine: (line) => {
        const parsed = v.safeParse(answerSchema, line);
        if (!parsed.success) fail(new SystemError("FRAME_INVALID", "no answer of a cluster"));
        else if ("error" in parsed.output) fail(errorFromData(parsed.output.error));
        else settle(parsed.output.connection);
      },
      onEnd: () => fail(new SystemError("CLUSTER_NOT_FOUND", "no cluster answers", { uri: path })),
    });
  });
}
