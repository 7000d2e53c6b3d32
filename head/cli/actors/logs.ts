/** `ligase logs ACTOR`: what an actor's executor writes, on the same two streams. */
import { type ReachFlags, withCluster } from "./reach.ts";

export interface LogsFlags extends ReachFlags {
  readonly follow?: boolean;
}

export interface LogsPorts {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Ends a follow. */
  readonly signal: AbortSignal;
}

/** @param name - an actor's name or id. @throws {SystemError} ACTOR_NOT_FOUND. */
export async function logsCommand(name: string, flags: LogsFlags, ports: LogsPorts): Promise<void> {
  const { out, err, signal } = ports;
  await withCluster(flags, async (cluster) => {
    const { view } = await cluster.explain(name);
    const texts = cluster.logs(view.actorId, { follow: flags.follow === true, signal });
    for await (const { stream, text } of texts) (stream === "stdout" ? out : err)(text);
  });
}
