/** What the suites of kills in phase 1 begin with: reads, and the shards of an undisturbed run. */
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { cleanUp, newPlace, type Place } from "../e2e/support.ts";
import { makeReads, undisturbedShards } from "./support.ts";

/** Holds the reads of all tests of the file. */
let shared: Place;
export let inputs: readonly string[];
export let expected: readonly string[];
/** Of the test that runs. */
export let place: Place;

export function useReads(): void {
  beforeAll(async () => {
    shared = await newPlace();
    inputs = await makeReads(shared);
    expected = await undisturbedShards(shared, inputs);
  }, 240_000);
  beforeEach(async () => {
    place = await newPlace();
  });
  afterEach(() => cleanUp(shared));
  afterAll(() => cleanUp());
}
