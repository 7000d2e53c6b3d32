/**
 * Three projects: `unit` starts no servers and may use every core; `real` starts real servers,
 * Slurm and MPI, two files at a time: they wait more than they compute, and two cores are all a
 * test machine has. A real test that fails is tried once more, and that is printed: a machine that
 * stalls for seconds fails it otherwise. `sim` isn't: its fresh seeds never come again.
 */
import { defineConfig } from "vitest/config";

const SECOND = 1_000;

const REAL = {
  maxWorkers: 2,
  testTimeout: 120 * SECOND,
  hookTimeout: 60 * SECOND,
  sequence: { groupOrder: 1 },
};

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
          include: ["test/{integration,parity,fault,e2e}/**/*.test.ts"],
          retry: 1,
          ...REAL,
        },
      },
      { extends: true, test: { name: "sim", include: ["test/sim/**/*.test.ts"], ...REAL } },
    ],
  },
});
