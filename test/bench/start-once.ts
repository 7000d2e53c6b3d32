/**
 * One start, in a process of its own: `connect()` with nothing running until the first call of an
 * actor is answered; then, without that actor and at rest, the memory of all that is there. Prints
 * one JSON object.
 */
import { connect } from "../../runtime/index.ts";
import { EchoActor } from "./echo.ts";
import { atRest, descendants, ownPssMb } from "./machine.ts";

const begunMs = performance.now();
await using cluster = await connect({ program: new URL("./echo.ts", import.meta.url) });
const connectedMs = performance.now();
const echo = await cluster.spawn(EchoActor, []);
await echo.nop();
const answeredMs = performance.now();
await atRest();
const withActorMb = descendants().reduce((sum, { pssMb }) => sum + pssMb, 0);
await cluster.kill(echo);
await atRest();
const figures = {
  seconds: (answeredMs - begunMs) / 1_000,
  connectSeconds: (connectedMs - begunMs) / 1_000,
  /** Since this process was started: Node, our modules. */
  processSeconds: answeredMs / 1_000,
  withActorMb,
  clientPssMb: ownPssMb(),
  processes: descendants().map(({ command, pssMb }) => ({ command, pssMb })),
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
