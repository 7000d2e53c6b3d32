/**
 * A client in a process of its own, to be killed: owns an actor, says so, and stays. Arguments: its
 * connection in JSON, the journal.
 */
import type { Connection } from "../../../runtime/bus/key.ts";
import { importProgram } from "../../../runtime/actor/registry.ts";
import { joinAsClient, programAt } from "../../../runtime/client/connect.ts";
import { LifeActor } from "./lives.ts";

const [, , connectionText = "", journal = ""] = process.argv;
const program = await programAt(new URL("./lives.ts", import.meta.url));
const loaded = await importProgram(program.url);
const connection = JSON.parse(connectionText) as Connection;
const client = await joinAsClient(connection, program, loaded, async () => {});
const one = await client.spawn(LifeActor, [{ journal }], { name: "of-a-client" });
await one.mark("owned by a client");
process.stdout.write("ready\n");
