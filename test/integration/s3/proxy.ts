/**
 * The faults of S3, made on purpose: a proxy between a client and a server. For each request a rule
 * says what becomes of it. It knows S3's operations, and nothing of who asks.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";

/** Requests of S3 that are told apart. */
export type Operation =
  | "Put"
  | "Create"
  | "UploadPart"
  | "Complete"
  | "Abort"
  | "Delete"
  | "Head"
  | "Get"
  | "List"
  | "ListUploads";

/** All faults. Those that end in `-after` and `late` happen though the server has done its part. */
export const FAULTS = [
  "500",
  "503",
  "409",
  "200-error",
  "200-error-after",
  "timeout",
  "timeout-after",
  "reset",
  "reset-after",
  "late",
  "half-request",
  "half-answer",
  "delay",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Asked {
  readonly operation: Operation;
  /** Path without the bucket: the key, encoded as it came; empty for lists. */
  readonly key: string;
}

/** What becomes of a request; undefined: nothing. */
export type Rule = (asked: Asked) => Fault | undefined;

export interface Proxy {
  readonly url: string;
  /** All that was asked, in order. */
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

/** Milliseconds of a delay, and of what comes late. */
const DELAY_MS = 60;

/** A proxy to a server. @param target - its URL. */
export async function startProxy(target: string, rule: Rule): Promise<Proxy> {
  const asked: Asked[] = [];
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, answer) => {
    const what = { operation: operationOf(incoming), key: keyOf(incoming) };
    asked.push(what);
    const fault = rule(what);
    const exchange = new Exchange(target, agent, incoming, answer);
    exchange.run(fault).catch(() => incoming.socket.destroy());
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((settle) => void server.listen(0, "127.0.0.1", settle));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const close = async (): Promise<void> => {
    agent.destroy();
    server.closeAllConnections();
    await new Promise((settle) => void server.close(settle));
  };
  return { url: `http://127.0.0.1:${port}`, asked, close };
}

/** A request that was answered by the server. */
interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

class Exchange {
  readonly #target: string;
  readonly #agent: Agent;
  readonly #incoming: IncomingMessage;
  readonly #answer: ServerResponse;

  constructor(target: string, agent: Agent, incoming: IncomingMessage, answer: ServerResponse) {
    this.#target = target;
    this.#agent = agent;
    this.#incoming = incoming;
    this.#answer = answer;
  }

  async run(fault: Fault | undefined): Promise<void> {
    const body = await bytesOf(this.#incoming);
    switch (fault) {
      case undefined:
        return this.#give(await this.#forward(body));
      case "500":
        return this.#giveError(500, "InternalError");
      case "503":
        return this.#giveError(503, "SlowDown");
      case "409":
        return this.#giveError(409, "ConditionalRequestConflict");
      case "200-error":
        return this.#giveError(200, "InternalError");
      case "200-error-after":
        await this.#forward(body);
        return this.#giveError(200, "InternalError");
      case "timeout":
        return;
      case "timeout-after":
        await this.#forward(body);
        return;
      case "reset":
        return this.#reset();
      case "reset-after":
        await this.#forward(body);
        return this.#reset();
      case "late":
        setTimeout(() => void this.#forward(body).catch(() => undefined), DELAY_MS);
        return this.#reset();
      case "half-request":
        await this.#forward(body, body.length >> 1).catch(() => undefined);
        return this.#reset();
      case "half-answer":
        return this.#giveHalf(await this.#forward(body));
      case "delay":
        await new Promise((settle) => setTimeout(settle, DELAY_MS));
        return this.#give(await this.#forward(body));
      default:
        fault satisfies never;
    }
  }

  /** The server's answer. @param most - bytes of the body after which the connection is cut. */
  #forward(body: Buffer, most = body.length): Promise<Reply> {
    const { method, url, headers } = this.#incoming;
    return new Promise((settle, fail) => {
      const agent = most < body.length ? false : this.#agent;
      const outgoing = request(this.#target + url, { method, headers, agent });
      outgoing.once("error", fail);
      outgoing.once("response", (response) => {
        bytesOf(response).then((bytes) => {
          settle({ status: response.statusCode ?? 0, headers: response.headers, body: bytes });
        }, fail);
      });
      if (most === body.length) return outgoing.end(body);
      outgoing.write(body.subarray(0, most), () => outgoing.destroy(new Error("cut")));
    });
  }

  #give({ status, headers, body }: Reply): void {
    this.#answer.writeHead(status, headers);
    this.#answer.end(body);
  }

  #giveHalf({ status, headers, body }: Reply): void {
    // Without a body its head is what is cut.
    if (body.length === 0) return this.#reset();
    this.#answer.writeHead(status, { ...headers, "content-length": body.length });
    this.#answer.write(body.subarray(0, body.length >> 1), () => this.#reset());
  }

  #giveError(status: number, code: string): void {
    const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
    const isHead = this.#incoming.method === "HEAD";
    this.#answer.writeHead(status, { "content-type": "application/xml" });
    this.#answer.end(isHead ? undefined : text);
  }

  #reset(): void {
    this.#incoming.socket.resetAndDestroy();
  }
}

function operationOf({ method = "", url = "" }: IncomingMessage): Operation {
  const query = new URL(url, "http://host").searchParams;
  const has = (name: string): boolean => query.has(name);
  switch (method) {
    case "PUT":
      return has("partNumber") ? "UploadPart" : "Put";
    case "POST":
      return has("uploads") ? "Create" : "Complete";
    case "DELETE":
      return has("uploadId") ? "Abort" : "Delete";
    case "HEAD":
      return "Head";
    default:
      return has("list-type") ? "List" : has("uploads") ? "ListUploads" : "Get";
  }
}

function keyOf({ url = "" }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, "http://host");
  const key = pathname.split("/").slice(2).join("/");
  return key === "" ? (searchParams.get("prefix") ?? "") : key;
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
