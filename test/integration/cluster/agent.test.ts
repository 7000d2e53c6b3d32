/**
 * A real agent with real executors on a real bus, among peers with good keys and bad intentions: an
 * executor obeys its agent alone, and nothing that is sent ends it, its agent or a client.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Bus } from "../../../runtime/bus/bus.ts";
import { connectSocket } from "../../../runtime/bus/socket.ts";
import { commandSubject, hearing, linkSubject } from "../../../runtime/bus/subjects.ts";
import { joinAsClient } from "../../../runtime/client/connect.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import {
  type ActorAddress,
  type Assignment,
  type Command,
  type Outcome,
  parseMessage,
  report,
} from "../../../runtime/messages.ts";
import { Agent } from "../../../worker/agent.ts";
import type { ExecutorConfig } from "../../../worker/executor.ts";
import {
  busOf,
  cleanUp,
  CLUSTER,
  onEnd,
  startTestServer,
  temporaryFolder,
  until,
} from "./support.ts";

afterEach(cleanUp);

const ACTORS = new URL("../../e2e/programs/actors.ts", import.meta.url).href;
const EPOCH = { number: 1, leader: "A" };
const SHA = "0".repeat(64);
const HOST: Assignment = {
  task: "host/x",
  attempt: 0,
  program: { url: ACTORS, sha256: SHA },
  work: { kind: "host", actorId: "x", actor: "calls", args: [{ factor: 2 }] },
};

function frameOf(source: string, destination: string, value: unknown): Uint8Array {
  const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const ends = { source: source as ProcessId, destination: destination as ProcessId };
  return encodeFrame({ ...fields, ...ends }, value);
}

/** Reports of a result before it is acknowledged: a second apart, so that more come together. */
const REPORTS = 3;

/** An agent, and a head that gives it assignments and acknowledges what came of them, late. */
async function startAgent() {
  const { server, keyring } = await startTestServer();
  const worker = await busOf(server.url, await keyring.mint("worker"));
  const head = await busOf(server.url, await keyring.mint("head"));
  const runtimeDir = await temporaryFolder();
  const mark = "ffeeddccbbaa0011";
  const agent = new Agent({ bus: worker, cluster: CLUSTER, runtimeDir, slots: 1, mark });
  onEnd(async () => agent.stop());
  const outcomes = new Map<string, Outcome>();
  const reports = new Map<string, number>();
  let sequence = 0;
  const command = (part: Partial<Command>): void => {
    sequence += 1;
    const order = { epoch: EPOCH, sequence, assign: [], cancel: [], ack: [], ...part };
    const subject = commandSubject(CLUSTER, worker.identity, head.identity);
    head.publish(subject, frameOf(PROCESS_NONE, PROCESS_NONE, order));
  };
  head.subscribe(hearing.events(CLUSTER), (_subject, bytes) => {
    const { done } = parseMessage(report, decodeFrame(bytes).value);
    for (const { task, outcome } of done) {
      outcomes.set(task, outcome);
      reports.set(task, (reports.get(task) ?? 0) + 1);
    }
    const ack = done.filter(({ task }) => (reports.get(task) ?? 0) >= REPORTS);
    if (ack.length > 0) command({ ack: ack.map(({ task, attempt }) => ({ task, attempt })) });
  });
  await head.flush();
  await agent.start();
  const run = (assign: Assignment[]): Promise<Outcome[]> => {
    command({ assign });
    return until(
      "all ended",
      () => {
        const ended = assign.map(({ task }) => outcomes.get(task));
        return ended.every((outcome) => outcome !== undefined) && ended;
      },
      20_000,
    );
  };
  return { server, keyring, worker, head, run };
}

async function hosted(run: (assign: Assignment[]) => Promise<Outcome[]>): Promise<ActorAddress> {
  const [outcome] = await run([HOST]);
  if (outcome?.kind !== "hosted") throw new Error(JSON.stringify(outcome));
  return outcome.address;
}

