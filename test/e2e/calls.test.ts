/**
 * Actors of a real embedded cluster, called over the Unix socket and over NATS: results with their
 * types, errors by code, what is refused, and what a caller hears when an actor dies.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect } from "../../runtime/index.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { FRAME_BYTES_MAX } from "../../runtime/limits.ts";
import { identityOf } from "../../runtime/processes.ts";
import { environmentOf, kill } from "./processes.ts";
import { CallsActor, inside } from "./programs/actors.ts";
import { until } from "./support.ts";

const PROGRAM = new URL("./programs/actors.ts", import.meta.url);
const CARRIERS = ["auto", "nats"] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await connect({ program: PROGRAM });
}, 120_000);
afterAll(() => cluster.close());

const spawn = (carrier: (typeof CARRIERS)[number], factor = 2) =>
  cluster.spawn(CallsActor, [{ factor }], { carrier });

/** The code of what a call was refused with. */
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  const thrown = await call.then(
    (value) => ({ code: "none", value }),
    (error: unknown) => error,
  );
  return (thrown as { code: unknown }).code;
}

describe.each(CARRIERS)("over %s", (carrier) => {
  test("values come back as what they are", async () => {
    const calls = await spawn(carrier);
    const values = Float32Array.of(0.1, -0, Number.NaN, 3e38);
    const scaled = await calls.scale(values);
    expect(scaled).toBeInstanceOf(Float32Array);
    expect(scaled).toEqual(Float32Array.of(0.1, -0, Number.NaN, 3e38).map((value) => value * 2));
    const when = new Date(1_700_000_000_000);
    const described = await calls.describe("é", when, 2n ** 53n + 1n);
    const list = [1, "two", null];
    expect(described).toEqual({ name: "é", when, count: 2n ** 53n + 1n, calls: 1, list });
  });

  test("calls are answered in the order in which they were made", async () => {
    const calls = await spawn(carrier);
    const order: number[] = [];
    const wait = [30, 0, 10].map((ms) => calls.late(ms).then((value) => order.push(value)));
    await Promise.all(wait);
    expect(order).toEqual([30, 0, 10]);
  });

  test("what an actor throws comes as APPLICATION, or as its code and place", async () => {
    const calls = await spawn(carrier);
    await expect(calls.fail("on purpose")).rejects.toMatchObject({
      code: "APPLICATION",
      what: "on purpose",
    });
    await expect(calls.failByCode()).rejects.toMatchObject({
      code: "INPUT_EMPTY",
      where: { record: 7 },
    });
    expect(await codeOf(spawn(carrier, 0))).toBe("APPLICATION");
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "noSuchMethod"])(
    "%s isn't a method that can be called",
    async (name) => {
      const calls = (await spawn(carrier)) as unknown as Record<string, () => Promise<unknown>>;
      expect(await codeOf(calls[name]?.() ?? Promise.resolve())).toBe("ACTOR_NOT_FOUND");
    },
  );

  test("what doesn't cross is refused, as argument and as result", async () => {
    const calls = await spawn(carrier);
    const notText = new Map([[1, 2]]) as unknown as string;
    expect(await codeOf(calls.fail(notText))).toBe("NOT_SERIALIZABLE");
    expect(await codeOf(calls.set())).toBe("NOT_SERIALIZABLE");
    expect(await codeOf(calls.take(new Uint8Array(FRAME_BYTES_MAX)))).toBe("FRAME_TOO_LARGE");
    expect(await codeOf(calls.large(FRAME_BYTES_MAX))).toBe("FRAME_TOO_LARGE");
    expect(await calls.take(new Uint8Array(FRAME_BYTES_MAX / 2))).toBe(FRAME_BYTES_MAX / 2);
  });

  test("a killed actor: a call under way is OUTCOME_UNKNOWN, a later one ACTOR_DIED", async () => {
    const calls = await spawn(carrier);
    const pid = await calls.pid();
    const identity = identityOf(pid);
    if (identity === undefined) throw new Error(`no process ${pid}`);
    const pending = codeOf(calls.late(600_000));
    await kill(identity);
    const killedMs = performance.now();
    expect(await pending).toBe("OUTCOME_UNKNOWN");
    report(`answered ${(performance.now() - killedMs).toFixed(0)} ms after the kill was seen`);
    expect(await codeOf(calls.pid())).toBe("ACTOR_DIED");
    const other = await spawn(carrier);
    expect(await other.pid()).not.toBe(pid);
  });
});

describe("an executor", () => {
  test("has no key: neither in its environment, nor in what its code sees", async () => {
    const calls = await spawn("auto");
    const seen = await calls.environment();
    const pid = await calls.pid();
    expect(seen["LIGASE_EXECUTOR"]).toBeUndefined();
    expect(JSON.stringify(seen)).not.toMatch(/"S[UAON][A-Z2-7]{56}"|agentToken|seed/);
    // What it was started with holds no token either, nor an nkey's seed or the bus's address.
    const own = new Set(Object.entries(process.env).map(([key, value]) => `${key}=${value}`));
    const started = environmentOf(pid).filter((entry) => !own.has(entry));
    expect(started.join("\n")).toContain("LIGASE_MARK=");
    expect(started.join("\n")).not.toMatch(/\bS[UAON][A-Z2-7]{56}\b|nats:\/\/|[Tt]oken/);
    // Nor does a seed lie in the folder of its sockets, which its code may read as well.
    const folder = dirname((await cluster.stateOf(calls)).address?.socket ?? "");
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const { name } of entries.filter((entry) => entry.isFile())) {
      expect(readFileSync(join(folder, name), "utf8")).not.toMatch(/\bS[UAON][A-Z2-7]{56}\b/);
    }
  });

  test("can't start a cluster: NESTED_DRIVER", async () => {
    const calls = await spawn("auto");
    expect(await codeOf(calls.connectAgain())).toBe("NESTED_DRIVER");
  });

  test("hosts what the program exports, and nothing else: NOT_IN_PROGRAM", async () => {
    expect(await codeOf(cluster.spawn(inside.unlisted, []))).toBe("NOT_IN_PROGRAM");
  });
});

test("a program whose module throws is PROGRAM_INVALID, and its cluster is gone", async () => {
  const thrown = new URL("./programs/throws.ts", import.meta.url);
  expect(await codeOf(connect({ program: thrown }))).toBe("PROGRAM_INVALID");
});

test("a cluster that is closed has no process left", async () => {
  const own = await connect({ program: PROGRAM });
  const calls = await own.spawn(CallsActor, [{ factor: 3 }]);
  const identity = identityOf(await calls.pid());
  await own.close();
  expect(await codeOf(calls.pid())).toBe("ACTOR_DIED");
  await until("its executor ends", () => identityOf(identity?.pid ?? 0) === undefined, 5);
});

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
