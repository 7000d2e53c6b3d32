/** The bus on a real nats-server: keys, permissions, reconnection. Long because each is a case. */
import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect, nkeyAuthenticator } from "nats";
import { afterEach, describe, expect, it } from "vitest";
import { findNatsServer, versionProblem } from "../../../head/cluster/nats-binary.ts";
import { keepNatsServer, startNatsServer } from "../../../head/cluster/nats-server.ts";
import { Keyring } from "../../../head/cluster/keys.ts";
import type { BusState } from "../../../runtime/bus/bus.ts";
import { newKey } from "../../../runtime/bus/key.ts";
import { connectBus } from "../../../runtime/bus/nats.ts";
import {
  apiSubject,
  beaconSubject,
  commandSubject,
  eventSubject,
  hearing,
  linkSubject,
} from "../../../runtime/bus/subjects.ts";
import { type Identity, newIdentity } from "../../../runtime/ids.ts";
import { FRAME_BYTES_MAX, KEYS_MAX, NATS_RESTARTS_MAX } from "../../../runtime/limits.ts";
import { busOf, CLUSTER, cleanUp, startTestServer, temporaryFolder, until } from "./support.ts";

afterEach(cleanUp);

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a knock", () => {
  it("is answered by nobody while a worker hears commands, and by the server after", async () => {
    const { server, keyring } = await startTestServer();
    const head = await busOf(server.url, await keyring.mint("head"));
    const worker = await busOf(server.url, await keyring.mint("worker"));
    const [subject, answer] = [
      commandSubject(CLUSTER, worker.identity, head.identity),
      linkSubject(CLUSTER, head.identity, worker.identity),
    ];
    const [knocks, answers]: [number[], string[]] = [[], []];
    worker.subscribe(hearing.commands(CLUSTER, worker.identity), (_on, data) =>
      knocks.push(data.length),
    );
    head.subscribe(hearing.links(CLUSTER, head.identity), (on, data) =>
      answers.push(`${on} ${data.length}`),
    );
    await Promise.all([worker.flush(), head.flush()]);
    head.knock?.(subject, answer);
    await until("the worker hears it", () => knocks.length > 0);
    await head.flush();
    expect([knocks, answers]).toEqual([[0], []]);
    await worker.close();
    // The server may not know yet that it is gone.
    await until("the server says that nobody hears it", () => {
      head.knock?.(subject, answer);
      return answers.length > 0;
    });
    expect(answers[0]).toBe(`${answer} 0`);
    expect(head.counters).toEqual({ denied: 0, dropped: 0 });
  });
});

describe("a key", () => {
  it("that is missing, malformed or unknown is refused as NOT_AUTHORIZED", async () => {
    const { server } = await startTestServer();
    const options = { url: server.url, cluster: CLUSTER, identity: newIdentity("c"), name: "x" };
    await expect(connectBus({ ...options, seed: "" })).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
    await expect(connectBus({ ...options, seed: "SUgarbage" })).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
    await expect(connectBus({ ...options, seed: newKey().seed })).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(
      /authorization/i,
    );
  });

  it("lets nobody reach a server that isn't there: NATS_UNREACHABLE", async () => {
    const { server, keyring } = await startTestServer();
    const credentials = await keyring.mint("client");
    await server.stop();
    const options = { url: server.url, cluster: CLUSTER, name: "x", ...credentials };
    await expect(connectBus(options)).rejects.toMatchObject({ code: "NATS_UNREACHABLE" });
  });

  it("that is removed loses its connection and can't come back", async () => {
    const { server, keyring } = await startTestServer();
    const worker = await keyring.mint("worker");
    const bus = await busOf(server.url, worker);
    const states: BusState[] = [];
    bus.onState((state) => states.push(state));
    await keyring.remove(worker.identity);
    await until("the removed key's bus is closed", () => states.at(-1) === "closed");
    const options = { url: server.url, cluster: CLUSTER, name: "x", ...worker };
    await expect(connectBus(options)).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
  });

  it("is taken in while the others stay connected", async () => {
    const { server, keyring } = await startTestServer();
    const first = await busOf(server.url, await keyring.mint("worker"));
    const states: BusState[] = [];
    first.onState((state) => states.push(state));
    const late = await keyring.mint("client");
    const second = await busOf(server.url, late);
    const heard: string[] = [];
    second.subscribe(hearing.links(CLUSTER, late.identity), (subject) => heard.push(subject));
    await second.flush();
    first.publish(linkSubject(CLUSTER, late.identity, first.identity), bytes("hi"));
    await until("the message", () => heard.length > 0);
    expect(states).toEqual([]);
  });

  it("is refused a second time, under whatever name", async () => {
    const { keyring } = await startTestServer();
    const { publicKey } = newKey();
    await keyring.add({ identity: newIdentity("w"), role: "worker", publicKey });
    const again = keyring.add({ identity: newIdentity("h"), role: "head", publicKey });
    await expect(again).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
    const malformed = { identity: newIdentity("w"), role: "worker", publicKey: "U1" } as const;
    await expect(keyring.add(malformed)).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
  });

  it("is needed even when the last one was taken away", async () => {
    const { server, keyring } = await startTestServer();
    for (const identity of keyring.identities()) await keyring.remove(identity);
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(
      /authorization/i,
    );
  });

  it("isn't one of more than KEYS_MAX", async () => {
    const keyring = new Keyring({ cluster: CLUSTER, folder: await temporaryFolder() });
    for (let n = 0; n < KEYS_MAX; n += 1) await keyring.mint("worker");
    await expect(keyring.mint("worker")).rejects.toMatchObject({ code: "NO_CAPACITY" });
  });

  it("stands in files that only this user reads", async () => {
    const { folder } = await startTestServer();
    for (const name of ["users.conf", "nats.conf"]) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    }
  });
});

