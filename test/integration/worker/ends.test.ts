/** How executors and actors end: short memory, a lost lease, a dead agent, a stopped process. */
import { spawn } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import {
  BEACON_INTERVAL_MS,
  HEARTBEAT_INTERVAL_MS,
  NAMED_LEASE_MS,
} from "../../../runtime/limits.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_PING,
  FLAG_PONG,
  readPrefix,
} from "../../../runtime/frame/prefix.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import { hearing } from "../../../runtime/bus/subjects.ts";
import { lookAt, lookAtMemory } from "../../../worker/machine/procfs.ts";
import {
  addressOf,
  busOf,
  callerOver,
  cleanUp,
  CLUSTER,
  codeOf,
  hostOf,
  isThere,
  MARK,
  onEnd,
  playHead,
  startAgent,
  temporaryFolder,
  until,
} from "./support.ts";

afterEach(cleanUp);

const url = new URL("./program.ts", import.meta.url).href;
const subject = (id: string, more = {}) => hostOf(id, { url, actor: "subject", ...more });
const MIB = 1024 * 1024;

test("short of memory, the executor that takes most is ended, and no other one", async () => {
  const available = lookAtMemory()?.availableBytes ?? 0;
  // So that ~400 MiB more are too much, whatever else this machine is at.
  const { run, newCaller, endOf } = await startAgent({ memoryFloorBytes: available - 400 * MIB });
  const [greedy, modest] = await run([subject("greedy"), subject("modest")]);
  const [eater, other] = [await newCaller(addressOf(greedy)), await newCaller(addressOf(modest))];
  const pid = await other.call("modest", "pid");
  await other.call("modest", "take", 20, 0);
  const eaten = codeOf(eater.call("greedy", "take", 4_000, 2));
  const { error } = await endOf({ actorId: "greedy", incarnation: 0 });
  expect(error.code).toBe("OUT_OF_MEMORY");
  expect(error.what).toMatch(/it held \d+ MiB, .* under the floor of \d+ MiB/);
  expect(await eaten).toBe("OUTCOME_UNKNOWN");
  expect(await other.call("modest", "pid")).toBe(pid);
}, 60_000);

describe("an actor that is to end", () => {
  test.each(["process", "shared"] as const)("is disposed of first (%s)", async (hosting) => {
    const { run, newCaller, endOf, command } = await startAgent();
    const outcomes = await run([subject("x", { args: ["x"], hosting })]);
    const caller = await newCaller(addressOf(outcomes[0]));
    expect(await caller.call("x", "name")).toBe("x");
    const life = { actorId: "x", incarnation: 0 };
    command({ end: [life] });
    expect((await endOf(life)).error.code).toBe("ACTOR_DIED");
    expect(await codeOf(caller.call("x", "name"))).not.toBe("none");
    const { identity: to, self: process } = caller;
    command({ logs: [{ to, process, request: 1, actorId: "x", follow: true }] });
    const text = (): string =>
      caller.heard.map(({ value }) => (value as { text: string }).text).join("");
    await until("its last words", () => text().includes("x disposed\n"));
  });

  test.each(["exit", "kill"])("takes with it what it started (%s)", async (how) => {
    const { run, newCaller, endOf, command } = await startAgent();
    const [own, shared] = [subject("x"), subject("y", { hosting: "shared" })];
    const outcomes = await run([own, shared]);
    const [caller, other] = [
      await newCaller(addressOf(outcomes[0])),
      await newCaller(addressOf(outcomes[1])),
    ];
    const pid = (await caller.call("x", "start")) as number;
    const kept = (await other.call("y", "start")) as number;
    onEnd(async () => void process.kill(kept, "SIGKILL"));
    if (how === "exit") void codeOf(caller.call("x", "exit"));
    else command({ end: [{ actorId: "x", incarnation: 0 }] });
    await endOf({ actorId: "x", incarnation: 0 });
    await until("what it started ends", () => !isThere(pid));
    expect(isThere(kept)).toBe(true);
  });

  test("is killed with its executor when it doesn't react", async () => {
    const { run, newCaller, endOf, command } = await startAgent();
    const caller = await newCaller(addressOf((await run([subject("x")]))[0]));
    const pid = (await caller.call("x", "pid")) as number;
    const spinning = codeOf(caller.call("x", "spin", 60_000));
    const before = lookAt(pid)?.cpuMs ?? 0;
    await until("it spins", () => (lookAt(pid)?.cpuMs ?? 0) > before + 100);
    command({ end: [{ actorId: "x", incarnation: 0 }] });
    const { error } = await endOf({ actorId: "x", incarnation: 0 });
    expect(error.what).toBe("it was ended on request");
    expect(await spinning).toBe("OUTCOME_UNKNOWN");
  });
});

