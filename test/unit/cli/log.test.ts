/** `ligase log check`, on logs that were recorded once and on damaged ones. */
import { mkdtemp, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { logCheckCommand } from "../../../head/cli/state/log.ts";
import { recordedState } from "../../replay/recorded.ts";

/** What it prints, and its exit code. */
async function check(flags: { state: string; json?: boolean }) {
  let text = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    return { code: await logCheckCommand(flags), text };
  } finally {
    write.mockRestore();
  }
}

test("says what stands, and that a head can go on", async () => {
  const { code, text } = await check({ state: await recordedState("kinds") });
  expect(code).toBe(0);
  expect(text).toMatch(/segments {3}1 to 8: 8 of 8/);
  expect(text).toMatch(/snapshot {3}5: of 20/);
  expect(text).toMatch(/A head can go on from it/);
});

test("says what is missing, why no head can go on, and what to do", async () => {
  const state = await recordedState("kinds");
  await unlink(join(state, "log", "000000000007"));
  const { code, text } = await check({ state });
  expect(code).toBe(4);
  expect(text).toMatch(/flaw .*000000000007: it is missing/);
  expect(text).toMatch(/No head can go on: LOG_CORRUPT: .*segment 7.*restore it from a copy/);
});

test("says it as one line of JSON", async () => {
  const { code, text } = await check({ state: await recordedState("kinds"), json: true });
  const said = JSON.parse(text) as { readonly state: object; readonly error: unknown };
  expect([code, text.trimEnd().split("\n").length]).toEqual([0, 1]);
  expect(said).toMatchObject({ error: null, flaws: [], state: { base: 5, tail: 8 } });
});

test("is an error where no log stands", async () => {
  const nothing = await mkdtemp(join(tmpdir(), "lgc-"));
  onTestFinished(() => rm(nothing, { recursive: true, force: true }));
  await expect(check({ state: nothing })).rejects.toMatchObject({ code: "JOB_NOT_FOUND" });
});
