/**
 * The subjects of a cluster and who may use them. A subject ends with the identity that
 * publishes it, and the server lets an identity publish only subjects that end with itself: the
 * sender of a message is read from its subject, never from its bytes.
 */
import { SystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";

/** What a key may do; the first letter of its identities is the role's own. */
export type Role = "head" | "worker" | "client";

/** A subject, parsed. `from` is who published it: the server vouches for that. */
export type ParsedSubject =
  | { readonly kind: "link"; readonly to: Identity; readonly from: Identity }
  | { readonly kind: "cmd"; readonly to: Identity; readonly from: Identity }
  | { readonly kind: "evt" | "api" | "beacon"; readonly from: Identity };

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const LETTERS = { head: "h", worker: "w", client: "c" } as const satisfies Record<Role, string>;
const CLUSTER = /^[0-9a-f]{16}$/;
const IDENTITY = /^[hwc]-[0-9a-f]{12}$/;

/** Who may send and receive each kind, by the letters of the identities. */
const SENDERS = { link: "hwc", cmd: "h", evt: "w", api: "cw", beacon: "h" } as const;

/** Whether text is a cluster's id: 16 hex digits. */
export function isClusterId(value: string): boolean {
  return CLUSTER.test(value);
}

/** Whether text is an identity of this role, or of any. */
export function isIdentity(value: string, role?: Role): value is Identity {
  return IDENTITY.test(value) && (role === undefined || value.startsWith(LETTERS[role]));
}

/** The letter that `newIdentity` takes for a role. */
export function letterOf(role: Role): "h" | "w" | "c" {
  return LETTERS[role];
}

/** Frames of a link to `to`, from `from`. */
export function linkSubject(cluster: string, to: Identity, from: Identity): string {
  return subject(cluster, "link", to, from);
}

/** Orders to a worker from a head. */
export function commandSubject(cluster: string, worker: Identity, head: Identity): string {
  return subject(cluster, "cmd", worker, head);
}

/** What a worker tells every head. */
export function eventSubject(cluster: string, worker: Identity): string {
  return subject(cluster, "evt", worker);
}

/** What a client, or a worker for its executors, asks of the leading head. */
export function apiSubject(cluster: string, from: Identity): string {
  return subject(cluster, "api", from);
}

/** A head's sign of life. */
export function beaconSubject(cluster: string, head: Identity): string {
  return subject(cluster, "beacon", head);
}

/** What an identity subscribes to hear each kind: `link` and `cmd` to itself, the others of all. */
export const hearing = {
  links: (cluster: string, self: Identity): string => subject(cluster, "link", self, "*"),
  commands: (cluster: string, worker: Identity): string => subject(cluster, "cmd", worker, "*"),
  events: (cluster: string): string => subject(cluster, "evt", "*"),
  requests: (cluster: string): string => subject(cluster, "api", "*"),
  beacons: (cluster: string): string => subject(cluster, "beacon", "*"),
} as const;

/**
 * A received subject in its parts, or undefined when it isn't one of this cluster's, or of a
 * kind that its sender's role doesn't send.
 */
export function parseSubject(cluster: string, text: string): ParsedSubject | undefined {
  const [prefix, inCluster, kind, ...who] = text.split(".");
  if (prefix !== "lg" || inCluster !== cluster || !who.every((name) => isIdentity(name))) return;
  const from = who.at(-1);
  if (from === undefined || !isKind(kind) || !SENDERS[kind].includes(from.charAt(0))) return;
  if (kind !== "link" && kind !== "cmd") return who.length === 1 ? { kind, from } : undefined;
  const to = who[0] as Identity;
  if (who.length !== 2 || (kind === "cmd" && !isIdentity(to, "worker"))) return;
  return { kind, to, from };
}

/**
 * All that a key of this role and identity may publish and subscribe; nothing else, `_INBOX`
 * neither.
 *
 * @throws {SystemError} USAGE when cluster or identity isn't of its form: both become
 * configuration.
 */
export function permissionsOf(cluster: string, role: Role, self: Identity): Permissions {
  if (!isClusterId(cluster) || !isIdentity(self, role)) {
    throw new SystemError("USAGE", `no ${role} of a cluster: ${self} in ${cluster}`);
  }
  const links = `lg.${cluster}.link.*.${self}`;
  const heard = [hearing.links(cluster, self), hearing.beacons(cluster)];
  switch (role) {
    case "head":
      return {
        publish: [links, `lg.${cluster}.cmd.*.${self}`, beaconSubject(cluster, self)],
        subscribe: [...heard, hearing.events(cluster), hearing.requests(cluster)],
      };
    case "worker":
      // Its executors hold no key: what they ask of the head travels under the worker's.
      return {
        publish: [links, eventSubject(cluster, self), apiSubject(cluster, self)],
        subscribe: [...heard, hearing.commands(cluster, self)],
      };
    case "client":
      return { publish: [links, apiSubject(cluster, self)], subscribe: heard };
    default:
      role satisfies never;
      throw new SystemError("USAGE", `no such role: ${String(role)}`);
  }
}

function isKind(kind: string | undefined): kind is keyof typeof SENDERS {
  return kind !== undefined && Object.hasOwn(SENDERS, kind);
}

function subject(cluster: string, kind: keyof typeof SENDERS, ...who: readonly string[]): string {
  return `lg.${cluster}.${kind}.${who.join(".")}`;
}
