/**
 * A real agent with real executors on a real bus, among peers with good keys and bad intentions: an
 * executor obeys its agent alone, and nothing that is sent ends it, its agent or a client.
 */
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Bus } from "../../../runtime/bus/bus.ts";
import { connectSocket } from "../../../runtime/bus/socket.ts";
import { hearing, linkSubject } from "../../../runtime/bus/subjects.ts";
import { joinAsClient } from "../../../runtime/client/connect.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import { newProcessId, PROCESS_NONE } from "../../../runtime/ids.ts";
import type { Assignment } from "../../../runtime/messages.ts";
import { addressOf, cleanUp, codeOf, frameOf, hostOf, SHA, startAgent } from "../worker/support.ts";
import { busOf, CLUSTER, onEnd, startTestServer, temporaryFolder } from "./support.ts";

afterEach(cleanUp);

const ACTORS = new URL("../../e2e/programs/actors.ts", import.meta.url).href;
const AGENT_SOCKET = /^[0-9a-f]{16}\.sock$/;
const HOST = hostOf("x", { url: ACTORS, actor: "calls", args: [{ factor: 2 }] });

describe("an executor", () => {
  test("obeys no order of a peer as its agent, and lives on after broken frames", async () => {
    const { run, newCaller } = await startAgent();
    const address = addressOf((await run([HOST]))[0]);
    const caller = await newCaller(address);
    const pid = await caller.call("x", "pid");
    const agentProcess = /([0-9a-f]{16})-\d+\.sock$/.exec(address.socket)?.[1] ?? "";
    const evil = hostOf("evil", { url: ACTORS, actor: "calls", args: [{ factor: 2 }] });
    const order = frameOf(agentProcess, address.process, [{ op: "run", assignment: evil }]);
    caller.raw(order);
    const innocent = frameOf(newProcessId(), address.process, []);
    caller.raw(Buffer.concat([innocent, order]));
    const broken = Buffer.from(innocent);
    broken.fill(0xc1, 40);
    caller.raw(broken);
    // The same, as frames of a link: its number stands at byte 24.
    const ofLink = Buffer.from(frameOf(newProcessId(), address.process, [[0, 1, "x", "pid", []]]));
    ofLink.writeUInt32LE(5, 24);
    ofLink.fill(0xc1, 40);
    caller.raw(ofLink);
    const code = { toString: 1, valueOf: 1 };
    for (const value of [undefined, 7, { kind: "ok" }, [7], [{ kind: "ok", id: -1 }]]) {
      caller.send(newProcessId(), value);
    }
    caller.send(newProcessId(), [{ kind: "error", id: 1, error: { code, what: "", where: {} } }]);
    expect(await codeOf(caller.call("evil", "pid"))).toBe("ACTOR_DIED");
    expect(await caller.call("x", "pid")).toBe(pid);
  });

  test("can't be impersonated with what another process of this machine may read", async () => {
    const { run, newCaller, runtimeDir } = await startAgent();
    const address = addressOf((await run([HOST]))[0]);
    const caller = await newCaller(address);
    const pid = await caller.call("x", "pid");
    const textOf = (name: string) => readFileSync(`/proc/${String(pid)}/${name}`, "utf8");
    const own = new Set(Object.entries(process.env).map(([key, value]) => `${key}=${value}`));
    const given = textOf("environ")
      .split("\0")
      .filter((entry) => entry !== "" && !own.has(entry));
    const names = given.map((entry) => entry.slice(0, entry.indexOf("=")));
    expect(names.sort()).toEqual(["LIGASE_EXECUTOR_ID", "LIGASE_MARK"]);
    expect(textOf("cmdline").split("\0").at(-2)).toMatch(/worker\/executor\.ts$/);
    // Callers are given another secret than the one that opens the agent's socket.
    const { token } = address;
    const [agentSocket = ""] = readdirSync(runtimeDir).filter((name) => AGENT_SOCKET.test(name));
    const path = join(runtimeDir, agentSocket);
    const opening = connectSocket(path, { token, deadlineMs: 5_000 });
    expect(await codeOf(opening)).toBe("NOT_AUTHORIZED");
    expect(await caller.call("x", "pid")).toBe(pid);
  });

  test("whose results don't fit a report fails them, and its agent lives on", async () => {
    const { run, newCaller } = await startAgent({}, true);
    const folder = await temporaryFolder();
    const program = async (name: string, body: string): Promise<Assignment> => {
      await writeFile(join(folder, `${name}.mjs`), `export default async () => ${body};`);
      const url = `file://${folder}/${name}.mjs`;
      const work = { kind: "drive", argv: [] } as const;
      return {
        task: `drive/${name}`,
        attempt: 0,
        program: { url, sha256: SHA },
        work: { ...work, argv: [] },
      };
    };
    const deep = `JSON.parse("[".repeat(13) + "]".repeat(13))`;
    const outcomes = await run([
      await program("large", `"x".repeat(600_000)`),
      await program("half", `"x".repeat(500_000)`),
      await program("deep", deep),
      await program("verbose", `{ throw new Error("x".repeat(600_000)); }`),
      await program("one", `"x".repeat(200_000)`),
      await program("two", `"x".repeat(200_000)`),
      await program("three", `"x".repeat(200_000)`),
    ]);
    expect(outcomes.map((it) => (it.kind === "failed" ? it.error.code : it.kind))).toEqual([
      ...["FRAME_TOO_LARGE", "FRAME_TOO_LARGE", "NOT_SERIALIZABLE", "APPLICATION"],
      ...["returned", "returned", "returned"],
    ]);
    const caller = await newCaller(addressOf((await run([HOST]))[0]));
    expect(await caller.call("x", "pid")).toEqual(expect.any(Number));
  }, 60_000);
});

test("a client takes replies from heads alone, and survives what others send", async () => {
  const { server, keyring } = await startTestServer();
  const head = await busOf(server.url, await keyring.mint("head"));
  const peer = await busOf(server.url, await keyring.mint("client"));
  const credentials = await keyring.mint("client");
  head.subscribe(hearing.requests(CLUSTER), (_subject, bytes) => {
    const { prefix, value } = decodeFrame(bytes);
    const { id } = value as { id: number };
    const reply = (from: Bus, answer: unknown): void => {
      const to = linkSubject(CLUSTER, credentials.identity, from.identity);
      from.publish(to, frameOf(PROCESS_NONE, prefix.source, answer));
    };
    for (const forged of [undefined, [7], { kind: "ok" }, { kind: "ok", id, value: "forged" }]) {
      reply(peer, forged);
    }
    peer.publish(linkSubject(CLUSTER, credentials.identity, peer.identity), new Uint8Array(3));
    void peer.flush().then(() => reply(head, { kind: "ok", id, value: "true" }));
  });
  await head.flush();
  const connection = { natsUrl: server.url, cluster: CLUSTER, ...credentials };
  const program = { url: ACTORS, sha256: SHA };
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const cluster = await joinAsClient(connection, program, loaded, async () => {});
  onEnd(() => cluster.close());
  expect(await cluster.result(SHA)).toBe("true");
});
