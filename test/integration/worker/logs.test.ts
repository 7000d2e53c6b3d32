/** Output of executors: kept, bounded, still where the agent's own goes, sent to who asks. */
import { readdirSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { agentSays, parseMessage } from "../../../runtime/messages.ts";
import { addressOf, callerOver, cleanUp, hostOf, isThere, startAgent, until } from "./support.ts";

afterEach(cleanUp);

const url = new URL("./program.ts", import.meta.url).href;
const HOST = hostOf("x", { url, actor: "subject", args: ["loud"] });

type Caller = ReturnType<typeof callerOver>;

/** What one request got so far. */
function got({ heard }: Caller, request: number) {
  const said = heard
    .map(({ value }) => parseMessage(agentSays, value))
    .filter((message) => message.request === request);
  const of = (stream: string) =>
    said.map((message) => (message.stream === stream ? message.text : "")).join("");
  return { stdout: of("stdout"), stderr: of("stderr"), ended: said.at(-1)?.end === true };
}

async function start(logBytesMax?: number) {
  const agent = await startAgent({ logBytesMax });
  const caller = await agent.newCaller(addressOf((await agent.run([HOST]))[0]));
  const ask = (request: number, follow: boolean, actorId = "x"): void => {
    const { identity: to, self: process } = caller;
    agent.command({ logs: [{ to, process, request, actorId, follow }] });
  };
  return { ...agent, caller, ask };
}

describe("an actor's output", () => {
  test("is sent to who asks, its constructor's too: whole lines, any bytes", async () => {
    const { caller, ask } = await start();
    await caller.call("x", "print", "stderr", "one\ntwo\nno end");
    await caller.call("x", "printBytes", Uint8Array.of(0x61, 0xff, 0x0a));
    let request = 0;
    const whole = await until("all of it", async () => {
      request += 1;
      ask(request, false);
      await until("an answer", () => got(caller, request).ended);
      return got(caller, request).stdout.includes("\ufffd") && got(caller, request);
    });
    expect(whole).toEqual({ stdout: "constructed\na\ufffd\n", stderr: "one\ntwo\n", ended: true });
  });

  test("is followed until the executor ends, its last words included", async () => {
    const { caller, ask, command, endOf } = await start();
    ask(1, true);
    await until("what is kept", () => got(caller, 1).stdout === "constructed\n");
    await caller.call("x", "print", "stdout", "later\n");
    await until("what came", () => got(caller, 1).stdout === "constructed\nlater\n");
    await caller.call("x", "print", "stderr", "last words");
    command({ end: [{ actorId: "x", incarnation: 0 }] });
    await endOf({ actorId: "x", incarnation: 0 });
    await until("the end", () => got(caller, 1).ended);
    expect(got(caller, 1).stderr).toBe("last words\n");
    // It can be asked for afterwards.
    ask(2, false);
    await until("the end", () => got(caller, 2).ended);
    expect(got(caller, 2).stdout).toBe("constructed\nlater\nloud disposed\n");
    ask(3, false, "unknown");
    await until("the end", () => got(caller, 3).ended);
  });

  test("ends with its executor though a process it left holds its streams open", async () => {
    const { caller, ask, command } = await start();
    ask(1, true);
    const pid = (await caller.call("x", "leave")) as number;
    command({ end: [{ actorId: "x", incarnation: 0 }] });
    await until("the end", () => got(caller, 1).ended);
    expect(isThere(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("is bounded on disk: the oldest is lost, and who asks hears how much", async () => {
    const bytesMax = 4_000;
    const { caller, ask } = await start(bytesMax);
    const text = `${"x".repeat(99)}\n`.repeat(5);
    for (let i = 0; i < 30; i += 1) await caller.call("x", "print", "stdout", text);
    ask(1, false);
    await until("the end", () => got(caller, 1).ended, 20_000);
    const { stdout, stderr } = got(caller, 1);
    expect(stdout.length).toBeLessThanOrEqual(bytesMax);
    expect(stdout.length).toBeGreaterThan(bytesMax / 4);
    const [, lost = "0"] = /^\[(\d+) bytes of output were lost\]\n$/.exec(stderr) ?? [];
    expect(Number(lost) + stdout.length).toBe("constructed\n".length + 30 * text.length);
  });
});

test("an agent that ends leaves no file and no process", async () => {
  const { agent, caller, runtimeDir, lastReport } = await start();
  const pid = (await caller.call("x", "pid")) as number;
  const names = readdirSync(runtimeDir);
  expect(names.filter((name) => name.endsWith(".log")).length).toBeGreaterThan(0);
  expect(lastReport()?.processes.length).toBeGreaterThan(0);
  agent.stop();
  await until("the executor ends", () => !isThere(pid));
  await until("no file is left", () => readdirSync(runtimeDir).length === 0);
});
