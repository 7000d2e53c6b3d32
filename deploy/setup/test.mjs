/** `npm test`: the checks and every test; the last line is `N passed, N failed[, N skipped]`. */
import { CHECKS, REAL, runStages, UNIT } from "./stages.mjs";

process.exitCode = await runStages([...CHECKS, UNIT, REAL]);
