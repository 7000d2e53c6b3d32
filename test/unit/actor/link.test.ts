/** Calls over one carrier: what a caller hears when it ends, and when too many calls wait. */
import { describe, expect, test } from "vitest";
import { ActorHost, type ReplyItem } from "../../../runtime/actor/host.ts";
import { ActorLink } from "../../../runtime/actor/link.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import { CALLS_PENDING_MAX, FRAME_BYTES_MAX, MAILBOX_MAX } from "../../../runtime/limits.ts";

const [SELF, OTHER] = ["a".repeat(16) as ProcessId, "b".repeat(16) as ProcessId];
const GONE = new SystemError("ACTOR_DIED", "gone");

function newLink() {
  const frames: Uint8Array[] = [];
  const link = new ActorLink(SELF, OTHER, (frame) => void frames.push(frame));
  const codeOf = (args: unknown[] = []): Promise<unknown> =>
    link.call("x", "go", args).then(
      () => "none",
      (error: SystemError) => error.code,
    );
  return { link, frames, codeOf };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("when the carrier ends", () => {
  test("a call that left is OUTCOME_UNKNOWN, one that didn't ACTOR_DIED", async () => {
    const { link, frames, codeOf } = newLink();
    const sent = [codeOf(), codeOf()];
    await turn();
    const unsent = [codeOf(), codeOf()];
    link.close(GONE);
    await turn();
    const later = codeOf();
    expect(await Promise.all([...sent, ...unsent, later])).toEqual([
      ...["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"],
      ...["ACTOR_DIED", "ACTOR_DIED", "ACTOR_DIED"],
    ]);
    expect(frames.map((frame) => (decodeFrame(frame).value as unknown[]).length)).toEqual([2]);
  });

  test("a call that was refused at once isn't counted among those that wait", async () => {
    const { link, codeOf } = newLink();
    const sent = codeOf();
    await turn();
    const large = codeOf([new Uint8Array(FRAME_BYTES_MAX)]);
    const unsent = codeOf();
    link.close(GONE);
    expect(await Promise.all([sent, large, unsent])).toEqual([
      ...["OUTCOME_UNKNOWN", "FRAME_TOO_LARGE", "ACTOR_DIED"],
    ]);
  });
});

describe("too many calls", () => {
  test("are refused by the link as OVERLOADED: the actor lives", async () => {
    const { link, codeOf } = newLink();
    const waiting = Array.from({ length: CALLS_PENDING_MAX }, () => codeOf());
    expect(await codeOf()).toBe("OVERLOADED");
    link.close(GONE);
    await Promise.all(waiting);
  });

  test("are refused by the mailbox, and the others are answered in order", async () => {
    const host = new ActorHost();
    const gate = Promise.withResolvers<unknown>();
    class Slow {
      go(): Promise<unknown> {
        return gate.promise;
      }
    }
    host.create("x", { kind: "actor", name: "x", class: Slow }, []);
    const replies: ReplyItem[] = [];
    const call = (id: number) => ({ kind: "call", id, actorId: "x", method: "go", args: [] });
    // One is under way and doesn't wait any more.
    for (let id = 0; id < MAILBOX_MAX + 2; id += 1) {
      host.take([call(id)], (item) => void replies.push(item));
    }
    expect(replies).toMatchObject([{ id: MAILBOX_MAX + 1, error: { code: "OVERLOADED" } }]);
    gate.resolve(1);
    await turn();
    const ids = replies.slice(1).map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: MAILBOX_MAX + 1 }, (_, id) => id));
  });
});