describe("permissions at the server", () => {
  async function cast() {
    const { server, keyring } = await startTestServer();
    const head = await busOf(server.url, await keyring.mint("head"));
    const worker = await busOf(server.url, await keyring.mint("worker"));
    const rival = await busOf(server.url, await keyring.mint("worker"));
    const client = await busOf(server.url, await keyring.mint("client"));
    return { server, head, worker, rival, client };
  }

  it("let every kind of message through to whom it is for", async () => {
    const { head, worker, rival, client } = await cast();
    const heard: string[] = [];
    const note = (who: string) => (subject: string, data: Uint8Array) =>
      heard.push(`${who} ${subject.split(".")[2]} ${new TextDecoder().decode(data)}`);
    head.subscribe(hearing.events(CLUSTER), note("head"));
    head.subscribe(hearing.requests(CLUSTER), note("head"));
    worker.subscribe(hearing.commands(CLUSTER, worker.identity), note("worker"));
    worker.subscribe(hearing.beacons(CLUSTER), note("worker"));
    rival.subscribe(hearing.commands(CLUSTER, rival.identity), note("rival"));
    client.subscribe(hearing.links(CLUSTER, client.identity), note("client"));
    for (const bus of [head, worker, rival, client]) await bus.flush();
    worker.publish(eventSubject(CLUSTER, worker.identity), bytes("e"));
    worker.publish(apiSubject(CLUSTER, worker.identity), bytes("w"));
    client.publish(apiSubject(CLUSTER, client.identity), bytes("c"));
    head.publish(commandSubject(CLUSTER, worker.identity, head.identity), bytes("o"));
    head.publish(beaconSubject(CLUSTER, head.identity), bytes("b"));
    worker.publish(linkSubject(CLUSTER, client.identity, worker.identity), bytes("l"));
    await until("six messages", () => heard.length === 6);
    expect(heard.sort()).toEqual([
      "client link l",
      "head api c",
      "head api w",
      "head evt e",
      "worker beacon b",
      "worker cmd o",
    ]);
    for (const bus of [head, worker, rival, client]) expect(bus.counters.denied).toBe(0);
  });

  it("deny a forged sender, who is counted and stays connected", async () => {
    const { head, worker, rival, client } = await cast();
    const heard: string[] = [];
    head.subscribe(hearing.events(CLUSTER), (subject) => heard.push(subject));
    client.subscribe(hearing.links(CLUSTER, client.identity), (subject) => heard.push(subject));
    worker.subscribe(hearing.commands(CLUSTER, worker.identity), (subject) => heard.push(subject));
    for (const bus of [head, client, worker]) await bus.flush();
    const forged = [
      eventSubject(CLUSTER, worker.identity),
      linkSubject(CLUSTER, client.identity, worker.identity),
      linkSubject(CLUSTER, client.identity, head.identity),
      commandSubject(CLUSTER, worker.identity, head.identity),
      commandSubject(CLUSTER, worker.identity, rival.identity),
      beaconSubject(CLUSTER, head.identity),
      "_INBOX.x",
    ];
    const denials: string[] = [];
    rival.onDenied((denial) => denials.push(denial.subject));
    for (const subject of forged) rival.publish(subject, bytes("forged"));
    const genuine = eventSubject(CLUSTER, rival.identity);
    rival.publish(genuine, bytes("genuine"));
    await until("the denials", () => rival.counters.denied === forged.length);
    await until("the genuine message", () => heard.length > 0);
    expect(denials).toEqual(forged);
    expect(heard).toEqual([genuine]);
  });

  it("deny to listen to others", async () => {
    const { worker, client, head } = await cast();
    const wanted = [
      ">",
      "lg.>",
      hearing.links(CLUSTER, client.identity),
      hearing.links(CLUSTER, "*" as Identity),
      hearing.events(CLUSTER),
      hearing.requests(CLUSTER),
      hearing.commands(CLUSTER, client.identity),
      "_INBOX.>",
      "$SYS.>",
    ];
    const heard: string[] = [];
    for (const subject of wanted) worker.subscribe(subject, (got) => heard.push(got));
    await until("the denials", () => worker.counters.denied === wanted.length);
    head.publish(linkSubject(CLUSTER, client.identity, head.identity), bytes("secret"));
    client.publish(apiSubject(CLUSTER, client.identity), bytes("secret"));
    await Promise.all([head.flush(), client.flush(), worker.flush()]);
    expect(heard).toEqual([]);
  });

  it("never need an inbox: the client asks for none, and one would be denied", async () => {
    const { server, keyring } = await startTestServer();
    const credentials = await keyring.mint("client");
    const bus = await busOf(server.url, credentials);
    await bus.flush();
    expect(bus.counters.denied).toBe(0);
    const authenticator = nkeyAuthenticator(bytes(credentials.seed));
    const raw = await connect({ servers: server.url, authenticator });
    const subject = apiSubject(CLUSTER, credentials.identity);
    await expect(raw.request(subject, "x", { timeout: 500 })).rejects.toThrow(/permission/i);
    await raw.close();
  });
});

