/**
 * Whatever a carrier does to frames and whenever an end resets, a link brings a beginning of what
 * was sent, once and in order, and tells each end of its end once. Over seeds, in virtual time.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import type { Link } from "../../../runtime/link/link.ts";
import { LINK_SILENCE_MS } from "../../../runtime/limits.ts";
import { type End, openLink, type Recorder, simulatedWorld } from "./world.ts";

const share = fc.constantFrom(0, 0.05, 0.3);
const faults = fc.record({
  drop: share,
  duplicate: share,
  reorder: share,
  delayMs: fc.constantFrom(0, 1, 30),
});

/** One thing that happens; `side` says at which end. */
const step = fc.record({
  side: fc.constantFrom<"a" | "b">("a", "b"),
  act: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ send: fc.nat(40), bytes: fc.constantFrom(1, 300, 60_000) }),
    },
    { weight: 2, arbitrary: fc.record({ control: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ passMs: fc.nat(300) }) },
    { weight: 2, arbitrary: fc.record({ faults }) },
    { weight: 1, arbitrary: fc.constant("flush" as const) },
  ),
});

/** What one direction was given, and where it arrives. */
class Direction {
  sent = 0;
  control = 0;

  send(link: Link, n: number, bytes: number): void {
    for (let i = 0; i < n && link.isOpen && !link.stalled; i++) {
      link.send(["data", this.sent++, new Uint8Array(bytes)]);
    }
  }

  sendControl(link: Link, n: number): void {
    for (let i = 0; i < n && link.isOpen; i++) link.sendControl(["control", this.control++]);
  }

  /** How much of each kind arrived: a beginning of it, or the property doesn't hold. */
  arrived(seen: Recorder | undefined): { readonly data: number; readonly control: number } {
    const of = (kind: string): number => {
      const numbers = ((seen?.items as unknown[][] | undefined) ?? [])
        .filter(([name]) => name === kind)
        .map(([, number]) => number);
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i));
      return numbers.length;
    };
    return { data: of("data"), control: of("control") };
  }
}

interface Run {
  readonly world: ReturnType<typeof simulatedWorld>;
  readonly links: { readonly a: Link; b: Link | undefined };
  readonly seen: { readonly a: Recorder; b: Recorder | undefined };
  readonly directions: { readonly a: Direction; readonly b: Direction };
}

function newRun(seed: number): Run {
  const world = simulatedWorld({ seed });
  const { link, seen } = openLink(world.a, world.b);
  const directions = { a: new Direction(), b: new Direction() };
  return { world, links: { a: link, b: undefined }, seen: { a: seen, b: undefined }, directions };
}

function perform(run: Run, side: "a" | "b", act: unknown): void {
  const { world, links, seen, directions } = run;
  const accepted: End["accepted"][number] | undefined = world.b.accepted[0];
  links.b ??= accepted?.link;
  seen.b ??= accepted?.seen;
  const link = links[side];
  const what = act as {
    readonly send?: number;
    readonly bytes: number;
    readonly control?: number;
    readonly passMs?: number;
    readonly faults?: object;
  };
  if (what.passMs !== undefined) world.clock.advance(what.passMs);
  else if (what.faults !== undefined) Object.assign(world[side].faults, what.faults);
  else if (link === undefined || !link.isOpen) return;
  else if (what.send !== undefined) directions[side].send(link, what.send, what.bytes);
  else if (what.control !== undefined) directions[side].sendControl(link, what.control);
  else link.flush();
}

function heal({ world }: Run): void {
  for (const end of [world.a, world.b]) {
    Object.assign(end.faults, { drop: 0, duplicate: 0, reorder: 0, delayMs: 0 });
  }
}

describe("whatever happens to frames", () => {
  it("all items arrive once and in order when the carrier behaves again", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 60, size: "max" }), (seed, steps) => {
        const run = newRun(seed);
        for (const { side, act } of steps) perform(run, side, act);
        heal(run);
        run.world.clock.advance(20_000);
        perform(run, "a", "flush");
        const { directions, seen, links, world } = run;
        for (const [from, to] of [
          ["a", "b"],
          ["b", "a"],
        ] as const) {
          const { sent, control } = directions[from];
          expect(directions[from].arrived(seen[to])).toEqual({ data: sent, control });
        }
        expect(world.b.accepted.length).toBeLessThanOrEqual(1);
        expect([...seen.a.resets, ...(seen.b?.resets ?? [])]).toEqual([]);
        expect([links.a.isIdle, links.b?.isIdle ?? true, world.clock.pending]).toEqual([
          true,
          true,
          0,
        ]);
      }),
      { numRuns: 120 },
    );
  });

  it("a reset is told once to each end, and nothing unsent ever arrived", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(step, { maxLength: 40, size: "max" }),
        fc.constantFrom<"a" | "b">("a", "b"),
        fc.array(step, { maxLength: 10 }),
        (seed, before, resetter, after) => {
          const run = newRun(seed);
          for (const { side, act } of before) perform(run, side, act);
          const { links, seen, world, directions } = run;
          const ends = [links.a, links.b].filter((link) => link !== undefined);
          for (const link of ends) link.keepAlive(true);
          links[resetter]?.reset(new SystemError("CANCELLED", "enough"));
          for (const { side, act } of after) perform(run, side, act);
          heal(run);
          world.clock.advance(2 * LINK_SILENCE_MS);
          perform(run, "a", { passMs: 0 });
          const isReset = links[resetter] !== undefined && !links[resetter].isOpen;
          for (const side of ["a", "b"] as const) {
            const told = seen[side];
            if (told === undefined) continue;
            if (isReset && ends.includes(links[side] as Link)) expect(told.resets).toHaveLength(1);
            expect(told.resets.length).toBeLessThanOrEqual(1);
            const unsent = told.resets[0]?.unsent ?? 0;
            const arrived = directions[side].arrived(seen[side === "a" ? "b" : "a"]);
            expect(arrived.data).toBeLessThanOrEqual(directions[side].sent - unsent);
          }
          expect(world.b.accepted.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 120 },
    );
  });
});
