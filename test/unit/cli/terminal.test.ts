/** Progress on a real terminal: what a pseudo-terminal of a known width gets, however it ends. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { which } from "../../../deploy/setup/process.mjs";

const PROGRAM = join(import.meta.dirname, "shows-progress.ts");
const WIDTH = 44;
const LIMIT_MS = 30_000;
const FRAMES = [0, 1, 2, 3, 4].map((done) => `embedding: ${done}/4 shards`);

/** All that the terminal got. @param type - is typed once it shows the last frame. */
function onTerminal(how: string, type = ""): Promise<{ text: string; code: number | null }> {
  const command = `stty cols ${WIDTH}; exec ${process.execPath} ${PROGRAM} ${how}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], { stdio: "pipe" });
  let text = "";
  let typed = type === "";
  const read = (data: Buffer): void => {
    text += data.toString();
    if (typed || !text.includes("4/4")) return;
    typed = true;
    child.stdin.write(type);
  };
  child.stdout.on("data", read);
  return new Promise((settle, fail) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.once("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      settle({ text, code });
    });
  });
}

/** The lines that stand there in the end, and all frames that were drawn. */
function seen(text: string) {
  const escape = String.fromCharCode(27);
  const plain = text
    .replaceAll("\r\n", "\n")
    .replaceAll(new RegExp(`${escape}\\[[0-9]*[A-Z]`, "g"), "");
  const lines = plain.split("\n").map((line) => line.split("\r"));
  return { last: lines.map((frames) => frames.at(-1) ?? ""), frames: lines.flat() };
}

test.runIf(which("script") !== undefined)(
  "one line is drawn over, within the width, and what follows stands alone",
  async () => {
    const { text, code } = await onTerminal("end");
    const { last, frames } = seen(text);
    expect(code).toBe(0);
    expect(last).toEqual([
      `embedding: 4/4 shards [${"#".repeat(19)}]`,
      ...["sealed: 4 shards", "after it", ""],
    ]);
    for (const frame of frames) expect(frame.length, frame).toBeLessThan(WIDTH);
    for (const frame of FRAMES) expect(text).toContain(frame);
    // Nothing is cleared before it is drawn: that would flicker.
    expect(text).not.toContain("[2K");
  },
);

test.runIf(which("script") !== undefined).each([
  ["throw", "", 1],
  ["exit", "", 130],
  ["signal", "\u0003", 130],
])("an end by %s leaves the next line to whoever speaks then", async (how, type, wanted) => {
  const { text, code } = await onTerminal(how, type);
  expect(code).toBe(wanted);
  const { last } = seen(text);
  const at = last.findIndex((line) => line.startsWith("embedding: 4/4 shards ["));
  expect(at, text).toBeGreaterThanOrEqual(0);
  expect(last[at]?.replace(/\^C$/, "")).toMatch(/\]$/);
  expect(last.length).toBeGreaterThan(at + 1);
});
