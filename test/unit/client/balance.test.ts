/** Which member of a pool takes the next call. */
import { describe, expect, test } from "vitest";
import { Balance } from "../../../runtime/client/actors/balance.ts";
import { POOL_MEMBER_CALLS_MAX } from "../../../runtime/limits.ts";

const member = (name: string, inFlight = 0, takesCalls = true) => ({ name, inFlight, takesCalls });

describe("the next call goes", () => {
  test("to the member with the fewest under way", () => {
    const balance = new Balance<ReturnType<typeof member>>(10);
    const members = [member("a", 3), member("b", 1), member("c", 2)];
    expect(balance.choose(members)?.name).toBe("b");
  });

  test("in turn among equals", () => {
    const balance = new Balance<ReturnType<typeof member>>(10);
    const members = [member("a"), member("b"), member("c")];
    const chosen = Array.from({ length: 6 }, () => balance.choose(members)?.name);
    expect(chosen).toEqual(["a", "b", "c", "a", "b", "c"]);
  });

  test("to nobody who is full, going or not alive", () => {
    const balance = new Balance<ReturnType<typeof member>>(2);
    expect(balance.choose([member("full", 2), member("gone", 0, false)])).toBeUndefined();
    expect(balance.choose([])).toBeUndefined();
  });
});

describe("a member holds", () => {
  test("what it runs at once, before anything is measured and when calls are long", () => {
    const balance = new Balance(3);
    expect(balance.depth).toBe(3);
    balance.answered(500, 1);
    expect(balance.depth).toBe(3);
  });

  test("20 ms of work when calls are short, at most a frame full", () => {
    const balance = new Balance(1);
    balance.answered(2, 1);
    expect(balance.depth).toBe(10);
    const fast = new Balance(1);
    fast.answered(0.001, 1);
    expect(fast.depth).toBe(POOL_MEMBER_CALLS_MAX);
  });

  test("calls that waited behind others are taken for their share", () => {
    const balance = new Balance(1);
    // Ten calls on one member, the last answered after 10 ms: 1 ms each.
    expect(balance.answered(10, 10)).toBe(1);
    expect(balance.depth).toBe(20);
  });
});
