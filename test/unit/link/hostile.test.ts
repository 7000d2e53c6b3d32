/**
 * Whatever bytes come by a carrier, a table refuses them by a typed error and counts them, or takes
 * them; it never crashes, never grows without bound, and links of other carriers don't notice.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { bareFrame, FRAME_FLAGS_KNOWN, LANE_DATA } from "../../../runtime/frame/prefix.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { newProcessId } from "../../../runtime/ids.ts";
import type { Carrier } from "../../../runtime/link/carrier.ts";
import { LinkTable } from "../../../runtime/link/table.ts";
import { anyValue } from "../frame/fixtures.ts";
import { openLink, Recorder, simulatedWorld } from "./world.ts";
import { VirtualClock } from "./virtual-clock.ts";

const SELF = newProcessId();
const OTHER = newProcessId();

function quietCarrier(): Carrier & { frames: number } {
  const carrier = {
    kind: "simulated" as const,
    bufferedBytes: 0,
    frames: 0,
    close: () => {},
    send: () => void carrier.frames++,
  };
  return carrier;
}

/** A table with a link of each side to OTHER, and `feed`, which counts what is refused. */
function target() {
  const clock = new VirtualClock();
  const table = new LinkTable({ self: SELF, clock, accept: () => new Recorder() });
  const carrier = quietCarrier();
  const link = table.open(OTHER, carrier, new Recorder());
  link.send("x");
  link.flush();
  let refused = 0;
  const feed = (frame: Uint8Array): void => {
    try {
      table.take(frame, carrier);
    } catch (thrown) {
      if (!(thrown instanceof SystemError) || !thrown.code.startsWith("FRAME_")) throw thrown;
      refused++;
    }
    expect(table.counters.refused).toBe(refused);
  };
  return { table, clock, carrier, feed };
}

const prefix = fc.record({
  lane: fc.constantFrom<0 | 1>(0, LANE_DATA),
  flags: fc.oneof(fc.constant(0), fc.nat(FRAME_FLAGS_KNOWN)),
  destination: fc.constant(SELF),
  source: fc.constant(OTHER),
  link: fc.nat(3),
  sequence: fc.oneof(fc.nat(5), fc.nat(2 ** 32 - 1)),
  ack: fc.oneof(fc.nat(3), fc.nat(2 ** 32 - 1)),
});
const value = fc.oneof(fc.constant(undefined), fc.constant(["x"]), anyValue);

describe("a table of links", () => {
  it("takes or refuses any frame with any prefix, and answers each with a few at most", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(prefix, value), { maxLength: 40, size: "max" }), (frames) => {
        const { table, clock, carrier, feed } = target();
        for (const [fields, body] of frames) {
          const before = carrier.frames;
          feed(body === undefined ? bareFrame(fields) : encodeFrame(fields, body));
          clock.advance(1);
          expect(carrier.frames - before).toBeLessThan(8);
        }
        expect(table.size).toBeLessThan(20);
        clock.advance(60_000);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses any bytes, cut and flipped frames, typed and counted", () => {
    const flips = fc.array(fc.nat(), { maxLength: 4 });
    fc.assert(
      fc.property(
        prefix,
        value,
        flips,
        fc.nat(),
        fc.uint8Array(),
        (fields, body, bits, cut, noise) => {
          const { feed } = target();
          const frame = body === undefined ? bareFrame(fields) : encodeFrame(fields, body);
          const flipped = Uint8Array.from(frame);
          for (const bit of bits) {
            const at = (bit >>> 3) % flipped.length;
            flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
          }
          feed(flipped);
          feed(frame.subarray(0, cut % frame.length));
          feed(noise);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("answers no frame with a storm: two tables that share no link fall silent", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(prefix, value), { maxLength: 10 }), (frames) => {
        const world = simulatedWorld();
        for (const [fields, body] of frames) {
          const ends = { destination: world.b.process, source: world.a.process };
          const all = { ...fields, ...ends };
          try {
            const frame = body === undefined ? bareFrame(all) : encodeFrame(all, body);
            world.b.table.take(frame, world.b.carrier);
          } catch (thrown) {
            if (!(thrown instanceof SystemError)) throw thrown;
          }
        }
        world.clock.advance(60_000);
        expect(world.clock.pending).toBe(0);
        expect(world.a.traffic.frames + world.b.traffic.frames).toBeLessThan(2_000);
      }),
      { numRuns: 200 },
    );
  });

  it("keeps the links of one carrier apart from what comes by another", async () => {
    const world = simulatedWorld();
    const { link, seen } = openLink(world.a, world.b);
    link.send(1);
    await world.until("it is accepted", () => world.b.accepted.length === 1);
    const far = world.b.accepted[0];
    const other = quietCarrier();
    const ends = { destination: world.b.process, source: world.a.process };
    fc.assert(
      fc.property(prefix, value, (fields, body) => {
        const all = { ...fields, ...ends, link: link.id };
        try {
          const frame = body === undefined ? bareFrame(all) : encodeFrame(all, body);
          world.b.table.take(frame, other);
        } catch (thrown) {
          if (!(thrown instanceof SystemError)) throw thrown;
        }
      }),
      { numRuns: 300 },
    );
    link.send(2);
    world.clock.advance(1_000);
    expect([far?.seen.items, far?.seen.resets, seen.resets]).toEqual([[1, 2], [], []]);
  });
});
