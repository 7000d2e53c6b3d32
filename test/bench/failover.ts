/**
 * SIGKILL of the head until an actor that was asked for at that moment lives: by a standby head,
 * which waits for a second of silence; and by the same head, which its supervisor starts again. The
 * request itself is lost with the head: a client says it again after a second.
 */
import { type Bench, spreadOf } from "./bench.ts";
import { loseParts } from "./paced/lost-part.ts";

const KILLS_EACH = 2;

export const failoverBench: Bench = {
  name: "failover",
  run: async (runs) => {
    const kills = runs * KILLS_EACH;
    const standby = spreadOf("failover", await loseParts("with a standby", "head", kills, 1));
    const restarted = spreadOf("restarted", await loseParts("restarted", "head", kills));
    const also = {
      ...standby.also,
      "started again, p50, ms": restarted.ours,
      "started again, slowest, ms": Math.max(...restarted.runs),
    };
    return { ...standby, also };
  },
};
