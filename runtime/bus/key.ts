/**
 * Keys of the bus: an nkey pair; its seed is the secret and never leaves the process that made
 * it.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { SystemError } from "../errors.ts";
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

/** Ed25519 in PKCS #8: what stands before the 32 bytes of the secret. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
/** First byte of a user's public key, and the two of a user's seed: `U` and `SU` in base 32. */
const USER = 20 << 3;
const USER_SEED = Buffer.of((18 << 3) | (USER >> 5), (USER & 31) << 3);
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A fresh key pair. */
export function newKey(): Key {
  const secret = randomBytes(32);
  return { seed: encoded(USER_SEED, secret), publicKey: publicOf(privateKeyOf(secret)) };
}

/** Whether text is a well-formed public key of a user, checksum included. */
export function isUserPublicKey(text: string): boolean {
  return text.length === 56 && decoded(text)?.[0] === USER;
}

/** What a client answers a server's challenge with. */
export interface Answer {
  readonly nkey: string;
  readonly sig: string;
}

/**
 * Signs challenges as the holder of a seed. Node's own Ed25519: the one in JavaScript takes 20 ms a
 * signature, and every process of a starting cluster waits for two.
 *
 * @throws {SystemError} NOT_AUTHORIZED for text that is no user's seed.
 */
export function signerOf(seed: string): (challenge?: string) => Answer {
  const bytes = decoded(seed);
  const secret = bytes?.subarray(USER_SEED.length);
  if (secret?.length !== 32 || bytes?.subarray(0, 2).equals(USER_SEED) !== true) {
    throw new SystemError("NOT_AUTHORIZED", "the key isn't an nkey seed");
  }
  const key = privateKeyOf(secret);
  const nkey = publicOf(key);
  return (challenge = "") => {
    const isAsked = challenge !== "";
    const sig = isAsked ? sign(null, Buffer.from(challenge), key).toString("base64url") : "";
    return { nkey, sig };
  };
}

function privateKeyOf(secret: Uint8Array): KeyObject {
  const key = Buffer.concat([PKCS8, secret]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function publicOf(key: KeyObject): string {
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return encoded(Buffer.of(USER), Buffer.from(x, "base64url"));
}

/** Kind and key with their checksum, in base 32. */
function encoded(kind: Uint8Array, key: Uint8Array): string {
  const bytes = Buffer.concat([kind, key]);
  const sum = checksum(bytes);
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of [...bytes, sum & 0xff, sum >> 8]) {
    value = ((value << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET.charAt((value >> (bits - 5)) & 31);
  }
  return bits === 0 ? text : text + ALPHABET.charAt((value << (5 - bits)) & 31);
}

/** Kind and key, or undefined when the text is no base 32 or its checksum is off. */
function decoded(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    const index = ALPHABET.indexOf(letter);
    if (index < 0) return undefined;
    value = ((value << 5) | index) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  const key = Buffer.from(bytes.slice(0, -2));
  const [low = 0, high = 0] = bytes.slice(-2);
  return checksum(key) === ((high << 8) | low) ? key : undefined;
}

/** CRC-16 (XMODEM) of bytes. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      sum = ((sum << 1) ^ ((sum & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
    }
  }
  return sum;
}
