/** The conformance suite over real sockets, a real nats-server, and an agent's post between. */
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { keepNatsServer } from "../../../head/cluster/nats-server.ts";
import { Keyring } from "../../../head/cluster/keys.ts";
import type { Bus, BusState } from "../../../runtime/bus/bus.ts";
import { conformance } from "../../unit/link/conformance.ts";
import { openLink } from "../../unit/link/world.ts";
import { busOf, CLUSTER, cleanUp, onEnd, temporaryFolder } from "../cluster/support.ts";
import { agentWorld, natsWorld, socketWorld } from "./worlds.ts";

afterEach(cleanUp);

conformance("a Unix socket", socketWorld);
conformance("NATS", () => natsWorld());
conformance("NATS and an agent", agentWorld);

describe("a link over a nats-server that is killed and comes back", () => {
  it("loses nothing, repeats nothing and isn't reset", async () => {
    const folder = await temporaryFolder();
    const keyring = new Keyring({ cluster: CLUSTER, folder });
    const keys = [await keyring.mint("client"), await keyring.mint("client")] as const;
    const options = { cluster: CLUSTER, folder, logPath: join(folder, "nats.log") };
    const failures: unknown[] = [];
    const server = await keepNatsServer(options, {
      log: () => undefined,
      onFailed: (error) => failures.push(error),
    });
    onEnd(() => server.stop());
    const states: BusState[] = [];
    const world = await natsWorld(async () => {
      const buses: [Bus, Bus] = [
        await busOf(server.url, keys[0]),
        await busOf(server.url, keys[1]),
      ];
      buses[0].onState((state) => states.push(state));
      return buses;
    });
    const { link, seen } = openLink(world.a, world.b);
    link.send([0]);
    await world.until("the link is accepted", () => world.b.accepted.length > 0);
    const far = world.b.accepted[0];
    if (far === undefined) throw new Error("not accepted");
    let [sent, answered] = [1, 0];
    /** Goes on sending both ways until a condition holds. */
    const streamUntil = (what: string, condition: () => boolean): Promise<void> =>
      world.until(what, () => {
        for (let i = 0; i < 20; i++) link.send([sent++, "x".repeat(100)]);
        for (let i = 0; i < 20; i++) far.link.send([answered++]);
        return condition();
      });
    await streamUntil("some of it", () => far.seen.items.length > 200);
    for (let kills = 1; kills <= 2; kills++) {
      process.kill(server.pid, "SIGKILL");
      const half = kills * 2;
      await streamUntil("the bus is lost and back", () => states.length === half);
      const before = far.seen.items.length;
      await streamUntil("more of it", () => far.seen.items.length > before + 200);
    }
    const all = () => far.seen.items.length === sent && seen.items.length === answered;
    await world.until("all of it", all);
    const numbers = (items: readonly unknown[]) => items.map((item) => (item as unknown[])[0]);
    expect(numbers(far.seen.items)).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(numbers(seen.items)).toEqual(Array.from({ length: answered }, (_, i) => i));
    expect([...seen.resets, ...far.seen.resets, ...failures]).toEqual([]);
    expect(world.a.table.counters.resent + world.b.table.counters.resent).toBeGreaterThan(0);
  });
});
