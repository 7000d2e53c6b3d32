/** Keys of the bus, against the nkeys of NATS itself. */
import { createUser, fromPublic, fromSeed } from "@nats-io/nkeys";
import { expect, test } from "vitest";
import { isUserPublicKey, newKey, signerOf } from "../../../runtime/bus/key.ts";

const text = new TextDecoder();

test("a new key is one to NATS, and signs as NATS does", () => {
  for (let i = 0; i < 20; i += 1) {
    const { seed, publicKey } = newKey();
    const theirs = fromSeed(new TextEncoder().encode(seed));
    expect(theirs.getPublicKey()).toBe(publicKey);
    const challenge = `nonce-${i}`;
    const { nkey, sig } = signerOf(seed)(challenge);
    expect(nkey).toBe(publicKey);
    const bytes = Buffer.from(sig, "base64url");
    expect(Buffer.from(theirs.sign(Buffer.from(challenge)))).toEqual(bytes);
    expect(fromPublic(publicKey).verify(Buffer.from(challenge), bytes)).toBe(true);
  }
});

test("a key of NATS is one here", () => {
  for (let i = 0; i < 20; i += 1) {
    const theirs = createUser();
    expect(isUserPublicKey(theirs.getPublicKey())).toBe(true);
    const { nkey } = signerOf(text.decode(theirs.getSeed()))();
    expect(nkey).toBe(theirs.getPublicKey());
  }
});

test("what is no user's public key is refused, one wrong letter too", () => {
  const { publicKey, seed } = newKey();
  const wrong = [
    "",
    seed,
    publicKey.toLowerCase(),
    publicKey.slice(0, -1),
    `${publicKey}A`,
    publicKey.slice(0, 20) + (publicKey[20] === "A" ? "B" : "A") + publicKey.slice(21),
    `A${publicKey.slice(1)}`,
  ];
  for (const one of wrong) expect(isUserPublicKey(one), one).toBe(false);
  expect(isUserPublicKey(publicKey)).toBe(true);
});

test("what is no user's seed is NOT_AUTHORIZED", () => {
  const { publicKey, seed } = newKey();
  const damaged = seed.slice(0, 30) + (seed[30] === "A" ? "B" : "A") + seed.slice(31);
  for (const one of ["", "SU", publicKey, damaged, `${seed}AAAA`]) {
    expect(() => signerOf(one)).toThrow(expect.objectContaining({ code: "NOT_AUTHORIZED" }));
  }
});
