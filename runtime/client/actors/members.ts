/**
 * The members of one pool, as its owner sees them: what the head says of them, and what became of
 * the calls here.
 *
 * Invariant: a member that is to go, or was lost, gets no new call; one that is to go is ended when
 * its last call is answered. A lost one comes back when its head finds it alive long enough after
 * that to know: its process stood still, or only the way to it broke.
 */
import type { CallTarget } from "../../actor/handle.ts";
import { WORKER_SILENCE_MS } from "../../limits.ts";
import { type ActorView, actorView, parseMessage, type PoolView } from "../../messages.ts";
import type { HeadClient } from "../head-client.ts";
import type { CarrierChoice, Links } from "../links.ts";

/** A member as its pool's owner sees it. */
export interface PoolMember {
  readonly actorId: string;
  readonly state: ActorView["state"] | "draining";
  readonly inFlight: number;
}

export class Member {
  view: ActorView;
  /** The way to it, once it lives. */
  target: CallTarget | undefined;
  draining = false;
  /** When a call lost it, before a head told of an end; on performance.now(). */
  lostAtMs: number | undefined;
  /** A head was told that it may end. */
  isEnding = false;
  isAwaited = false;
  /** Calls under way at it. */
  inFlight = 0;

  constructor(view: ActorView) {
    this.view = view;
  }

  get takesCalls(): boolean {
    return (
      this.target !== undefined &&
      this.lostAtMs === undefined &&
      !this.draining &&
      this.view.state === "alive"
    );
  }

  seen(): PoolMember {
    const { view, inFlight } = this;
    const state = this.draining && view.state === "alive" ? "draining" : view.state;
    return { actorId: view.actorId, state, inFlight };
  }
}

export interface MembersPorts {
  readonly head: Pick<HeadClient, "request">;
  readonly links: Pick<Links, "route" | "forget">;
  readonly carrier: CarrierChoice;
  /** The pool's end. */
  readonly signal: AbortSignal;
  /** A member that was awaited takes calls. */
  readonly onAlive: () => void;
}

export class Members {
  readonly #ports: MembersPorts;
  readonly #byId = new Map<string, Member>();
  /** In the order in which they came. */
  all: readonly Member[] = [];

  constructor(ports: MembersPorts) {
    this.#ports = ports;
  }

  /** The pool as the head sees it now. */
  take({ members, draining }: PoolView): void {
    const there = new Set(members.map(({ actorId }) => actorId));
    for (const view of members) this.#note(view, draining.includes(view.actorId));
    for (const [actorId, member] of this.#byId) {
      if (there.has(actorId)) continue;
      member.draining = true;
      if (member.inFlight > 0) continue;
      this.#byId.delete(actorId);
      this.#ports.links.forget(actorId);
    }
    this.all = [...this.#byId.values()];
  }

  /** A member's last call is answered. */
  emptied(member: Member): void {
    if (!member.draining || member.isEnding) return;
    member.isEnding = true;
    const { actorId } = member.view;
    const kill = { op: "kill", actorId, restart: false } as const;
    // A head that doesn't hear of it ends the member by itself in time.
    this.#ports.head.request(kill).catch(() => undefined);
  }

  /** No call goes to any of them any more. */
  forget(): void {
    for (const actorId of this.#byId.keys()) this.#ports.links.forget(actorId);
    this.#byId.clear();
    this.all = [];
  }

  #note(view: ActorView, draining: boolean): void {
    const member = this.#byId.get(view.actorId) ?? new Member(view);
    this.#byId.set(view.actorId, member);
    member.view = view;
    const isPast = performance.now() - (member.lostAtMs ?? 0) > WORKER_SILENCE_MS;
    if (view.state === "alive" && isPast) member.lostAtMs = undefined;
    member.draining ||= draining;
    if (view.state === "alive") {
      member.target ??= this.#ports.links.route(view, { carrier: this.#ports.carrier });
    } else if (view.state !== "dead") void this.#await(member);
    if (member.inFlight === 0) this.emptied(member);
  }

  /** Hears when a new member lives, sooner than the next report would tell. */
  async #await(member: Member): Promise<void> {
    if (member.isAwaited) return;
    member.isAwaited = true;
    const { actorId, incarnation: after } = member.view;
    const { head, signal } = this.#ports;
    try {
      const answer = await head.request({ op: "locate", actorId, after }, { signal });
      const view = parseMessage(actorView, answer);
      if (signal.aborted || this.#byId.get(actorId) !== member) return;
      this.#note(view, false);
      this.#ports.onAlive();
    } catch {
      // The next report tells.
    } finally {
      member.isAwaited = false;
    }
  }
}
