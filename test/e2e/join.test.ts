/** A second machine's agent, as `ligase worker --join URL` adds it: work and actors on both. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importProgram } from "../../runtime/actor/registry.ts";
import { joinAsClient, programAt } from "../../runtime/client/connect.ts";
import { parseManifest } from "../../solver/manifest.ts";
import { type OwnCluster, runProgram, startCluster, statusWhen } from "./cluster.ts";
import { parentOf, partsOf } from "./processes.ts";
import { CallsActor } from "./programs/actors.ts";
import {
  cleanUp,
  makeInputs,
  newPlace,
  patience,
  type Place,
  type Started,
  start,
  until,
} from "./support.ts";

const SHARDS = 8;

/** Says of every process that reads a shard whose child it is. */
const PROGRAM = `
import { appendFileSync } from "node:fs";
import { encoderOf, Embedder, readFastq } from "ligase/actors";
import { actor } from "ligase";

export const Telling = actor("telling", class extends Embedder.class {
  async embed(batch) {
    appendFileSync(new URL("./parents", import.meta.url), process.ppid + "\\n");
    return super.embed(batch);
  }
});

export default async (cluster, [output, ...inputs]) => {
  const options = { method: "embed", constructorArgs: [{ model: encoderOf("kmer") }] };
  return (await readFastq(...inputs).mapBatches(Telling, options).writeParquet(output)).manifest;
};
`;

let place: Place;
let cluster: OwnCluster;
let joined: Started;
let url: string;
let inputs: string[];

beforeAll(async () => {
  place = await newPlace();
  inputs = await makeInputs(place, { files: SHARDS, reads: 500 });
  await writeFile(place.path("telling.mjs"), PROGRAM);
  cluster = await startCluster(place, { join: true });
  url = cluster.embedded.joinUrl ?? "";
  joined = start(place, ["worker", "--executors", "1"], { env: { LIGASE_JOIN: url } });
  await statusWhen(cluster.client, "two workers", ({ workers, slots }) => workers + slots === 4);
}, 120_000);
afterAll(async () => {
  await cluster.stop();
  await cleanUp();
});

async function expectMade(name: string): Promise<void> {
  const output = place.path(name);
  await runProgram(cluster, place.path("telling.mjs"), [output, ...inputs]);
  const { rows, shards } = parseManifest(readFileSync(join(output, "manifest.json")));
  expect([rows, shards.length]).toEqual([500 * SHARDS, SHARDS]);
}

const agents = () => partsOf(place, "agent").map(({ pid }) => pid);
const parents = () => new Set(readFileSync(place.path("parents"), "utf8").trim().split("\n"));

describe("a second worker", () => {
  test("does a part of the shards", async () => {
    expect(agents().length).toBe(2);
    await expectMade("both");
    expect(parents()).toEqual(new Set(agents().map(String)));
  });

  test.each(["auto", "nats"] as const)("hosts actors that are called over %s", async (carrier) => {
    const program = await programAt(new URL("./programs/actors.ts", import.meta.url));
    const loaded = await importProgram(program.url);
    const client = await joinAsClient(cluster.embedded.connection, program, loaded, async () => {});
    const hosts = new Set<number>();
    for (const factor of [1, 2, 3, 4]) {
      const calls = await client.spawn(CallsActor, [{ factor }], { carrier });
      expect(await calls.scale(Float32Array.of(2))).toEqual(Float32Array.of(2 * factor));
      hosts.add(parentOf(await calls.pid()));
    }
    expect(hosts).toEqual(new Set(agents()));
    await client.close();
  });

  test("shows its token to nobody: neither its own arguments nor what its children inherit", () => {
    const token = url.split("#")[1] ?? "none";
    expect(token.length).toBeGreaterThan(20);
    expect(argumentsOf(joined.pid)).not.toContain(token);
    const mine = agents().filter((pid) => parentOf(pid) === joined.pid);
    expect(mine).toHaveLength(1);
    for (const pid of mine) {
      expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain(token);
    }
  });

  test.each([
    ["used", () => url],
    ["wrong", () => `${url.split("#")[0]}#${"A".repeat(43)}`],
  ])("isn't added with a %s token: JOIN_REFUSED, exit code 4", async (_what, refused) => {
    const ended = await start(place, ["worker", "--join", refused()]).ended;
    expect([ended.code, ended.stderr]).toEqual([4, expect.stringContaining("JOIN_REFUSED")]);
    expect((await cluster.client.status()).workers).toBe(2);
  });

  test("that is killed is missed, and the first one does all", async () => {
    const pid = joined.pid;
    process.kill(pid, "SIGKILL");
    const killedMs = performance.now();
    await statusWhen(cluster.client, "one worker", ({ workers }) => workers === 1);
    report(`missed after ${((performance.now() - killedMs) / 1_000).toFixed(1)} s`);
    await until("its agent ends", () => agents().length === 1);
    await expectMade("one");
  });
});

test("a worker whose cluster is gone ends", async () => {
  const own = await newPlace();
  const other = await startCluster(own, { join: true });
  const worker = start(own, ["worker", "--join", other.embedded.joinUrl ?? "", "--executors", "1"]);
  await statusWhen(other.client, "two workers", ({ workers }) => workers === 2);
  // Given as an argument it is readable to everybody until this process has begun; no longer.
  expect(argumentsOf(worker.pid)).not.toContain("#");
  await other.stop();
  const stoppedMs = performance.now();
  await worker.ended;
  report(`ended after ${((performance.now() - stoppedMs) / 1_000).toFixed(1)} s`);
  expect(performance.now() - stoppedMs).toBeLessThan(60_000 * patience());
});

function argumentsOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
