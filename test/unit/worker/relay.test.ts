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
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
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
