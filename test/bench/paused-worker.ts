/** SIGSTOP of a machine's agent and executors: until its shard begins on another machine. */
import type { Bench } from "./bench.ts";
import { lostWorkerBench } from "./paced/lost-worker.ts";

const PAUSES_EACH = 1;

export const pausedWorkerBench: Bench = lostWorkerBench("paused-worker", "SIGSTOP", PAUSES_EACH);
