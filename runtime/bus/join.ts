/**
 * The joiner's side of joining a cluster. Its key pair is made here: the seed stays, only the
 * public key and the single-use token travel. Plain HTTP, therefore on loopback alone.
 */
import * as v from "valibot";
import { SystemError, toSystemError } from "../errors.ts";
import type { Identity } from "../ids.ts";
import { JOIN_BODY_BYTES_MAX, JOIN_REQUEST_MS } from "../limits.ts";
import { type Connection, newKey } from "./key.ts";
import { isClusterId, isIdentity } from "./subjects.ts";

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

const answerSchema = v.object({
  natsUrl: v.pipe(v.string(), v.regex(/^nats:\/\/[0-9A-Za-z.:[\]-]+$/)),
  cluster: v.pipe(v.string(), v.check(isClusterId)),
  identity: v.custom<Identity>((value) => isIdentity(String(value), "worker")),
});

/**
 * A worker's own credentials in the cluster behind a join URL.
 *
 * @param url - `http://127.0.0.1:PORT/#TOKEN`, as the cluster minted it.
 * @throws {SystemError} USAGE for another kind of URL, JOIN_REFUSED when the token is wrong,
 * used or expired, NATS_UNREACHABLE when nobody answers.
 */
export async function joinCluster(url: string): Promise<Connection> {
  const { endpoint, token } = parseJoinUrl(url);
  const { seed, publicKey } = newKey();
  const answer = await post(endpoint, JSON.stringify({ token, publicKey, role: "worker" }));
  const parsed = v.safeParse(answerSchema, answer);
  if (!parsed.success) {
    throw new SystemError("JOIN_REFUSED", "the answer isn't a cluster's", { uri: endpoint.origin });
  }
  return { ...parsed.output, seed };
}

function parseJoinUrl(url: string): { readonly endpoint: URL; readonly token: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const token = parsed?.hash.slice(1) ?? "";
  // The URL holds the token: it isn't repeated in what people and logs see.
  if (parsed === undefined || token === "") {
    throw new SystemError("USAGE", "a join URL looks like http://127.0.0.1:PORT/#TOKEN");
  }
  if (parsed.protocol !== "http:" || !LOOPBACK.includes(parsed.hostname)) {
    throw new SystemError("USAGE", "joining goes over loopback only", { uri: parsed.origin });
  }
  return { endpoint: new URL("/join", parsed.origin), token };
}

async function post(endpoint: URL, body: string): Promise<unknown> {
  const where = { uri: endpoint.origin };
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(JOIN_REQUEST_MS),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new SystemError("JOIN_REFUSED", `the cluster answered ${response.status}`, where);
    }
    if (text.length > JOIN_BODY_BYTES_MAX) throw new SystemError("JOIN_REFUSED", "too long", where);
    return JSON.parse(text);
  } catch (thrown) {
    throw toSystemError(thrown, "NATS_UNREACHABLE");
  }
}
