/**
 * The short form of the suite of faults: a few of them, each at the moment that a fixed seed gives,
 * on a smaller job. `npm run test:fault` is the long form; kills of head, nats-server, driver and
 * supervisor at chosen moments stand in phase1.test.ts.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, newPlace } from "../e2e/support.ts";
import { FAULTS } from "./suite/faults.ts";
import { type Job, prepareJob } from "./suite/job.ts";
import { runStruck } from "./suite/one-run.ts";

const SEED = 20_261_123;

let job: Job;
beforeAll(async () => {
  job = await prepareJob(await newPlace(), "plain", {}, true);
}, 120_000);
afterAll(() => cleanUp());

test.each([
  "executor killed",
  "worker killed",
  "command killed",
  "head killed, another stands by",
  "a log segment cut",
])("%s: every read once, the same bytes, nothing left", async (name) => {
  const fault = FAULTS.find((one) => one.name === name);
  if (fault === undefined) throw new Error(`no fault ${name}`);
  const { lost, doubled, wrong, seed } = await runStruck(fault, job, SEED);
  expect({ lost, doubled, wrong }, `seed ${seed}`).toEqual({ lost: 0, doubled: 0, wrong: [] });
});
