/**
 * `npm run sim`: runs seeds, prints those that break a promise. What it runs is loaded behind the
 * hooks that stand in for slow parts, or that switch a guard off.
 */
import { guardEdits } from "./guards.ts";
import { installHooks } from "./hooks.ts";
import { parseOptions } from "./options.ts";

const options = parseOptions(process.argv.slice(2));
installHooks(guardEdits(options.guard));
const { runCommand } = await import("./command.ts");
runCommand(options);
