/** Objects' ways between machines, as an asker has them. */
export { TransferConnection, type Fill } from "./connection.ts";
export { connectSecure, type Door, keyOf, secureServer } from "./secure.ts";
export { type AskOptions, NodeAsks } from "./asks.ts";
export * from "./messages.ts";
