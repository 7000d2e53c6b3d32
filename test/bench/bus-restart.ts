/**
 * SIGKILL of nats-server, which its supervisor starts again, until an actor that was asked for at
 * that moment lives.
 */
import { type Bench, spreadOf } from "./bench.ts";
import { loseParts } from "./paced/lost-part.ts";

const KILLS_EACH = 2;

export const busRestartBench: Bench = {
  name: "bus-restart",
  run: async (runs) =>
    spreadOf("bus-restart", await loseParts("bus-restart", "nats", runs * KILLS_EACH)),
};
