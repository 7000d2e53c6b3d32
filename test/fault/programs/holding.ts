/**
 * A client that has objects, for tests that kill it: connects, puts some, has an actor map one, and
 * prints what it has as a line of JSON; then it stays.
 */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../../runtime/index.ts";
import { Holder } from "../../e2e/programs/objects.ts";

const STAY_MS = 120_000;
const program = new URL("../../e2e/programs/objects.ts", import.meta.url);
const cluster = await connect({ program, executors: 1 });
const holder = await cluster.spawn(Holder, []);
const refs = [];
for (let i = 0; i < 24; i += 1) refs.push(await cluster.put(new Float64Array(100_000).fill(i)));
const [ref] = refs;
if (ref !== undefined) await holder.keep({ ref });
await holder.put(100_000, 1);
process.stdout.write(`${JSON.stringify({ job: ref?.job })}\n`);
await delay(STAY_MS);
