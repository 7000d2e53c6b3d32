/**
 * Two workers with different resources and labels: actors and shards go where what they take is,
 * see the GPUs that they were given, and say why they wait where there are none.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importProgram } from "../../runtime/actor/registry.ts";
import { clustersHere } from "../../runtime/client/address.ts";
import type { Cluster, SpawnOptions } from "../../runtime/client/cluster.ts";
import { joinAsClient, programAt } from "../../runtime/client/connect.ts";
import type { NodeView } from "../../runtime/resources/node.ts";
import { UNITS } from "../../runtime/resources/resources.ts";
import { type OwnCluster, resultOfProgram, startCluster, statusWhen } from "./cluster.ts";
import { kill, parentOf, partsOf } from "./processes.ts";
import { SeeingActor, type Sight } from "./programs/seeing.ts";
import { cleanUp, type Ended, makeInputs, newPlace, type Place, start, until } from "./support.ts";

const PROGRAM = new URL("./programs/seeing.ts", import.meta.url);
const OFFER = '{"gpu":2,"custom":{"disk":1}}';
const SHARDS = 6;

let place: Place;
let cluster: OwnCluster;
let client: Cluster;
let far: number;
let near: number;
let inputs: string[];
let address: string;

beforeAll(async () => {
  place = await newPlace();
  inputs = await makeInputs(place, { files: SHARDS, reads: 50 });
  cluster = await startCluster(place, { join: true, executors: 2, standbyHeads: 1 });
  const env = { LIGASE_JOIN: cluster.embedded.joinUrl ?? "" };
  const args = ["worker", "--executors", "3", "--resources", OFFER, "--labels", "zone=far"];
  const joined = start(place, args, { env });
  await statusWhen(cluster.client, "two workers", ({ workers, slots }) => workers + slots === 7);
  const agents = partsOf(place, "agent").map(({ pid }) => pid);
  far = agents.find((pid) => parentOf(pid) === joined.pid) ?? 0;
  near = agents.find((pid) => pid !== far) ?? 0;
  const program = await programAt(PROGRAM);
  const loaded = await importProgram(program.url);
  client = await joinAsClient(cluster.embedded.connection, program, loaded, async () => {});
  const found = (await clustersHere()).find(({ stateDir }) => stateDir === cluster.stateDir);
  address = join(found?.socket ?? "", "..", "address.json");
}, 120_000);
afterAll(async () => {
  await client.close();
  await cluster.stop();
  await cleanUp();
});

const ligase = (...args: readonly string[]): Promise<Ended> =>
  start(place, [...args, "--address", address]).ended;

async function nodes(filter: Readonly<Record<string, string>> = {}): Promise<readonly NodeView[]> {
  return (await client.list("nodes", { filter })).entries;
}

/** GPUs free of the joined worker. */
async function freeGpus(): Promise<readonly number[]> {
  const [node] = await nodes({ "labels.zone": "far" });
  return (node?.gpusFree ?? []).map((units) => units / UNITS);
}

async function spawn(options: SpawnOptions) {
  return await client.spawn(SeeingActor, [], options);
}

async function stop(actors: readonly object[]): Promise<void> {
  for (const actor of actors) await client.kill(actor);
}

describe("actors", () => {
  test("see the GPUs they were given, on the worker that has some; give them back", async () => {
    const actors = [];
    const seen: Sight[] = [];
    for (const gpu of [0.5, 0.5, 1]) {
      const one = await spawn({ resources: { gpu } });
      actors.push(one);
      seen.push(await one.look());
    }
    expect(seen.map(({ gpus }) => gpus)).toEqual(["0", "0", "1"]);
    expect(new Set(seen.map(({ agent }) => agent))).toEqual(new Set([far]));
    expect(await freeGpus()).toEqual([0, 0]);
    await stop(actors);
    expect(await freeGpus()).toEqual([1, 1]);
  });

  test("live on the workers whose labels they ask for", async () => {
    const away = await spawn({ labels: { notIn: { zone: "far" } }, resources: { cpu: 1 } });
    const there = await spawn({ labels: { in: { zone: ["far", "farther"] } } });
    expect([(await away.look()).agent, (await there.look()).agent]).toEqual([near, far]);
    await stop([away, there]);
  });

  test("that fit nowhere wait, hold nobody up, and `explain` says why", async () => {
    const spawned = spawn({ name: "huge", resources: { gpu: 3 } });
    spawned.catch(() => undefined);
    await until("it waits", async () => (await client.list("actors")).entries.length > 0);
    const beside = await spawn({ resources: { custom: { disk: 0.5 } } });
    expect((await beside.look()).agent).toBe(far);
    const { stdout } = await ligase("explain", "actor", "huge");
    expect(stdout).toContain("It needs 3 gpu.");
    expect(stdout).toContain("It could never run on any of 2 workers: ");
    expect(stdout).toContain("has 2 gpu, 1 gpu too little");
    expect(stdout).toContain("It starts when a worker joins that has 3 gpu.");
    const [huge] = (await client.list("actors", { filter: { name: "huge" } })).entries;
    expect(huge?.state).toBe("pending");
    await stop([beside]);
    const found = await ligase("list", "actors", "--filter", "state=pending", "--json");
    expect(JSON.parse(found.stdout)).toMatchObject({ total: 1, entries: [{ name: "huge" }] });
  });
});

