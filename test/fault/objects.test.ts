/** Objects and the ends of processes: whatever is killed, nothing is left of what it had. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { connect } from "../../runtime/index.ts";
import { sharedRoot } from "../../runtime/objects/index.ts";
import { kill, processesOf } from "../e2e/processes.ts";
import { cleanUp, newPlace, type Place, start, until } from "../e2e/support.ts";
import { processOf } from "../e2e/actors.ts";

const HOLDING = join(import.meta.dirname, "programs", "holding.ts");
const OBJECTS_PROGRAM = new URL("../e2e/programs/objects.ts", import.meta.url);
/** Less than the client puts: some of it is on the disk. */
const MEMORY = { LIGASE_OBJECT_MEMORY: "12M", LIGASE_OBJECT_SPILL: "1G" };

afterEach(() => cleanUp());

/** A client with a cluster of its own, or of an address, that has objects. */
async function holding(place: Place, env: Readonly<Record<string, string>> = {}) {
  const command = [process.execPath, HOLDING];
  const { child, pid, stderr } = start(place, [], { command, env: { ...MEMORY, ...env } });
  let text = "";
  child.stdout?.on("data", (data: Buffer) => (text += data.toString()));
  const line = await until(`it has objects: ${stderr()}`, () => text.includes("\n") && text);
  return { pid, job: (JSON.parse(line) as { job: string }).job };
}

/** Stores on this machine that have, or had, something of a job. */
function storesOf(job: string): string[] {
  const names = existsSync(sharedRoot()) ? readdirSync(sharedRoot()) : [];
  return names.filter((name) => existsSync(join(sharedRoot(), name, "jobs", job)));
}

/** Folders of spilled objects in a place. */
function spilledIn(place: Place): string[] {
  const [root] = readdirSync(place.temporary).filter((name) => name.startsWith("ligase-objects-"));
  return root === undefined ? [] : readdirSync(join(place.temporary, root));
}

test("all of a cluster is killed at once: the next command takes away what it left", async () => {
  const place = await newPlace();
  await using other = await connect({ program: OBJECTS_PROGRAM, executors: 1 });
  const living = await other.put(new Float64Array(100_000).fill(5));
  const { job } = await holding(place);
  expect(spilledIn(place)).not.toEqual([]);
  const all = processesOf(place);
  // Its supervisor, head, agent, bus, executors and the client itself.
  expect(all.length).toBeGreaterThanOrEqual(6);
  for (const { pid } of all) process.kill(pid, "SIGKILL");
  await Promise.all(all.map(kill));
  // Shared memory is one for all of this user: another command may have swept it meanwhile.
  expect(spilledIn(place)).toHaveLength(1);
  const { stderr } = await start(place, ["list", "nodes", "--state", place.path("none")]).ended;
  expect(stderr).toMatch(/CLUSTER_NOT_FOUND/);
  expect([storesOf(job), spilledIn(place)]).toEqual([[], []]);
  // Another cluster of this user goes on with what it has.
  expect(storesOf(living.job)).toHaveLength(1);
  expect((await other.get(living))[9]).toBe(5);
});

test("a killed client's objects end with it, while its cluster goes on", async () => {
  const place = await newPlace();
  const { pid, job } = await holding(place);
  expect(storesOf(job)).toHaveLength(1);
  await kill(processOf(pid));
  await until("its objects are gone", () => storesOf(job).length === 0);
  await until("its spilled objects are gone", () => spilledIn(place).length === 0);
});
