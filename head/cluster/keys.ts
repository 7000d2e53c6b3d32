/**
 * Who may connect: one nkey an identity, in the users file that nats-server includes. The file is
 * replaced whole, then the server reloads it while the others stay connected.
 *
 * A server without a single user would let everybody in, so the file is never empty: each
 * generation holds a fresh probe key that may do nothing. That it can log in proves that its
 * generation is in force.
 */
import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Credentials,
  isUserPublicKey,
  type Key,
  newKey,
  signerOf,
} from "../../runtime/bus/key.ts";
import {
  letterOf,
  type Permissions,
  permissionsOf,
  type Role,
} from "../../runtime/bus/subjects.ts";
import { SystemError } from "../../runtime/errors.ts";
import { type Identity, newIdentity } from "../../runtime/ids.ts";
import { KEYS_MAX, NATS_RELOAD_MS } from "../../runtime/limits.ts";
import { USERS_FILE } from "./nats-server.ts";

export interface KeyEntry {
  readonly identity: Identity;
  readonly role: Role;
  /** `U...`; the seed isn't needed here. */
  readonly publicKey: string;
}

/** The server whose keys these are. */
export interface KeyedServer {
  readonly url: string;
  reload(): void;
}

const NOTHING: Permissions = { publish: [], subscribe: [] };
const RETRY_MS = 10;
/** A signal sent while the server reloads may be lost; it is repeated after as many tries. */
const TRIES_PER_SIGNAL = 25;

export class Keyring {
  readonly #cluster: string;
  readonly #folder: string;
  readonly #entries = new Map<Identity, KeyEntry>();
  #server: KeyedServer | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param folder - the runtime folder; the users file appears in it with the first key. */
  constructor(options: { readonly cluster: string; readonly folder: string }) {
    this.#cluster = options.cluster;
    this.#folder = options.folder;
  }

  /** A new identity with a key of its own, in force when this settles. */
  async mint(role: Role): Promise<Credentials> {
    const identity = newIdentity(letterOf(role));
    const { seed, publicKey } = newKey();
    await this.add({ identity, role, publicKey });
    return { identity, seed };
  }

  /**
   * Lets a public key in under an identity; in force when this settles.
   *
   * @throws {SystemError} NOT_AUTHORIZED for a malformed key or one that is in already;
   * NO_CAPACITY when KEYS_MAX are in; CLUSTER_FAILED when the server doesn't take the file.
   */
  async add(entry: KeyEntry): Promise<void> {
    await this.#change(() => {
      this.#check(entry);
      this.#entries.set(entry.identity, entry);
    });
  }

  /** Shuts an identity out: its connections end. In force when this settles. */
  async remove(identity: Identity): Promise<void> {
    await this.#change(() => void this.#entries.delete(identity));
  }

  /**
   * The server whose keys these are. It was started with this keyring's file, so that all keys
   * up to now are in force; later changes reload it.
   */
  attach(server: KeyedServer): void {
    this.#server = server;
  }

  /** All who may connect now. */
  identities(): Identity[] {
    return [...this.#entries.keys()];
  }

  #check(entry: KeyEntry): void {
    const known = [...this.#entries.values()];
    const used = known.some((other) => other.publicKey === entry.publicKey);
    if (!isUserPublicKey(entry.publicKey) || used || this.#entries.has(entry.identity)) {
      throw new SystemError("NOT_AUTHORIZED", "the key is malformed or in use", {});
    }
    if (known.length >= KEYS_MAX) {
      throw new SystemError("NO_CAPACITY", `the cluster has ${KEYS_MAX} keys already`);
    }
  }

  /** One change at a time: each rewrites the whole file. */
  async #change(change: () => void): Promise<void> {
    const turn = this.#turn.then(async () => {
      change();
      await this.#publish();
    });
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #publish(): Promise<void> {
    const probe = newKey();
    const users = [user(probe.publicKey, NOTHING)];
    for (const { identity, role, publicKey } of this.#entries.values()) {
      users.push(user(publicKey, permissionsOf(this.#cluster, role, identity)));
    }
    const path = join(this.#folder, USERS_FILE);
    const temp = `${path}.${randomBytes(4).toString("hex")}`;
    await writeFile(temp, `users = [\n${users.join("\n")}\n]\n`, { mode: 0o600, flag: "wx" });
    await rename(temp, path);
    if (this.#server !== undefined) await inForce(this.#server, probe);
  }
}

function user(publicKey: string, { publish, subscribe }: Permissions): string {
  const permissions = `{ publish: ${rule(publish)}, subscribe: ${rule(subscribe)} }`;
  return `  { nkey: ${publicKey}, permissions: ${permissions} }`;
}

/** Subjects hold letters, digits, `.`, `-` and `*` alone: nothing in them needs escaping. */
function rule(subjects: readonly string[]): string {
  if (subjects.length === 0) return '{ deny: [">"] }';
  return `{ allow: [${subjects.map((subject) => `"${subject}"`).join(", ")}] }`;
}

async function inForce(server: KeyedServer, probe: Key): Promise<void> {
  const deadline = performance.now() + NATS_RELOAD_MS;
  for (let tries = 0; performance.now() < deadline; tries += 1) {
    if (tries % TRIES_PER_SIGNAL === 0) server.reload();
    await delay(RETRY_MS);
    if (await canConnect(server.url, probe)) return;
  }
  const what = `nats-server didn't take its new keys within ${NATS_RELOAD_MS} ms`;
  throw new SystemError("CLUSTER_FAILED", what, { uri: server.url });
}

async function canConnect(url: string, key: Key): Promise<boolean> {
  // Loaded with the first change after the start, which most clusters never see.
  const { connect } = await import("nats");
  const authenticator = signerOf(key.seed);
  const options = { servers: url, name: "probe", authenticator, reconnect: false };
  try {
    const connection = await connect({ ...options, timeout: NATS_RELOAD_MS });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}