describe("a named actor", () => {
  test("lives while its worker's reports are confirmed, and NAMED_LEASE_MS longer", async () => {
    const { run, newCaller, endOf, beacon, lastReport, confirming } = await startAgent();
    await lead(beacon, lastReport);
    const named = (id: string, hosting: "process" | "shared") => subject(id, { name: id, hosting });
    const outcomes = await run([named("own", "process"), named("light", "shared"), subject("x")]);
    const [own, light, x] = await Promise.all(outcomes.map((it) => newCaller(addressOf(it))));
    const pid = await x?.call("x", "pid");
    expect(await own?.call("own", "name")).toBe("");
    // Longer than a lease.
    const leasedMs = performance.now() + NAMED_LEASE_MS + 2_000;
    await until("a lease's time", () => performance.now() > leasedMs, 12_000);
    expect(await light?.call("light", "name")).toBe("");
    // From now on the head hears nothing of it. It goes on to say that it leads.
    confirming.isOn = false;
    const deafMs = performance.now();
    const ends = ["own", "light"].map((actorId) => endOf({ actorId, incarnation: 0 }));
    const [first] = await Promise.all(ends);
    const afterMs = performance.now() - deafMs;
    expect(first?.error).toMatchObject({
      code: "ACTOR_DIED",
      what: expect.stringContaining("head"),
    });
    // The last report was sent up to a heartbeat before.
    expect(afterMs).toBeGreaterThan(NAMED_LEASE_MS - HEARTBEAT_INTERVAL_MS - 200);
    expect(afterMs).toBeLessThan(NAMED_LEASE_MS + 1_500);
    // Its process is about to end: the call may have reached it.
    const refused = await codeOf(own?.call("own", "name") ?? Promise.resolve());
    expect(["ACTOR_DIED", "OUTCOME_UNKNOWN"]).toContain(refused);
    expect(await codeOf(light?.call("light", "name") ?? Promise.resolve())).toBe("ACTOR_DIED");
    // One without a name needs no head.
    expect(await x?.call("x", "pid")).toBe(pid);
  }, 60_000);

  test("doesn't begin when no report of its worker was confirmed, whoever leads", async () => {
    const { run, beacon, lastReport, confirming, command } = await startAgent();
    confirming.isOn = false;
    await lead(beacon, lastReport);
    // Nor is one confirmed that another process of this worker may have sent.
    command({ heard: 1 });
    const [outcome] = await run([subject("late", { name: "late" })]);
    expect(outcome).toMatchObject({ kind: "failed", error: { code: "ACTOR_DIED" } });
  });
});

/** A head leads from now on, and the agent has said something to it. */
async function lead(beacon: () => void, lastReport: () => unknown): Promise<void> {
  const timer = setInterval(beacon, BEACON_INTERVAL_MS);
  onEnd(async () => clearInterval(timer));
  await until("it is there", lastReport);
}

