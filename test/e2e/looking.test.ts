/**
 * `ligase list`, `explain` and `logs` against a running cluster, and a second process that joins it
 * by its address.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { clustersHere } from "../../runtime/client/address.ts";
import type { RemoteActor } from "../../runtime/actor/handle.ts";
import { type ActorCluster, newJournal, startActors } from "./actors.ts";
import { LifeActor } from "./programs/lives.ts";
import { cleanUp, type Ended, errorOf, start, until } from "./support.ts";

type Life = RemoteActor<InstanceType<typeof LifeActor.class>>;

let actors: ActorCluster;
let client: Cluster;
let named: Life;
let address: string;
beforeAll(async () => {
  actors = await startActors();
  ({ client } = actors);
  const options = { name: "index", maxRestarts: 2 };
  named = await client.spawn(LifeActor, [{ journal: newJournal(actors) }], options);
  address = await addressFile();
}, 120_000);
afterAll(async () => {
  await actors.stop();
  await cleanUp();
});

/** The file that this cluster left. */
async function addressFile(): Promise<string> {
  const found = (await clustersHere()).find(({ stateDir }) => stateDir === actors.own.stateDir);
  return join(found?.socket ?? "", "..", "address.json");
}

const ligase = (...args: readonly string[]): Promise<Ended> =>
  start(actors.place, [...args, "--address", address]).ended;

describe("list", () => {
  test("shows actors in columns, and as JSON without what opens a socket", async () => {
    const pid = await named.pid();
    const text = await ligase("list", "actors");
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(new RegExp(`^[0-9a-f]+ +index +life +alive .* ${pid} `, "m"));
    const { stdout } = await ligase("list", "actors", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      entries: [{ name: "index", state: "alive", address: { pid } }],
      next: null,
      total: 1,
    });
    expect(stdout).not.toContain("token");
  });

  test("filters before it cuts, and goes on behind a page", async () => {
    const spec = { hosting: "shared" } as const;
    const journal = newJournal(actors);
    const light = await Promise.all(
      Array.from({ length: 5 }, () => client.spawn(LifeActor, [{ journal }], spec)),
    );
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const more: string[] = after === null ? [] : ["--after", after];
      const filter = ["--filter", "hosting=shared", "state=alive"];
      const page = await ligase("list", "actors", ...filter, "--limit", "2", "--json", ...more);
      const { entries, next, total } = JSON.parse(page.stdout) as {
        entries: { actorId: string }[];
        next: string | null;
        total: number;
      };
      expect([entries.length <= 2, total]).toEqual([true, 5]);
      seen.push(...entries.map(({ actorId }) => actorId));
      after = next;
    } while (after !== null);
    expect(new Set(seen).size).toBe(5);
    expect(seen.length).toBe(5);
    await Promise.all(light.map((one) => client.kill(one)));
  });

  test("refuses what it doesn't know: exit 2", async () => {
    const workers = await ligase("list", "workers", "--json");
    expect([workers.code, errorOf(workers).code]).toEqual([2, "USAGE"]);
    const filter = await ligase("list", "actors", "--filter", "colour=red", "--json");
    expect([filter.code, errorOf(filter).code]).toEqual([2, "USAGE"]);
  });

  test("shows pools with the reason for their size", async () => {
    const pool = await client.pool(LifeActor, [{ journal: newJournal(actors) }], {
      size: { min: 1, max: 2 },
    });
    await until("it has a member", () => pool.size === 1);
    const { stdout } = await ligase("list", "pools");
    expect(stdout).toMatch(/^[0-9a-f]+ +life +1 +1 +2 +1 +0 +\S.*$/m);
    await pool.close();
  });
});

test("explain says where an actor is and why, by name and by id", async () => {
  const { actorId } = await client.stateOf(named);
  const byName = await ligase("explain", "actor", "index");
  expect(byName.stdout).toMatch(new RegExp(`^index \\(${actorId}\\) is alive for`));
  const byId = await ligase("explain", "actor", actorId, "--json");
  const { view, reasons } = JSON.parse(byId.stdout) as { view: object; reasons: string[] };
  expect(view).toMatchObject({ actorId, name: "index" });
  expect(reasons.length).toBeGreaterThan(0);
  const nobody = await ligase("explain", "actor", "nobody", "--json");
  expect([nobody.code, errorOf(nobody).code]).toEqual([1, "ACTOR_NOT_FOUND"]);
});

test("logs gives an actor's two streams; with -f what comes, until Ctrl-C", async () => {
  await named.say("stdout", "to out\n");
  await named.say("stderr", "to err\n");
  const once = await ligase("logs", "index");
  expect([once.code, once.stdout]).toEqual([0, expect.stringContaining("to out\n")]);
  expect(once.stderr).toContain("to err\n");
  const following = start(actors.place, ["logs", "index", "-f", "--address", address]);
  await until("what was written is there", () => following.stderr().includes("to err"));
  await named.say("stderr", "later\n");
  await until("what is written comes", () => following.stderr().includes("later"));
  process.kill(following.pid, "SIGINT");
  expect((await following.ended).code).toBe(0);
});

test("a command's key ends with it", async () => {
  const keys = (): number =>
    readFileSync(join(address, "..", "users.conf"), "utf8").split("nkey:").length;
  const before = keys();
  const following = start(actors.place, ["logs", "index", "-f", "--address", address]);
  await until("it has a key", () => keys() > before);
  const most = keys();
  process.kill(following.pid, "SIGKILL");
  await following.ended;
  await until("its key is gone", () => keys() < most);
  expect(keys()).toBeLessThan(most);
});

test("a cluster that isn't there is CLUSTER_NOT_FOUND: exit 4", async () => {
  const gone = await start(actors.place, ["list", "actors", "--state", "/nowhere", "--json"]).ended;
  expect([gone.code, errorOf(gone).code]).toEqual([4, "CLUSTER_NOT_FOUND"]);
});

test("connect() joins by an address; what is detached outlives its spawner", async () => {
  const program = new URL("./programs/lives.ts", import.meta.url);
  const other = await connect({ program, address });
  const options = { name: "stays", lifetime: "detached" } as const;
  const journal = newJournal(actors);
  const stays = await other.spawn(LifeActor, [{ journal }], options);
  const owned = await other.spawn(LifeActor, [{ journal }], { name: "goes" });
  const pid = await stays.pid();
  await owned.pid();
  await other.close();
  const found = await client.actor(LifeActor, "stays");
  expect(await found.pid()).toBe(pid);
  await until("what the other owned is gone", async () => {
    const { entries } = await client.list("actors", { filter: { name: "goes", state: "alive" } });
    return entries.length === 0;
  });
  await client.kill(found);
});
