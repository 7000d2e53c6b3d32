/** Lines about refused frames are few, however many are refused; the number is right. */
import { expect, test } from "vitest";
import { REFUSAL_LINES_MAX } from "../../runtime/limits.ts";
import { RefusalLog } from "../../runtime/refusals.ts";

test("says the first few of a second, and later how many it left out", () => {
  const lines: string[] = [];
  let now = 0;
  const log = new RefusalLog({ write: (line) => lines.push(line), now: () => now });
  for (let i = 0; i < 1_000; i++) log.note(`frame ${i}`);
  expect(lines).toHaveLength(REFUSAL_LINES_MAX);
  expect(lines[0]).toBe("refused frame 0\n");
  now = 999;
  log.note("still too soon");
  expect(lines).toHaveLength(REFUSAL_LINES_MAX);
  now = 1_000;
  log.note("later");
  log.note("again");
  const left = 1_001 - REFUSAL_LINES_MAX;
  expect(lines.slice(REFUSAL_LINES_MAX)).toEqual([
    `refused later (and ${left} more before)\n`,
    "refused again\n",
  ]);
  expect(log.count).toBe(1_003);
});
