/** The behaviour of the two cores as text: test/scenario/head and test/scenario/worker. */
import { describe } from "vitest";
import { headInterpreter } from "./head.ts";
import { testScenarios } from "./runner.ts";
import { workerInterpreter } from "./worker.ts";

describe("the head", () => {
  testScenarios(new URL("./head/", import.meta.url), headInterpreter);
});

describe("a worker", () => {
  testScenarios(new URL("./worker/", import.meta.url), workerInterpreter);
});