/** A peer with a key of its own that calls actors by hand, and hears what comes back. */
function newCaller(bus: Bus, address: ActorAddress) {
  const self = newProcessId();
  const to = linkSubject(CLUSTER, address.worker as Identity, bus.identity);
  const heard: unknown[] = [];
  bus.subscribe(hearing.links(CLUSTER, bus.identity), (_subject, bytes) => {
    heard.push(...(decodeFrame(bytes).value as unknown[]));
  });
  const send = (source: string, value: unknown): void =>
    bus.publish(to, frameOf(source, address.process, value));
  return {
    to,
    send,
    raw: (bytes: Uint8Array) => bus.publish(to, bytes),
    call: async (id: number, actorId: string, method: string): Promise<unknown> => {
      send(self, [{ kind: "call", id, actorId, method, args: [] }]);
      const answered = (item: unknown) => (item as { id: number }).id === id;
      return until(`answer ${id}`, () => heard.find(answered));
    },
  };
}

describe("an executor", () => {
  test("obeys no order of a peer as its agent, and lives on after broken frames", async () => {
    const { server, keyring, run } = await startAgent();
    const address = await hosted(run);
    const caller = newCaller(await busOf(server.url, await keyring.mint("client")), address);
    const pid = await caller.call(1, "x", "pid");
    const agentProcess = /([0-9a-f]{16})-\d+\.sock$/.exec(address.socket)?.[1] ?? "";
    const evil = { ...HOST, task: "host/evil", work: { ...HOST.work, actorId: "evil" } };
    const order = frameOf(agentProcess, address.process, { op: "run", assignment: evil });
    caller.raw(order);
    const innocent = frameOf(newProcessId(), address.process, []);
    caller.raw(Buffer.concat([innocent, order]));
    const broken = Buffer.from(innocent);
    broken.fill(0xc1, 40);
    caller.raw(broken);
    const code = { toString: 1, valueOf: 1 };
    for (const value of [undefined, 7, { kind: "ok" }, [7], [{ kind: "ok", id: -1 }]]) {
      caller.send(newProcessId(), value);
    }
    caller.send(newProcessId(), [{ kind: "error", id: 1, error: { code, what: "", where: {} } }]);
    expect(await caller.call(2, "evil", "pid")).toMatchObject({
      error: { code: "ACTOR_NOT_FOUND" },
    });
    expect(await caller.call(3, "x", "pid")).toMatchObject({
      value: (pid as { value: number }).value,
    });
  });

  test("can't be impersonated with what another process of this machine may read", async () => {
    const { server, keyring, run } = await startAgent();
    const address = await hosted(run);
    const caller = newCaller(await busOf(server.url, await keyring.mint("client")), address);
    const { value: pid } = (await caller.call(1, "x", "pid")) as { value: number };
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const text = environment.find((line) => line.startsWith("LIGASE_EXECUTOR=")) ?? "";
    const config = JSON.parse(text.slice(text.indexOf("=") + 1)) as ExecutorConfig;
    const { agentSocket, agentToken, agentProcess, token } = config;
    for (const process of [newProcessId(), address.process, agentProcess]) {
      const channel = await connectSocket(agentSocket, { token: agentToken, deadlineMs: 5_000 });
      const closed = new Promise((resolve) => channel.onClose(() => resolve("closed")));
      channel.onFrame(() => undefined);
      channel.send(frameOf(process, agentProcess, { op: "hello", pid, token }));
      expect(await closed).toBe("closed");
    }
    expect(await caller.call(2, "x", "pid")).toMatchObject({ value: pid });
  });

  test("whose results don't fit a report fails them, and its agent lives on", async () => {
    const { run, server, keyring } = await startAgent();
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
    const caller = newCaller(
      await busOf(server.url, await keyring.mint("client")),
      await hosted(run),
    );
    expect(await caller.call(1, "x", "pid")).toMatchObject({ kind: "ok" });
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
  const loaded = { actors: new Map(), main: undefined };
  const cluster = await joinAsClient(connection, program, loaded, async () => {});
  onEnd(() => cluster.close());
  expect(await cluster.result(SHA)).toBe("true");
});
