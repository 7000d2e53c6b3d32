/** Who asked for output gets it: what is kept, then what comes, bounded, until an end. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  LOG_BYTES_PER_TICK,
  LOG_FOLLOWERS_MAX,
  LOGS_FOLLOW_MS,
  LOGS_KEPT_MAX,
} from "../../../runtime/limits.ts";
import type { AgentSays, Command } from "../../../runtime/messages.ts";
import { LogDesk } from "../../../worker/machine/logs.ts";
import { OutputLog } from "../../../worker/machine/output.ts";

type Wanted = Command["logs"][number];

let folder = "";
let sent: { to: Wanted; says: AgentSays }[] = [];
let desk: LogDesk;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lgl-"));
  sent = [];
  desk = new LogDesk((to, says) => sent.push({ to, says }));
});
afterEach(() => {
  desk.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(key: number, bytesMax?: number): OutputLog {
  const output = new OutputLog(join(folder, `${key}.log`), bytesMax);
  desk.open(key, output);
  return output;
}

function wanted(request: number, follow = true): Wanted {
  return { to: "c1", process: "2".repeat(16), request, actorId: "x", follow };
}

/** What one request got: its text, and whether it was told that this is all. */
function got(request: number) {
  const own = sent.filter(({ says }) => says.request === request).map(({ says }) => says);
  return { text: own.map(({ text }) => text).join(""), ended: own.at(-1)?.end === true };
}

describe("who asks for output", () => {
  test("gets what is kept, and an end unless it follows", () => {
    open(1).take("stdout", Buffer.from("a\nb"));
    desk.answer(wanted(1, false), 1, 0);
    expect(got(1)).toEqual({ text: "a\n", ended: true });
    desk.answer(wanted(2), 1, 0);
    expect(got(2)).toEqual({ text: "a\n", ended: false });
  });

  test("and follows gets each line as it comes, until the executor's end", () => {
    const output = open(1);
    desk.answer(wanted(1), 1, 0);
    output.take("stdout", Buffer.from("one\n"));
    output.take("stderr", Buffer.from("two\nlast"));
    expect(got(1)).toEqual({ text: "one\ntwo\n", ended: false });
    expect(sent.map(({ says }) => says.stream)).toEqual(["stdout", "stderr"]);
    output.close();
    expect(got(1)).toEqual({ text: "one\ntwo\nlast\n", ended: true });
  });

  test("under another's numbers gets its own, and takes nothing from them", () => {
    const output = open(1);
    desk.answer(wanted(1), 1, 0);
    desk.answer({ ...wanted(1, false), to: "c2" }, 1, 0);
    output.take("stdout", Buffer.from("a\n"));
    expect(sent.map(({ to, says }) => [to.to, says.text, says.end])).toEqual([
      ["c2", "", true],
      ["c1", "a\n", false],
    ]);
  });

  test("asks again and gets nothing twice; asks no more and is forgotten", () => {
    const output = open(1);
    output.take("stdout", Buffer.from("a\n"));
    desk.answer(wanted(1), 1, 0);
    desk.answer(wanted(1), 1, LOGS_FOLLOW_MS - 1);
    desk.tick(LOGS_FOLLOW_MS + 1);
    output.take("stdout", Buffer.from("b\n"));
    expect(got(1).text).toBe("a\nb\n");
    desk.tick(3 * LOGS_FOLLOW_MS);
    output.take("stdout", Buffer.from("c\n"));
    expect(got(1)).toEqual({ text: "a\nb\n", ended: false });
  });

  test("stops", () => {
    const output = open(1);
    desk.answer(wanted(1), 1, 0);
    desk.answer(wanted(1, false), 1, 1);
    output.take("stdout", Buffer.from("a\n"));
    expect(got(1)).toEqual({ text: "", ended: true });
  });

  test("is told when there is none, and when too many read", () => {
    desk.answer(wanted(0), null, 0);
    desk.answer(wanted(1), 7, 0);
    expect(got(0)).toEqual({ text: "no output of it is kept\n", ended: true });
    expect(got(1)).toEqual({ text: "no output of it is kept\n", ended: true });
    open(1);
    for (let i = 0; i <= LOG_FOLLOWERS_MAX; i += 1) desk.answer(wanted(10 + i), 1, 0);
    expect(got(10).ended).toBe(false);
    expect(got(10 + LOG_FOLLOWERS_MAX).ended).toBe(true);
  });
});

test("who is slower than the output gets a bounded part a tick, and hears what is lost", () => {
  const output = open(1);
  desk.answer(wanted(1), 1, 0);
  const line = `${"x".repeat(1_023)}\n`;
  const lines = (4 * LOG_BYTES_PER_TICK) / line.length;
  for (let i = 0; i < lines; i += 1) output.take("stdout", Buffer.from(line));
  expect(got(1).text.length).toBeLessThanOrEqual(LOG_BYTES_PER_TICK + 64 * 1024);
  desk.tick(1);
  desk.tick(2);
  desk.tick(3);
  const { text } = got(1);
  const lost = [...text.matchAll(/\[(\d+) bytes of output were lost\]\n/g)];
  expect(lost.length).toBeGreaterThan(0);
  const gaps = lost.reduce((sum, [, bytes = "0"]) => sum + Number(bytes), 0);
  const notes = lost.reduce((sum, [note]) => sum + note.length, 0);
  expect(text.length - notes + gaps).toBe(4 * LOG_BYTES_PER_TICK);
});

test("the output of the last executors that ended can be read; older ones leave no file", () => {
  for (let key = 0; key <= LOGS_KEPT_MAX; key += 1) {
    const output = open(key);
    output.take("stdout", Buffer.from(`of ${key}\n`));
    output.close();
    desk.retire(key);
  }
  desk.answer(wanted(1), 0, 0);
  desk.answer(wanted(2), 1, 0);
  expect(got(1).text).toBe("no output of it is kept\n");
  expect(got(2)).toEqual({ text: "of 1\n", ended: true });
  expect(readdirSync(folder)).toHaveLength(LOGS_KEPT_MAX);
});
