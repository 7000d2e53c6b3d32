/**
 * The port to a worker's executors, as its agent sees it: over processes here, the simulator's in
 * tests.
 */
import type { Channel, SocketServer } from "../runtime/bus/socket.ts";
import { listenSocket } from "../runtime/bus/socket.ts";
import { Crew, type CrewPorts } from "./crew.ts";

/** What an agent uses of its crew; see `Crew`. */
export interface CrewPort
  extends Pick<
    Crew,
    | "start"
    | "startThreads"
    | "order"
    | "kill"
    | "send"
    | "processOf"
    | "begunOf"
    | "isRunning"
    | "placeOf"
    | "measure"
    | "watchMemory"
    | "stop"
  > {
  /** Executors that are started from now on find their agent. */
  open(): Promise<void>;
}

/** Executors that are child processes and come to the agent's socket. */
export class ProcessCrew extends Crew implements CrewPort {
  #server: SocketServer | undefined;

  async open(): Promise<void> {
    this.#server = await listenSocket(this.socket, {
      token: this.token,
      onConnection: (channel: Channel) => this.admit(channel),
    });
  }

  override stop(): void {
    super.stop();
    void this.#server?.close();
  }
}

/** The crew of an agent's own process. */
export function processCrew(ports: CrewPorts): CrewPort {
  return new ProcessCrew(ports);
}
