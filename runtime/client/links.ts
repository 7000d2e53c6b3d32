/**
 * The ways of one process to the actors it calls. Each actor has a route: the life of it that calls
 * go to, over a link to that life's process; actors of one process share the link. By Unix socket
 * on one machine, else through agents and the bus.
 *
 * Invariants: a link opens at the first call; a lost one is opened again when calls wait or come:
 * to the same life while that goes on, else to the next one, else the actor is dead. Only finding
 * out where a life is needs a head.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ActorCaller, type CallerLink } from "../actor/caller.ts";
import type { CallTarget } from "../actor/handle.ts";
import { connectSocket } from "../bus/socket.ts";
import { ERRORS, errorFromData, SystemError, toSystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";
import {
  CALLS_PENDING_MAX,
  ROUTE_FINAL_MS,
  ROUTE_RETRY_MS,
  ROUTE_RETRY_MS_MAX,
  ROUTE_SOCKET_TRIES,
  SOCKET_CONNECT_MS,
} from "../limits.ts";
import { type Carrier, socketCarrier } from "../link/carrier.ts";
import type { LinkTable } from "../link/table.ts";
import { type ActorAddress, type ActorView, actorView, parseMessage } from "../messages.ts";
import type { HeadClient } from "./head-client.ts";

export type CarrierChoice = "auto" | "nats";

export interface LinkPorts {
  /** This machine: sockets of the same one are opened directly. */
  readonly host: string;
  /** This process's links; it gives every frame of theirs that comes over the bus to it. */
  readonly table: Pick<LinkTable, "open" | "take" | "carrierClosed">;
  readonly head: Pick<HeadClient, "request">;
  /**
   * Makes the way through agents to a process known, and gives what carries frames to it: the same
   * carrier by which frames of that process come to the table.
   */
  readonly remote: (address: ActorAddress) => Carrier;
}

export interface RouteOptions {
  readonly carrier?: CarrierChoice | undefined;
  readonly maxPendingCalls?: number | undefined;
}

interface Connection {
  readonly key: string;
  /** At the other end. */
  readonly process: string;
  readonly carrier: Carrier;
  readonly routes: Set<Route>;
  link: CallerLink | undefined;
}

interface Route {
  readonly actorId: string;
  readonly carrier: CarrierChoice;
  readonly target: CallTarget;
  /** Calls go to this life or a later one. */
  incarnation: number;
  /** Where that life answers, unless a head must say. */
  address: ActorAddress | null;
  /** Whether a life after this one may come. */
  mayRestart: boolean;
  /** Times that the socket of this life wasn't there. */
  socketTries: number;
  /** Why the last link was lost. */
  loss: SystemError | undefined;
  state: "idle" | "seeking" | "open" | "over";
  connection: Connection | undefined;
}

export class Links {
  readonly #ports: LinkPorts;
  readonly #caller: ActorCaller;
  readonly #routes = new Map<string, Route>();
  readonly #connections = new Map<string, Promise<Connection>>();
  /** Processes of this machine that a socket was open to, until one was seen to be gone. */
  readonly #pids = new Map<string, number>();
  readonly #closing = new AbortController();

