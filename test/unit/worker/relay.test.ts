/** Output where the agent's own goes: the agent never waits for who reads it. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RELAY_FILE_BYTES_MAX } from "../../../runtime/limits.ts";
import { Relay } from "../../../worker/machine/relay.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lgr-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("bytes go to their stream, behind what is there", () => {
  const paths = { stdout: join(folder, "out"), stderr: join(folder, "err") };
  for (const path of Object.values(paths)) execFileSync("touch", [path]);
  const relay = new Relay(paths);
  relay.write("stdout", Buffer.from("a\n"));
  relay.write("stderr", Buffer.from("e\n"));
  relay.write("stdout", Buffer.from("b\n"));
  relay.close();
  expect(readFileSync(paths.stdout, "utf8")).toBe("a\nb\n");
  expect(readFileSync(paths.stderr, "utf8")).toBe("e\n");
});

test("a reader that reads nothing holds nobody up, and hears later what was lost", () => {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const relay = new Relay({ stdout: path, stderr: path });
  const chunk = Buffer.alloc(64 * 1024, "x");
  for (let i = 0; i < 100; i += 1) relay.write("stdout", chunk);
  const drain = (): string => {
    const bytes = Buffer.alloc(1024 * 1024);
    return bytes.subarray(0, readSync(reader, bytes)).toString();
  };
  drain();
  relay.write("stdout", Buffer.from("again\n"));
  const heard = drain();
  expect(heard).toMatch(/^\n\[\d+ bytes of executors' output were lost\]\nagain\n$/);
  expect(Number(/\d+/.exec(heard)?.[0])).toBeGreaterThan(90 * chunk.length);
  relay.close();
  closeSync(reader);
});

test("a file takes so much an hour, whatever is written, and says what it lacks", () => {
  const path = join(folder, "worker.log");
  execFileSync("touch", [path]);
  let nowMs = 0;
  const relay = new Relay({ stdout: path, stderr: path }, () => nowMs);
  const chunk = Buffer.alloc(64 * 1024, "x");
  for (let i = 0; i < 1_500; i += 1) relay.write(i % 2 === 0 ? "stdout" : "stderr", chunk);
  expect(statSync(path).size).toBe(RELAY_FILE_BYTES_MAX);
  nowMs = 30 * 60_000;
  for (let i = 0; i < 1_500; i += 1) relay.write("stdout", chunk);
  expect(statSync(path).size).toBeGreaterThan(1.45 * RELAY_FILE_BYTES_MAX);
  expect(statSync(path).size).toBeLessThanOrEqual(1.5 * RELAY_FILE_BYTES_MAX);
  const text = readFileSync(path, "latin1");
  expect(text).toContain(`[${238 * chunk.length} bytes of executors' output were lost]`);
  relay.close();
});
