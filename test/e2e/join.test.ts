/** A second machine's agent, as `ligase worker --join URL` adds it: jobs run on both. */
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { type OwnCluster, runProgram, startCluster, statusWhen } from "./cluster.ts";
import { nothingLeft, partsOf } from "./processes.ts";
import {
  cleanUp,
  environment,
  errorOf,
  makeInputs,
  newPlace,
  type Place,
  start,
  until,
} from "./support.ts";
