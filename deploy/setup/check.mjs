/** `npm run check`: format, lint, types, tidy test, unit tests, replay test; about a minute. */
import { CHECKS, runStages, UNIT } from "./stages.mjs";

process.exitCode = await runStages([...CHECKS, UNIT]);
