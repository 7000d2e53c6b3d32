/** SIGKILL of a machine's agent and executors: until its shard begins on another machine. */
import type { Bench } from "./bench.ts";
import { lostWorkerBench } from "./paced/lost-worker.ts";

const KILLS_EACH = 4;

export const killedWorkerBench: Bench = lostWorkerBench("killed-worker", "SIGKILL", KILLS_EACH);
