/** The socket at which processes of this user become clients of a cluster, and its address file. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClientDoor } from "../../../head/cluster/clients/door.ts";
import { Keyring } from "../../../head/cluster/keys.ts";
import { keepNatsServer, type KeptNatsServer } from "../../../head/cluster/nats-server.ts";
import type { Connection } from "../../../runtime/bus/key.ts";
import { connectBus } from "../../../runtime/bus/nats.ts";
import { clustersHere, enter, readAddress } from "../../../runtime/client/address.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { newIdentity } from "../../../runtime/ids.ts";
import { cleanUp, onEnd, temporaryFolder, until } from "./support.ts";

const cluster = "0123456789abcdef";
const PRIVATE = 0o077;

let runtimeDir: string;
let parent: string;
let revoked: { readonly identity: string }[];
beforeEach(async () => {
  parent = await temporaryFolder();
  runtimeDir = join(parent, `lg-${randomBytes(4).toString("hex")}`);
  await mkdir(runtimeDir, { mode: 0o700 });
  revoked = [];
});
afterEach(cleanUp);

const newConnection = async (): Promise<Connection> => ({
  natsUrl: "nats://127.0.0.1:1",
  cluster,
  identity: newIdentity("c"),
  seed: "SU",
});

const NO_HEADS = {
  mintHead: async (): Promise<never> => {
    throw new SystemError("NO_CAPACITY", "no head joins here");
  },
  hear: (): void => undefined,
};

async function openDoor(mint = newConnection): Promise<ClientDoor> {
  const door = new ClientDoor({
    ...{ runtimeDir, stateDir: join(parent, "state"), cluster, mint, ...NO_HEADS },
    revoke: async (connection) => void revoked.push(connection),
    log: () => undefined,
  });
  await door.open();
  onEnd(async () => door.close());
  return door;
}

const file = (): string => join(runtimeDir, "address.json");

describe("the address", () => {
  it("is this user's alone, socket and file, and holds no key", async () => {
    await openDoor();
    const address = await readAddress(file());
    expect((await stat(file())).mode & PRIVATE).toBe(0);
    expect((await stat(address.socket)).mode & PRIVATE).toBe(0);
    expect(await readFile(file(), "utf8")).not.toMatch(/\bS[UAON][A-Z2-7]{10}/);
  });

  it("is found among this user's runtime folders", async () => {
    await openDoor();
    const found = await clustersHere({ XDG_RUNTIME_DIR: parent });
    expect(found.filter(({ stateDir }) => stateDir === join(parent, "state")).length).toBe(1);
  });

  it("that others could have written is refused", async () => {
    await openDoor();
    await chmod(file(), 0o644);
    await expect(readAddress(file())).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
    await chmod(file(), 0o600);
    const link = join(runtimeDir, "link.json");
    await symlink(file(), link);
    await expect(readAddress(link)).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
  });

  it("that is a pipe is waited for by nobody", async () => {
    const pipe = join(runtimeDir, "pipe.json");
    execFileSync("mkfifo", ["-m", "600", pipe]);
    await expect(readAddress(pipe)).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
  });

  it("of nothing, or of another form, is CLUSTER_NOT_FOUND", async () => {
    await expect(readAddress(file())).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
    await writeFile(file(), "{}", { mode: 0o600 });
    await expect(readAddress(file())).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
  });

  it("of a cluster that is gone leads nowhere: CLUSTER_NOT_FOUND", async () => {
    const door = await openDoor();
    const address = await readAddress(file());
    door.close();
    await rm(address.socket, { force: true });
    await expect(enter(address)).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
  });
});

describe("the door", () => {
  it("gives each a key of its own, good until it leaves", async () => {
    await openDoor();
    const address = await readAddress(file());
    const [one, two] = [await enter(address), await enter(address)];
    expect(one.connection.identity).not.toBe(two.connection.identity);
    expect(revoked).toEqual([]);
    one.release();
    await until("the key is given back", () => revoked.length === 1);
    expect(revoked).toEqual([one.connection]);
    two.release();
    await until("the key is given back", () => revoked.length === 2);
  });

  it("tells who holds a key that the cluster ended", async () => {
    const door = await openDoor();
    const { over } = await enter(await readAddress(file()));
    let isOver = false;
    const ended = over.then(() => (isOver = true));
    // Another one is served meanwhile.
    await enter(await readAddress(file()));
    expect(isOver).toBe(false);
    door.close();
    await ended;
  });

  it("gives none for a wrong token", async () => {
    let minted = 0;
    await openDoor(() => {
      minted += 1;
      return newConnection();
    });
    const address = await readAddress(file());
    const wrong = { ...address, token: "x".repeat(address.token.length) };
    await expect(enter(wrong)).rejects.toMatchObject({ code: "CLUSTER_NOT_FOUND" });
    expect(minted).toBe(0);
  });

  it("says why it gives none", async () => {
    await openDoor(async () => {
      throw new SystemError("NO_CAPACITY", "the cluster has 250 keys already");
    });
    const entering = enter(await readAddress(file()));
    await expect(entering).rejects.toMatchObject({ code: "NO_CAPACITY" });
  });
});

describe("with a real nats-server", () => {
  let server: KeptNatsServer;
  let keyring: Keyring;
  beforeEach(async () => {
    keyring = new Keyring({ cluster, folder: runtimeDir });
    await keyring.mint("head");
    const logPath = join(parent, "nats.log");
    const watch = { log: () => undefined, onFailed: () => undefined };
    server = await keepNatsServer({ cluster, folder: runtimeDir, logPath }, watch);
    onEnd(() => server.stop());
    keyring.attach(server);
  });

  it("the key works, and doesn't once its holder is gone", async () => {
    const door = new ClientDoor({
      ...{ runtimeDir, stateDir: parent, cluster, log: () => undefined, ...NO_HEADS },
      mint: async () => ({ natsUrl: server.url, cluster, ...(await keyring.mint("client")) }),
      revoke: ({ identity }) => keyring.remove(identity),
    });
    await door.open();
    onEnd(async () => door.close());
    const { connection, release } = await enter(await readAddress(file()));
    const { natsUrl: url, identity, seed } = connection;
    const bus = await connectBus({ url, cluster, identity, seed, name: "test" });
    onEnd(() => bus.close());
    expect(keyring.identities()).toContain(identity);
    release();
    await until("the key is given back", () => !keyring.identities().includes(identity));
    const again = connectBus({ url, cluster, identity, seed, name: "test" });
    await expect(again).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
  });
});