  constructor(ports: LinkPorts) {
    this.#ports = ports;
    this.#caller = new ActorCaller({
      onActorGone: (actorId, error) => this.#gone(actorId, error),
      onWanted: (actorId) => this.#wake(actorId),
    });
  }

  /** What a handle calls: the way to an actor that the head gave. The first options hold. */
  route(view: ActorView, options: RouteOptions = {}): CallTarget {
    const known = this.#routes.get(view.actorId);
    if (known !== undefined) return known.target;
    const { actorId, incarnation, address } = view;
    const maxPendingCalls = options.maxPendingCalls ?? CALLS_PENDING_MAX;
    const route: Route = {
      actorId,
      carrier: options.carrier ?? "auto",
      target: this.#caller.adopt(actorId, { maxPendingCalls }),
      incarnation,
      address,
      mayRestart: view.restarts < view.maxRestarts,
      socketTries: 0,
      loss: undefined,
      state: "idle",
      connection: undefined,
    };
    this.#routes.set(actorId, route);
    if (view.state === "dead") this.#end(route, finalError(view));
    return route.target;
  }

  /** Calls sent and waiting of an actor. */
  pendingOf(actorId: string): number {
    return this.#caller.pendingOf(actorId);
  }

  /** The head ended a life of the actor: calls made from now on aren't sent to it. */
  ended(view: ActorView): void {
    const route = this.#routes.get(view.actorId);
    if (route === undefined || route.state === "over") return;
    if (view.state === "dead") return this.#end(route, finalError(view));
    if (route.state !== "open" || view.incarnation < route.incarnation) return;
    const error = new SystemError("ACTOR_DIED", "this life was ended", { actorId: view.actorId });
    route.connection?.routes.delete(route);
    this.#caller.detach(route.actorId, error);
    this.#next(route, error);
  }

  /** The actor is called no more: its calls must have been answered. */
  forget(actorId: string): void {
    const route = this.#routes.get(actorId);
    if (route === undefined) return;
    route.state = "over";
    route.connection?.routes.delete(route);
    this.#routes.delete(actorId);
    this.#caller.forget(actorId);
  }

  /** Whether a silent process of this machine runs; undefined when that can't be seen. */
  vouch(process: ProcessId): boolean | undefined {
    const pid = this.#pids.get(process);
    return pid === undefined ? undefined : !"TtZX".includes(stateOf(pid) ?? "X");
  }

  /** Fails what is under way; links of others in this process stay. */
  close(error = new SystemError("CANCELLED", "the client closed")): void {
    this.#closing.abort();
    this.#caller.close(error);
    for (const opening of this.#connections.values()) void closeOne(opening, error);
    this.#connections.clear();
  }

  #wake(actorId: string): void {
    const route = this.#routes.get(actorId);
    if (route?.state === "idle") void this.#seek(route);
  }

  /** From no link to one, or to the actor's end. */
  async #seek(route: Route): Promise<void> {
    route.state = "seeking";
    for (let pauseMs = ROUTE_RETRY_MS; this.#isSought(route); ) {
      let { address } = route;
      try {
        address ??= await this.#locate(route);
        if (!this.#isSought(route) || address === null) continue;
        const connection = await this.#connectionTo(address, this.#carrierOf(route));
        if (!this.#isSought(route)) continue;
        if (connection.link === undefined) throw new SystemError("SOCKET_FAILED", "it closed");
        this.#attach(route, connection, connection.link);
      } catch (thrown) {
        const error = toSystemError(thrown);
        if (address !== null && this.#isGone(address.process)) {
          this.#step(route, gone(address.process, error));
          continue;
        }
        if (ERRORS[error.code].retry === "never") return this.#end(route, error);
        if (address !== null) route.socketTries += 1;
        route.address = null;
        await delay(pauseMs);
        pauseMs = Math.min(2 * pauseMs, ROUTE_RETRY_MS_MAX);
      }
    }
  }

  #isSought(route: Route): boolean {
    return route.state === "seeking" && !this.#closing.signal.aborted;
  }

  #attach(route: Route, connection: Connection, link: CallerLink): void {
    route.state = "open";
    route.connection = connection;
    route.loss = undefined;
    connection.routes.add(route);
    if (this.#caller.attach(route.actorId, link)) return;
    connection.routes.delete(route);
    route.state = "seeking";
    throw new SystemError("SOCKET_FAILED", "the link was over at once");
  }

  /** Where the actor's life or a later one is, or null when there is none any more. */
  async #locate(route: Route): Promise<ActorAddress | null> {
    const { actorId, incarnation: after, loss } = route;
    const signal = this.#closing.signal;
    // Its last life: a head can only say why it ended, and perhaps none leads.
    const isFinal = loss?.code === "ACTOR_DIED" && !route.mayRestart;
    const deadlineMs = isFinal ? ROUTE_FINAL_MS : Number.POSITIVE_INFINITY;
    const request = { op: "locate", actorId, after } as const;
    const answer = await this.#ports.head
      .request(request, { signal, deadlineMs })
      .catch((thrown) => {
        throw isFinal && toSystemError(thrown).code === "DEADLINE_EXCEEDED"
          ? cannotCome(loss)
          : thrown;
      });
    const view = parseMessage(actorView, answer);
    if (view.state === "dead") {
      this.#end(route, finalError(view));
      return null;
    }
    if (view.incarnation > route.incarnation) route.socketTries = 0;
    route.incarnation = Math.max(view.incarnation, route.incarnation);
    route.mayRestart = view.restarts < view.maxRestarts;
    if (view.address === null) throw new SystemError("NO_CAPACITY", "no address yet");
    return view.address;
  }

  /** A socket that stays away is given up: the agent knows what became of its process. */
  #carrierOf(route: Route): CarrierChoice {
    return route.socketTries >= ROUTE_SOCKET_TRIES ? "nats" : route.carrier;
  }

  #connectionTo(address: ActorAddress, carrier: CarrierChoice): Promise<Connection> {
    const local = carrier === "auto" && address.host === this.#ports.host;
    const key = `${address.process}/${local ? "socket" : "nats"}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const opening = local ? this.#overSocket(key, address) : this.#overBus(key, address);
    this.#connections.set(key, opening);
    opening.catch(() => this.#connections.delete(key));
    return opening;
  }

  async #overBus(key: string, address: ActorAddress): Promise<Connection> {
    return this.#open(key, address, this.#ports.remote(address));
  }

  async #overSocket(key: string, address: ActorAddress): Promise<Connection> {
    const { socket, token } = address;
    const channel = await connectSocket(socket, { token, deadlineMs: SOCKET_CONNECT_MS });
    const carrier = socketCarrier(channel);
    // Where it can't be seen, as in another name space, nothing of it is concluded later.
    if (stateOf(address.pid) !== undefined) this.#pids.set(address.process, address.pid);
    const connection = this.#open(key, address, carrier);
    const { table } = this.#ports;
    channel.onFrame((frame) => table.take(frame, carrier));
    channel.onClose((reason) => {
      const where = { process: address.process };
      const what = "the connection to the actor's process ended";
      table.carrierClosed(carrier, new SystemError("SOCKET_FAILED", what, where, reason));
    });
    return connection;
  }

  #open(key: string, address: ActorAddress, carrier: Carrier): Connection {
    const { process } = address;
    const connection: Connection = { key, process, carrier, routes: new Set(), link: undefined };
    const other = process as ProcessId;
    connection.link = this.#caller.open(
      (handlers) => this.#ports.table.open(other, carrier, handlers),
      (error) => this.#lost(connection, error),
    );
    return connection;
  }

  /** A link's end: its actors' calls are settled or wait by now. */
  #lost(connection: Connection, error: SystemError): void {
    connection.link = undefined;
    this.#connections.delete(connection.key);
    const isSocket = connection.carrier.kind === "socket";
    if (isSocket) connection.carrier.close();
    const routes = [...connection.routes];
    connection.routes.clear();
    // Behind a socket that closed there may be a living process; these are proof that there isn't.
    const isDead = error.code === "ACTOR_DIED" || (isSocket && this.#isGone(connection.process));
    if (isDead) this.#pids.delete(connection.process);
    const death = error.code === "ACTOR_DIED" ? error : gone(connection.process, error);
    for (const route of routes) {
      if (isDead) this.#next(route, death);
      else this.#again(route, error, isSocket);
    }
  }

  /** One actor ended, its process goes on. The caller holds its calls back. */
  #gone(actorId: string, error: SystemError): void {
    const route = this.#routes.get(actorId);
    if (route === undefined || route.state !== "open") return;
    route.connection?.routes.delete(route);
    this.#next(route, error);
  }

  #next(route: Route, error: SystemError): void {
    this.#step(route, error);
    this.#resume(route, error);
  }

  /** This life is over: the next one is looked for. */
  #step(route: Route, error: SystemError): void {
    route.incarnation += 1;
    route.address = null;
    route.socketTries = 0;
    route.loss = error;
  }

  /** Whether a process of this machine, once seen, is no more. */
  #isGone(process: string): boolean {
    const pid = this.#pids.get(process);
    return pid !== undefined && "ZX".includes(stateOf(pid) ?? "X");
  }

  #again(route: Route, error: SystemError, isSocket: boolean): void {
    if (!isSocket) route.address = null;
    this.#resume(route, error);
  }

  #resume(route: Route, error: SystemError): void {
    route.connection = undefined;
    route.loss = error;
    route.state = "idle";
    if (this.#closing.signal.aborted) return;
    if (this.#caller.pendingOf(route.actorId) > 0) void this.#seek(route);
  }

  /** Its handles fail by themselves from now on: nothing of a dead actor is kept here. */
  #end(route: Route, error: SystemError): void {
    route.state = "over";
    route.connection?.routes.delete(route);
    this.#routes.delete(route.actorId);
    this.#caller.forget(route.actorId, error);
  }
}

/** Also one that is just being opened; one that can't be has nothing to close. */
async function closeOne(opening: Promise<Connection>, error: SystemError): Promise<void> {
  const connection = await opening.catch(() => undefined);
  connection?.link?.link.reset(error);
}

function finalError(view: ActorView): SystemError {
  if (view.error !== null) return errorFromData(view.error);
  return new SystemError("ACTOR_DIED", "the actor was ended", { actorId: view.actorId });
}

/** No head tells its end in time: the loss is all that is known. Never tried again. */
function cannotCome(loss: SystemError): SystemError {
  return new SystemError("ACTOR_NOT_FOUND", loss.what, loss.where, loss);
}

function gone(process: string, cause: SystemError): SystemError {
  return new SystemError("ACTOR_DIED", "the actor's process is gone", { process }, cause);
}

/** State of a process of this machine as one letter: R, S, T (stopped), Z (ended) ... */
function stateOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.charAt(text.lastIndexOf(")") + 2);
  } catch {
    return undefined;
  }
}