describe("the bus", () => {
  it("refuses what is over the frame's bound, before it is sent", async () => {
    const { server, keyring } = await startTestServer();
    const bus = await busOf(server.url, await keyring.mint("client"));
    const subject = apiSubject(CLUSTER, bus.identity);
    expect(() => bus.publish(subject, new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow(
      "FRAME_TOO_LARGE",
    );
    bus.publish(subject, new Uint8Array(FRAME_BYTES_MAX));
    await bus.flush();
  });

  it("doesn't hear itself", async () => {
    const { server, keyring } = await startTestServer();
    const bus = await busOf(server.url, await keyring.mint("head"));
    const heard: string[] = [];
    bus.subscribe(hearing.beacons(CLUSTER), (subject) => heard.push(subject));
    bus.publish(beaconSubject(CLUSTER, bus.identity), bytes("b"));
    await bus.flush();
    await bus.flush();
    expect(heard).toEqual([]);
  });

  it("comes back by itself, with its subscriptions, when the server was killed", async () => {
    const folder = await temporaryFolder();
    const keyring = new Keyring({ cluster: CLUSTER, folder });
    const [one, two] = [await keyring.mint("worker"), await keyring.mint("client")];
    const lines: string[] = [];
    const options = { cluster: CLUSTER, folder, logPath: join(folder, "nats.log") };
    const onFailed = (error: Error) => lines.push(error.message);
    const server = await keepNatsServer(options, { log: (line) => lines.push(line), onFailed });
    try {
      const first = await busOf(server.url, one);
      const second = await busOf(server.url, two);
      const states: BusState[] = [];
      second.onState((state) => states.push(state));
      let heard = 0;
      second.subscribe(hearing.links(CLUSTER, two.identity), () => (heard += 1));
      await second.flush();
      const pid = server.pid;
      process.kill(pid, "SIGKILL");
      await until("another server", () => server.pid !== pid);
      await until("the bus is back", () => states.at(-1) === "connected");
      const subject = linkSubject(CLUSTER, two.identity, one.identity);
      await until("a message", () => {
        first.publish(subject, bytes("again"));
        return heard > 0;
      });
      expect(states).toEqual(["disconnected", "connected"]);
      expect(lines).toEqual(["nats-server ended", "nats-server is back"]);
    } finally {
      await server.stop();
    }
    expect(lines).toHaveLength(2);
  });

  it("is told once that the server keeps ending", async () => {
    const folder = await temporaryFolder();
    const keyring = new Keyring({ cluster: CLUSTER, folder });
    await keyring.mint("client");
    const options = { cluster: CLUSTER, folder, logPath: join(folder, "nats.log") };
    const failures: Error[] = [];
    const onFailed = (error: Error) => failures.push(error);
    const server = await keepNatsServer(options, { log: () => undefined, onFailed });
    for (let life = 0; life <= NATS_RESTARTS_MAX; life += 1) {
      const { pid } = server;
      process.kill(pid, "SIGKILL");
      await until("the next life", () => server.pid !== pid || failures.length > 0);
    }
    expect(failures).toMatchObject([{ code: "CLUSTER_FAILED" }]);
    await server.stop();
  });

  it("says that it is closed", async () => {
    const { server, keyring } = await startTestServer();
    const bus = await busOf(server.url, await keyring.mint("client"));
    const states: BusState[] = [];
    bus.onState((state) => states.push(state));
    await bus.close();
    await bus.close();
    expect(states).toEqual(["closed"]);
    bus.publish(apiSubject(CLUSTER, bus.identity), bytes("lost"));
    expect(bus.counters.dropped).toBe(1);
  });

  it("drops and counts what is published while disconnected", async () => {
    const { server, keyring } = await startTestServer();
    const bus = await busOf(server.url, await keyring.mint("client"));
    const states: BusState[] = [];
    bus.onState((state) => states.push(state));
    await server.stop();
    await until("it notices", () => states.at(-1) === "disconnected");
    bus.publish(apiSubject(CLUSTER, bus.identity), bytes("lost"));
    expect(bus.counters.dropped).toBe(1);
  });
});

describe("nats-server", () => {
  it("on a port that is taken is NATS_PORT_TAKEN, with the port", async () => {
    const holder = createServer();
    await new Promise<void>((settle) => holder.listen(0, "127.0.0.1", settle));
    const address = holder.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      await expect(startTestServer(port)).rejects.toMatchObject({
        code: "NATS_PORT_TAKEN",
        where: { port },
      });
    } finally {
      holder.close();
    }
  });

  it("listens on loopback's own address alone", async () => {
    const { server } = await startTestServer();
    expect(new URL(server.url).hostname).toBe("127.0.0.1");
    const elsewhere = `nats://127.0.0.2:${server.port}`;
    await expect(connect({ servers: elsewhere, reconnect: false })).rejects.toThrow(/refused/);
  });

  it("with a configuration that it refuses is CLUSTER_START_FAILED with its words", async () => {
    const folder = await temporaryFolder();
    const options = { cluster: CLUSTER, folder, logPath: join(folder, "nats.log") };
    // The users file is missing.
    await expect(startNatsServer(options)).rejects.toMatchObject({
      code: "CLUSTER_START_FAILED",
      what: expect.stringContaining("users.conf"),
    });
  });

  it("dies with the process that started it, even by SIGKILL", async () => {
    const folder = await temporaryFolder();
    const keyring = new Keyring({ cluster: CLUSTER, folder });
    await keyring.mint("client");
    const script = new URL("./start-nats.ts", import.meta.url).pathname;
    const stdio: ["pipe", "pipe", "inherit"] = ["pipe", "pipe", "inherit"];
    const child = spawn(process.execPath, [script, folder], { stdio });
    const pid = await new Promise<number>((settle) => {
      child.stdout.once("data", (text: Buffer) => settle(Number(text.toString())));
    });
    expect((await readFile(`/proc/${pid}/comm`, "utf8")).trim()).toBe("nats-server");
    child.kill("SIGKILL");
    await until("nats-server is gone", async () => {
      const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone Z");
      return / Z|^gone/.test(status);
    });
  });

  it("is looked for in NATS_SERVER, the set-up's folder, PATH; must be 2.11 or newer", async () => {
    const root = await temporaryFolder();
    const fake = async (folder: string, version: string) => {
      const path = join(root, folder, "nats-server");
      await mkdir(join(root, folder), { recursive: true });
      await writeFile(path, `#!/bin/sh\necho 'nats-server: v${version}'\n`);
      await chmod(path, 0o755);
      return path;
    };
    const env: NodeJS.ProcessEnv = { PATH: `${join(root, "old")}:${join(root, "path")}:/bin` };
    await fake("old", "2.9.10");
    await expect(findNatsServer({ env, root })).rejects.toMatchObject({
      code: "NATS_SERVER_MISSING",
      what: expect.stringMatching(/npm start.*is 2\.9, older than 2\.11/s),
    });
    const onPath = await fake("path", "2.11.0");
    expect(await findNatsServer({ env, root })).toBe(onPath);
    const cached = await fake(".cache/bin", "2.15.1");
    expect(await findNatsServer({ env, root })).toBe(cached);
    const moved = await fake("elsewhere/bin", "2.15.1");
    const elsewhere = { ...env, LIGASE_CACHE: join(root, "elsewhere") };
    expect(await findNatsServer({ env: elsewhere, root })).toBe(moved);
    // From the package's folder, as the set-up takes it, wherever this process works.
    const relative = { ...env, LIGASE_CACHE: "elsewhere" };
    expect(await findNatsServer({ env: relative, root })).toBe(moved);
    const named = await fake("named", "3.0.0");
    expect(await findNatsServer({ env: { ...env, NATS_SERVER: named }, root })).toBe(named);
    const old = { ...env, NATS_SERVER: join(root, "old", "nats-server") };
    await expect(findNatsServer({ env: old, root })).rejects.toMatchObject({
      code: "NATS_SERVER_MISSING",
    });
    expect(versionProblem("nats-server: v2.10.29")).toContain("older");
    expect(versionProblem("nats-server: v10.0.0")).toBeUndefined();
  });
});
