/**
 * What the port `Bus` promises, as tests that run on a real nats-server and on the simulator's:
 * through the port alone, but for a server that goes and comes back.
 */
import { describe, expect, test } from "vitest";
import type { Bus, BusState } from "../../runtime/bus/bus.ts";
import {
  beaconSubject,
  commandSubject,
  eventSubject,
  hearing,
  linkSubject,
} from "../../runtime/bus/subjects.ts";
import { FRAME_BYTES_MAX } from "../../runtime/limits.ts";

/** A server with a head and two workers. */
export interface BusWorld {
  readonly cluster: string;
  readonly head: Bus;
  readonly workers: readonly [Bus, Bus];
  /** Waits until it is so. @throws {Error} when it never is. */
  until(what: string, condition: () => boolean): Promise<void>;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
}

const MANY = 500;

/** The suite; `make` is asked once for each test. */
export function busSuite(name: string, make: () => Promise<BusWorld>): void {
  describe(`the bus on ${name}`, () => {
    carries(make);
    ends(make);
  });
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What a bus hears of a subject, as `subject text`. */
function heard(bus: Bus, subject: string): string[] {
  const lines: string[] = [];
  bus.subscribe(subject, (on, bytes) => lines.push(`${on} ${textOf(bytes)}`));
  return lines;
}

function carries(make: () => Promise<BusWorld>): void {
  test("who subscribes hears it, a star is one name, and who speaks doesn't", async () => {
    const { cluster, head, workers, until } = await make();
    const [one, two] = workers;
    const events = heard(head, hearing.events(cluster));
    const commands = heard(one, hearing.commands(cluster, one.identity));
    const others = heard(two, hearing.commands(cluster, two.identity));
    const beacons = [one, two].map((bus) => heard(bus, hearing.beacons(cluster)));
    const own = heard(head, hearing.beacons(cluster));
    await Promise.all([head, one, two].map((bus) => bus.flush()));
    for (const bus of workers) bus.publish(eventSubject(cluster, bus.identity), bytesOf("here"));
    head.publish(commandSubject(cluster, one.identity, head.identity), bytesOf("do"));
    head.publish(beaconSubject(cluster, head.identity), bytesOf("I lead"));
    const wanted = workers.map((bus) => `${eventSubject(cluster, bus.identity)} here`).sort();
    await until("all arrived", () => {
      return events.length === 2 && commands.length === 1 && beacons.every((it) => it.length === 1);
    });
    expect(events.toSorted()).toEqual(wanted);
    expect(commands).toEqual([`${commandSubject(cluster, one.identity, head.identity)} do`]);
    expect([others, own]).toEqual([[], []]);
  });

  test("what one sends arrives in its order, once", async () => {
    const { cluster, head, workers, until } = await make();
    const [one, two] = workers;
    const lines = heard(head, hearing.events(cluster));
    await head.flush();
    for (let n = 0; n < MANY; n += 1) {
      for (const bus of [one, two])
        bus.publish(eventSubject(cluster, bus.identity), bytesOf(`${n}`));
    }
    await until("all arrived", () => lines.length >= 2 * MANY);
    await head.flush();
    for (const bus of [one, two]) {
      const subject = eventSubject(cluster, bus.identity);
      const own = lines.filter((line) => line.startsWith(subject));
      expect(own).toEqual(Array.from({ length: MANY }, (_, n) => `${subject} ${n}`));
    }
  });

  test("nobody heard is nobody told; a knock at nobody is answered", async () => {
    const { cluster, head, workers, until } = await make();
    const [one] = workers;
    const answers = heard(head, hearing.links(cluster, head.identity));
    await head.flush();
    const subject = commandSubject(cluster, one.identity, head.identity);
    head.publish(subject, bytesOf("do"));
    await head.flush();
    expect(answers).toEqual([]);
    const answer = linkSubject(cluster, head.identity, head.identity);
    head.knock?.(subject, answer);
    await until("answered", () => answers.length > 0);
    expect(answers).toEqual([`${answer} `]);
  });

  test("a frame over the bound is refused at its sender", async () => {
    const { cluster, head } = await make();
    const large = new Uint8Array(FRAME_BYTES_MAX + 1);
    const subject = beaconSubject(cluster, head.identity);
    expect(() => head.publish(subject, large)).toThrow(
      expect.objectContaining({ code: "FRAME_TOO_LARGE" }),
    );
  });
}

function ends(make: () => Promise<BusWorld>): void {
  test("what is said while the server is away is dropped and counted, nothing else", async () => {
    const { cluster, head, workers, until, stopServer, startServer } = await make();
    const [one] = workers;
    const lines = heard(head, hearing.events(cluster));
    const states: BusState[] = [];
    one.onState((state) => states.push(state));
    let isBack = false;
    head.onState((state) => (isBack = state === "connected"));
    await head.flush();
    await stopServer();
    await until("noticed", () => states.includes("disconnected"));
    const subject = eventSubject(cluster, one.identity);
    one.publish(subject, bytesOf("lost"));
    expect(one.counters).toEqual({ denied: 0, dropped: 1 });
    await startServer();
    await until("back", () => states.includes("connected") && isBack);
    // The server takes subscriptions of those who are back before what they say then.
    await head.flush();
    one.publish(subject, bytesOf("heard"));
    await until("heard again", () => lines.length > 0);
    expect(lines).toEqual([`${subject} heard`]);
  });

  test("who closed hears and says nothing more", async () => {
    const { cluster, head, workers, until } = await make();
    const [one, two] = workers;
    const closed = heard(one, hearing.beacons(cluster));
    const open = heard(two, hearing.beacons(cluster));
    const states: BusState[] = [];
    one.onState((state) => states.push(state));
    await Promise.all([one.flush(), two.flush()]);
    const events = heard(head, hearing.events(cluster));
    await head.flush();
    one.publish(eventSubject(cluster, one.identity), bytesOf("last"));
    await one.close();
    await until("told", () => states.includes("closed"));
    one.publish(eventSubject(cluster, one.identity), bytesOf("too late"));
    expect(one.counters.dropped).toBe(1);
    head.publish(beaconSubject(cluster, head.identity), bytesOf("I lead"));
    await until("heard by who is there", () => open.length === 1 && events.length === 1);
    expect(closed).toEqual([]);
    expect(events).toEqual([`${eventSubject(cluster, one.identity)} last`]);
  });
}
