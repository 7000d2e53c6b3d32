/** The program of the benches of actors: calls that do nothing, and calls that never end. */
import { actor } from "ligase";

class Echo {
  nop(): number {
    return 0;
  }

  pid(): number {
    return process.pid;
  }

  /** Never answers in the process `pid`, at once in any other. */
  async unless(pid: number): Promise<number> {
    if (process.pid === pid) await new Promise(() => undefined);
    return process.pid;
  }
}

export const EchoActor = actor("echo", Echo);
