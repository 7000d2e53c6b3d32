/**
 * The cluster's side of joining: an HTTP server on loopback that changes a single-use token and
 * a public key into an identity. Only POST /join; no browser's request passes (Host, Origin and
 * content type are checked); sizes, times and rates are bounded.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import * as v from "valibot";
import { isUserPublicKey } from "../../runtime/bus/key.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { newIdentity, sha256Hex } from "../../runtime/ids.ts";
import {
  JOIN_BODY_BYTES_MAX,
  JOIN_BURST_MAX,
  JOIN_REQUEST_MS,
  JOIN_TOKEN_MS,
  JOIN_TOKENS_MAX,
} from "../../runtime/limits.ts";
import type { Keyring } from "./keys.ts";

const HOST = "127.0.0.1";
const CONNECTIONS_MAX = 64;

const requestSchema = v.strictObject({
  token: v.pipe(v.string(), v.maxLength(128)),
  publicKey: v.pipe(v.string(), v.check(isUserPublicKey)),
  role: v.literal("worker"),
});

export interface JoinOptions {
  readonly keyring: Keyring;
  readonly cluster: string;
  readonly natsUrl: string;
  /** Gets a line for each failure that isn't the joiner's. */
  readonly log: (line: string) => void;
  /** Milliseconds that never go back; the process's own clock by default. */
  readonly now?: () => number;
}

/** Single-use tokens. Only their hashes are kept; a token is burnt before it is acted upon. */
export class JoinTokens {
  readonly #now: () => number;
  readonly #expiryByHash = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * A token good for JOIN_TOKEN_MS. @throws {SystemError} NO_CAPACITY when JOIN_TOKENS_MAX wait.
   */
  mint(): string {
    for (const [hash, expiry] of this.#expiryByHash) {
      if (expiry <= this.#now()) this.#expiryByHash.delete(hash);
    }
    if (this.#expiryByHash.size >= JOIN_TOKENS_MAX) {
      throw new SystemError("NO_CAPACITY", `${JOIN_TOKENS_MAX} join tokens wait to be used`);
    }
    const token = randomBytes(32).toString("base64url");
    this.#expiryByHash.set(sha256Hex(token), this.#now() + JOIN_TOKEN_MS);
    return token;
  }

  /** Whether the token was good; it isn't any more. */
  burn(token: string): boolean {
    const hash = sha256Hex(token);
    const expiry = this.#expiryByHash.get(hash);
    return this.#expiryByHash.delete(hash) && expiry !== undefined && this.#now() < expiry;
  }
}

/** How an HTTP request ends early: a status and nothing an attacker learns from. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

export class JoinServer {
  readonly #options: JoinOptions;
  readonly #now: () => number;
  readonly #tokens: JoinTokens;
  readonly #server: Server;
  #credit = JOIN_BURST_MAX;
  #creditAt: number;

  constructor(options: JoinOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = new JoinTokens(this.#now);
    this.#creditAt = this.#now();
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.requestTimeout = JOIN_REQUEST_MS;
    this.#server.headersTimeout = JOIN_REQUEST_MS;
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.maxRequestsPerSocket = 1;
  }

  /** Listens on a free port of loopback. */
  async listen(): Promise<void> {
    await new Promise<void>((settle, fail) => {
      this.#server.once("error", fail);
      this.#server.listen({ host: HOST, port: 0 }, settle);
    });
  }

  /** `http://127.0.0.1:PORT/#TOKEN`, good once and for JOIN_TOKEN_MS. It is a secret. */
  mintUrl(): string {
    return `http://${this.#host()}/#${this.#tokens.mint()}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((settle) => this.#server.close(() => settle()));
  }

  #host(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") {
      throw new SystemError("INTERNAL", "the join server doesn't listen");
    }
    return `${HOST}:${address.port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#admit(request);
      const joined = await this.#join(await bodyOf(request));
      reply(response, 200, joined);
    } catch (thrown) {
      const status = thrown instanceof Refusal ? thrown.status : 500;
      if (status === 500) this.#options.log(`join failed: ${String(thrown)}`);
      reply(response, status, { error: new SystemError("JOIN_REFUSED", "refused").toData() });
    }
  }

  /** Everything that can be told without reading the body. */
  #admit(request: IncomingMessage): void {
    const { headers } = request;
    if (headers.host !== this.#host() || headers.origin !== undefined) throw new Refusal(403);
    if (request.url !== "/join") throw new Refusal(404);
    if (request.method !== "POST") throw new Refusal(405);
    if (headers["content-type"] !== "application/json") throw new Refusal(415);
    const now = this.#now();
    this.#credit = Math.min(JOIN_BURST_MAX, this.#credit + (now - this.#creditAt) / 1_000);
    this.#creditAt = now;
    if (this.#credit < 1) throw new Refusal(429);
    this.#credit -= 1;
  }

  async #join(body: string): Promise<object> {
    const { token, publicKey, role } = parseRequest(body);
    if (!this.#tokens.burn(token)) throw new Refusal(403);
    const identity = newIdentity("w");
    try {
      await this.#options.keyring.add({ identity, publicKey, role });
    } catch (thrown) {
      throw toSystemError(thrown).code === "NOT_AUTHORIZED" ? new Refusal(403) : thrown;
    }
    const { natsUrl, cluster } = this.#options;
    return { natsUrl, cluster, identity };
  }
}

function parseRequest(body: string): v.InferOutput<typeof requestSchema> {
  try {
    return v.parse(requestSchema, JSON.parse(body));
  } catch {
    throw new Refusal(400);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Not destroyed at an early end: the refusal still has to leave.
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > JOIN_BODY_BYTES_MAX) throw new Refusal(413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify(body));
}
