/** Links that others open are bounded: what goes, what is refused, and who is told. */
import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { FLAG_RESET, LANE_DATA, readPrefix } from "../../../runtime/frame/prefix.ts";
import { newProcessId, type ProcessId } from "../../../runtime/ids.ts";
import { LINKS_PER_PEER_MAX, PEERS_MAX } from "../../../runtime/limits.ts";
import type { Carrier } from "../../../runtime/link/carrier.ts";
import { LinkTable } from "../../../runtime/link/table.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { Recorder } from "./world.ts";

describe("links that others open", () => {
  /** A table, and `open(process, link)`, which sends it the first frame of a link. */
  function host(keep = false) {
    const clock = new VirtualClock();
    const self = newProcessId();
    const answers: number[] = [];
    const seen: Recorder[] = [];
    const table = new LinkTable({
      self,
      clock,
      accept: (link) => {
        if (keep) link.keepAlive(true);
        seen.push(new Recorder());
        return seen.at(-1) as Recorder;
      },
    });
    const send = (frame: Uint8Array): void => void answers.push(readPrefix(frame).flags);
    const carrier: Carrier = { kind: "simulated", bufferedBytes: 0, close: () => {}, send };
    const open = (source: ProcessId, link: number): void => {
      const fields = { lane: LANE_DATA, flags: 0, destination: self, source, link } as const;
      table.take(encodeFrame({ ...fields, sequence: 1, ack: 0 }, ["x"]), carrier);
      clock.advance(1);
    };
    const resets = () => answers.filter((flags) => (flags & FLAG_RESET) !== 0).length;
    return { table, open, resets, seen };
  }

  it("are bounded: the longest quiet one goes for a new one, and is told", () => {
    const { table, open, resets, seen } = host();
    for (let i = 0; i < PEERS_MAX; i++) open(newProcessId(), 1);
    expect([table.size, resets()]).toEqual([PEERS_MAX, 0]);
    open(newProcessId(), 1);
    expect([table.size, resets()]).toEqual([PEERS_MAX, 1]);
    expect(seen.map(({ resets: told }) => told.length).indexOf(1)).toBe(0);
    expect(seen.at(-1)?.items).toEqual(["x"]);
  });

  it("are refused when none is quiet", () => {
    const { table, open, resets, seen } = host(true);
    for (let i = 0; i <= PEERS_MAX; i++) open(newProcessId(), 1);
    expect([table.size, seen.length, resets()]).toEqual([PEERS_MAX, PEERS_MAX, 1]);
  });

  it("are few from one process", () => {
    const { table, open, resets } = host();
    const greedy = newProcessId();
    for (let i = 1; i <= LINKS_PER_PEER_MAX + 5; i++) open(greedy, i);
    expect(table.size).toBe(LINKS_PER_PEER_MAX);
    expect(resets()).toBe(5);
    open(newProcessId(), 1);
    expect(table.size).toBe(LINKS_PER_PEER_MAX + 1);
  });
});
