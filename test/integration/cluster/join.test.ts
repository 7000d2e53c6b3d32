import { request } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { JoinServer, JoinTokens } from "../../../head/cluster/join.ts";
import { joinCluster } from "../../../runtime/bus/join.ts";
import { newKey } from "../../../runtime/bus/key.ts";
import { eventSubject, hearing } from "../../../runtime/bus/subjects.ts";
import {
  JOIN_BODY_BYTES_MAX,
  JOIN_BURST_MAX,
  JOIN_TOKEN_MS,
  JOIN_TOKENS_MAX,
} from "../../../runtime/limits.ts";
import { busOf, CLUSTER, cleanUp, onEnd, startTestServer, until } from "./support.ts";

afterEach(cleanUp);

async function startJoin() {
  const { server, keyring, folder } = await startTestServer();
  const clock = { ms: 0 };
  const lines: string[] = [];
  const joins = new JoinServer({
    keyring,
    cluster: CLUSTER,
    natsUrl: server.url,
    log: (line) => lines.push(line),
    now: () => clock.ms,
  });
  await joins.listen();
  onEnd(() => joins.close());
  return { server, keyring, folder, joins, clock, lines };
}

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Status of a raw request to the origin of a join URL. */
function send(url: string, sent: Sent): Promise<number> {
  const { hostname, port } = new URL(url);
  const headers = { "content-type": "application/json", ...sent.headers };
  const { path = "/join", method = "POST", body = "{}" } = sent;
  return new Promise((settle, fail) => {
    const call = request({ hostname, port, path, method, headers }, (response) => {
      response.resume();
      settle(response.statusCode ?? 0);
    });
    call.once("error", fail);
    call.end(body);
  });
}

const bodyFor = (url: string) =>
  JSON.stringify({
    token: new URL(url).hash.slice(1),
    publicKey: newKey().publicKey,
    role: "worker",
  });

describe("joining", () => {
  it("gives a worker an identity of its own, with which it is heard", async () => {
    const { keyring, server, joins } = await startJoin();
    const head = await busOf(server.url, await keyring.mint("head"));
    const heard: string[] = [];
    head.subscribe(hearing.events(CLUSTER), (subject) => heard.push(subject));
    await head.flush();
    const joined = await joinCluster(joins.mintUrl());
    expect(joined).toMatchObject({ natsUrl: server.url, cluster: CLUSTER });
    const bus = await busOf(joined.natsUrl, joined);
    bus.publish(eventSubject(CLUSTER, joined.identity), new Uint8Array(1));
    await until("the joined worker is heard", () => heard.length > 0);
    expect(heard).toEqual([eventSubject(CLUSTER, joined.identity)]);
  });

  it("leaves the seed with the joiner", async () => {
    const { folder, joins } = await startJoin();
    const { seed } = await joinCluster(joins.mintUrl());
    const users = await readFile(join(folder, "users.conf"), "utf8");
    expect(users).not.toContain(seed);
    expect(users).not.toMatch(/SU[A-Z2-7]{56}/);
  });

  it("works once with a token, twice at the same moment too", async () => {
    const { joins } = await startJoin();
    const url = joins.mintUrl();
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => joinCluster(url)));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    await expect(joinCluster(url)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
  });

  it("is refused with a wrong token and with an expired one", async () => {
    const { joins, clock } = await startJoin();
    const url = joins.mintUrl();
    const wrong = `${new URL(url).origin}/#${"A".repeat(43)}`;
    await expect(joinCluster(wrong)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
    clock.ms += JOIN_TOKEN_MS;
    await expect(joinCluster(url)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
  });

  it("burns the token of a request that asks for a key in use", async () => {
    const { joins } = await startJoin();
    const url = joins.mintUrl();
    const taken = newKey().publicKey;
    const token = new URL(url).hash.slice(1);
    const body = JSON.stringify({ token, publicKey: taken, role: "worker" });
    expect(await send(url, { body })).toBe(200);
    const second = new URL(joins.mintUrl()).hash.slice(1);
    const again = JSON.stringify({ token: second, publicKey: taken, role: "worker" });
    expect(await send(url, { body: again })).toBe(403);
    const other = JSON.stringify({ token: second, publicKey: newKey().publicKey, role: "worker" });
    expect(await send(url, { body: other })).toBe(403);
  });

  it("takes no other request", async () => {
    const { joins } = await startJoin();
    const url = joins.mintUrl();
    const body = bodyFor(url);
    const { host, origin } = new URL(url);
    expect(await send(url, { body, headers: { host: "evil.example" } })).toBe(403);
    expect(await send(url, { body, headers: { host, origin } })).toBe(403);
    expect(await send(url, { body, headers: { "content-type": "text/plain" } })).toBe(415);
    expect(await send(url, { body, method: "PUT" })).toBe(405);
    expect(await send(url, { body, path: "/" })).toBe(404);
    expect(await send(url, { body: "{" })).toBe(400);
    expect(await send(url, { body: body.replace('"worker"', '"head"') })).toBe(400);
    expect(await send(url, { body: body.replace(/"U[A-Z2-7]+"/, '"U1"') })).toBe(400);
    expect(await send(url, { body: `{"x":1,${body.slice(1)}` })).toBe(400);
    expect(await send(url, { body: " ".repeat(JOIN_BODY_BYTES_MAX + 1) })).toBe(413);
    // None of them used the token up.
    expect(await send(url, { body })).toBe(200);
  });

  it("is offered on loopback's own address alone", async () => {
    const { joins } = await startJoin();
    const url = joins.mintUrl().replace("127.0.0.1", "127.0.0.2");
    await expect(joinCluster(url)).rejects.toMatchObject({ code: "USAGE" });
    await expect(send(url, {})).rejects.toThrow("ECONNREFUSED");
  });

  it("is limited in rate, and free again later", async () => {
    const { joins, clock } = await startJoin();
    const url = joins.mintUrl();
    for (let i = 0; i < JOIN_BURST_MAX; i += 1) expect(await send(url, {})).toBe(400);
    expect(await send(url, { body: bodyFor(url) })).toBe(429);
    clock.ms += 1_000;
    expect(await send(url, { body: bodyFor(url) })).toBe(200);
  });

  it("goes over loopback only, and never shows the token", async () => {
    for (const url of ["https://127.0.0.1:1/#t", "http://example.org/#secret-token", "nonsense"]) {
      const refused = joinCluster(url);
      await expect(refused).rejects.toMatchObject({ code: "USAGE" });
      await expect(refused).rejects.not.toThrow("secret-token");
    }
    await expect(joinCluster("http://127.0.0.1:9/#t")).rejects.toMatchObject({
      code: "NATS_UNREACHABLE",
    });
  });
});

describe("join tokens", () => {
  it("are bounded in number until they expire", () => {
    let now = 0;
    const tokens = new JoinTokens(() => now);
    for (let i = 0; i < JOIN_TOKENS_MAX; i += 1) tokens.mint();
    expect(() => tokens.mint()).toThrow("NO_CAPACITY");
    now = JOIN_TOKEN_MS;
    const token = tokens.mint();
    expect(tokens.burn(token)).toBe(true);
    expect(tokens.burn(token)).toBe(false);
  });
});
