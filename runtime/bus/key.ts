/**
 * Keys of the bus: an nkey pair; its seed is the secret and never leaves the process that made
 * it.
 */
import { createUser, fromPublic } from "@nats-io/nkeys";
import type { Identity } from "../ids.ts";

/** A user's key pair, as text. */
export interface Key {
  /** `SU...`, secret. */
  readonly seed: string;
  /** `U...`. */
  readonly publicKey: string;
}

/** What a process needs to connect as itself. */
export interface Credentials {
  readonly identity: Identity;
  readonly seed: string;
}

/** Where a cluster's bus is, and who the holder is on it. */
export interface Connection extends Credentials {
  /** `nats://host:port`. */
  readonly natsUrl: string;
  readonly cluster: string;
}

/** A fresh key pair. */
export function newKey(): Key {
  const pair = createUser();
  const seed = new TextDecoder().decode(pair.getSeed());
  return { seed, publicKey: pair.getPublicKey() };
}

/** Whether text is a well-formed public key of a user, checksum included. */
export function isUserPublicKey(text: string): boolean {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return false;
  try {
    fromPublic(text);
    return true;
  } catch {
    return false;
  }
}