/** One batch of one shard, as its stage saw it. */
interface Line extends Sight {
  readonly what: "begin" | "end";
}

async function makeShards(name: string, options: object): Promise<string> {
  const argv = [
    place.path(`${name}.journal`),
    place.path(name),
    JSON.stringify(options),
    ...inputs,
  ];
  return await client.submitProgram(await programAt(PROGRAM), argv);
}

function linesOf(name: string): Line[] {
  const text = readFileSync(place.path(`${name}.journal`), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

/** The most batches that were under way at once. */
function mostAtOnce(lines: readonly Line[]): number {
  let [now, most] = [0, 0];
  for (const { what } of lines) {
    now += what === "begin" ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

describe("shards", () => {
  test("that take a GPU are made where GPUs are, one on each at a time", async () => {
    await resultOfProgram(client, await makeShards("gpus", { numGpus: 1 }));
    const lines = linesOf("gpus");
    expect(lines).toHaveLength(2 * SHARDS);
    expect(new Set(lines.map(({ agent }) => agent))).toEqual(new Set([far]));
    expect(new Set(lines.map(({ gpus }) => gpus))).toEqual(new Set(["0", "1"]));
    for (const gpu of ["0", "1"]) {
      expect(mostAtOnce(lines.filter(({ gpus }) => gpus === gpu))).toBe(1);
    }
    // An executor keeps its GPU and what it has loaded.
    expect(new Set(lines.map(({ pid }) => pid)).size).toBe(2);
  });

  test("are as many at once as was asked for", async () => {
    await resultOfProgram(client, await makeShards("alone", { concurrency: 1 }));
    expect(mostAtOnce(linesOf("alone"))).toBe(1);
  });

  test("that fit no node wait, say so, and go on when they are asked for otherwise", async () => {
    const output = place.path("waiting");
    await makeShards("waiting", { numGpus: 4 });
    const { id } = await until("it lacks something", async () => {
      const { datasets } = await client.status();
      return datasets.find(({ uri, lacks }) => uri === output && lacks.length > 0);
    });
    const { stdout } = await ligase("explain", "job", id.slice(0, 12));
    expect(stdout).toContain("Each of its shards needs 1 cpu, 4 gpu.");
    expect(stdout).toContain("has 2 gpu, 2 gpu too little");
    expect(existsSync(join(output, "manifest.json"))).toBe(false);
    await resultOfProgram(client, await makeShards("waiting", {}));
    expect(existsSync(join(output, "manifest.json"))).toBe(true);
    const jobs = (await client.status()).datasets.filter(({ uri }) => uri === output);
    expect(jobs.map((job) => job.id)).toEqual([id]);
  });
});

describe("nodes", () => {
  test("are listed with what is free of what they have", async () => {
    const { stdout } = await ligase("list", "nodes");
    expect(stdout).toMatch(/^NODE +STATE +HEARD +CPU +GPU +MEMORY +OTHERS +LABELS/m);
    expect(stdout).toMatch(/alive .*3\/3 +2\/2 \(1 1\) .*disk 1\/1 +zone=far/);
    const far = await ligase("list", "nodes", "--filter", "labels.zone=far", "--json");
    const page = JSON.parse(far.stdout) as { entries: NodeView[]; total: number };
    expect([page.total, page.entries[0]?.slots]).toEqual([1, 3]);
    const summary = await ligase("summary", "actors");
    expect(summary.stdout).toMatch(/^CLASS +PENDING +STARTING +ALIVE.*\nseeing +1 /);
  });

  test("are known to the next leader with all that is held of them", async () => {
    const held = [await spawn({ resources: { gpu: 0.5 } }), await spawn({ resources: { gpu: 1 } })];
    expect(await freeGpus()).toEqual([0.5, 0]);
    const { epoch } = await client.status();
    // The one that was started first leads.
    const [leader] = partsOf(place, "head").sort((a, b) => a.startTicks - b.startTicks);
    if (leader !== undefined) await kill(leader);
    await statusWhen(client, "another head leads", (status) => status.epoch > epoch);
    const another = await spawn({ resources: { gpu: 0.5 } });
    expect([await freeGpus(), (await another.look()).gpus]).toEqual([[0, 0], "0"]);
    await stop([...held, another]);
  });
});

test("a worker whose resources are said wrongly isn't added: one error, exit code 2", async () => {
  const args = ["worker", "--join", "https://127.0.0.1:1#x", "--resources", '{"gpu":1.5}'];
  const ended = await start(place, args).ended;
  expect([ended.code, ended.stderr]).toEqual([
    2,
    expect.stringContaining("--resources.gpu is a share of one GPU or a whole number of them"),
  ]);
});