describe("an agent", () => {
  test("tells at once that an executor ended, and with what", async () => {
    const { run, newCaller, endOf } = await startAgent();
    const caller = await newCaller(addressOf((await run([subject("x")]))[0]));
    const under = codeOf(caller.call("x", "exit"));
    expect(await under).toBe("OUTCOME_UNKNOWN");
    const { error } = await endOf({ actorId: "x", incarnation: 0 });
    expect(error).toMatchObject({ code: "ACTOR_DIED", what: "the executor ended: exit code 7" });
  });

  test("vouches for an executor in a long turn, not for one that is stopped", async () => {
    const { run, newCaller, server, keyring } = await startAgent();
    const [x, other] = (await run([subject("x"), subject("other")])).map(addressOf);
    if (x === undefined || other === undefined) throw new Error("nothing was hosted");
    const caller = await newCaller(x);
    const pid = (await caller.call("x", "pid")) as number;
    const bus = await busOf(server.url, await keyring.mint("client"));
    const peer = callerOver(bus, x);
    const pongs = new Set<string>();
    bus.subscribe(hearing.links(CLUSTER, bus.identity), (_subject, bytes) => {
      const { flags, source, link } = readPrefix(bytes);
      if ((flags & FLAG_PONG) === 0) return;
      expect(flags).toBe(FLAG_PONG | FLAG_ACCEPTOR);
      pongs.add(`${source} ${link}`);
    });
    await bus.flush();
    let link = 1_000;
    /** Whether it is answered for; the other one's answer, asked for later, shows that it isn't. */
    const isVouchedFor = async (): Promise<boolean> => {
      link += 1;
      for (const { process } of [x, other]) {
        const ends = { source: peer.self, destination: process as ProcessId };
        const numbers = { link, sequence: 0, ack: 0 };
        peer.raw(bareFrame({ lane: 0, flags: FLAG_PING, ...ends, ...numbers }));
      }
      await until("the other one's pong", () => pongs.has(`${other.process} ${link}`));
      return pongs.has(`${x.process} ${link}`);
    };
    const spinning = caller.call("x", "spin", 1_000);
    const before = lookAt(pid)?.cpuMs ?? 0;
    await until("it spins", () => (lookAt(pid)?.cpuMs ?? 0) > before + 100);
    expect(await isVouchedFor()).toBe(true);
    expect(await spinning).toBe("done");
    process.kill(pid, "SIGSTOP");
    await until("it stands", () => lookAt(pid)?.state === "T");
    expect(await isVouchedFor()).toBe(false);
    process.kill(pid, "SIGCONT");
    expect(await caller.call("x", "pid")).toBe(pid);
  }, 30_000);
});

test("executors are gone with their agent at once, whatever they are at", async () => {
  const { server, keyring, head } = await startAgent();
  const credentials = await keyring.mint("worker");
  const script = new URL("./agent-process.ts", import.meta.url).pathname;
  const runtimeDir = await temporaryFolder();
  const config = { url: server.url, cluster: CLUSTER, runtimeDir, mark: MARK, ...credentials };
  const child = spawn(process.execPath, [script, JSON.stringify(config)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  onEnd(async () => void child.kill("SIGKILL"));
  const { run, lastReport, beacon } = await playHead(head, credentials.identity);
  await until("it is there", () => {
    beacon();
    return lastReport();
  });
  const address = addressOf((await run([subject("x")]))[0]);
  const peer = await busOf(server.url, await keyring.mint("client"));
  const caller = callerOver(peer, address);
  await peer.flush();
  const pid = (await caller.call("x", "pid")) as number;
  const spinning = codeOf(caller.call("x", "spin", 60_000));
  const before = lookAt(pid)?.cpuMs ?? 0;
  await until("it spins", () => (lookAt(pid)?.cpuMs ?? 0) > before + 200);
  child.kill("SIGKILL");
  await until("it is gone", () => !isThere(pid), 5_000);
  expect(isThere(pid)).toBe(false);
  void spinning;
}, 60_000);
