/**
 * Two projects: `unit` starts no servers and may use every core; `real` starts real servers, Slurm
 * and MPI, two files at a time: they wait more than they compute, and two cores are all a test
 * machine has.
 */
import { defineConfig } from "vitest/config";

const SECOND = 1_000;

export default defineConfig({
  test: {
    pool: "forks",
    teardownTimeout: 10 * SECOND,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/*.test.ts", "test/{unit,scenario,replay}/**/*.test.ts"],
          testTimeout: 20 * SECOND,
          hookTimeout: 20 * SECOND,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "real",
          include: ["test/{integration,parity,fault,e2e,sim}/**/*.test.ts"],
          maxWorkers: 2,
          testTimeout: 120 * SECOND,
          hookTimeout: 60 * SECOND,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
