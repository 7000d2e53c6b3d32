/**
 * What S3 may answer, from a server that says exactly what a test tells it to: one error with what
 * to do, no secret in it, nothing asked in vain, and no byte of another version.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { inspect } from "node:util";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { S3_TRIES } from "../../../runtime/limits.ts";
import { s3Settings } from "../../../runtime/storage/s3/settings.ts";
import { S3Storage } from "../../../runtime/storage/s3/storage.ts";
import { fasterClock } from "./support.ts";

const URI = "s3://bucket/folder/name";
const SECRET = "the-secret-of-nobody";
const BYTES = Buffer.from("0123456789".repeat(1_000));
const ETAG = '"version-1"';

afterEach(() => void vi.unstubAllEnvs());

type Handler = (request: IncomingMessage, answer: ServerResponse, number: number) => void;

/** A store that answers by a handler; `asked` has what came. */
async function store(handler: Handler, times = 50) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, answer) => {
    request.resume();
    request.once("end", () => handler(request, answer, asked.push(request)));
  });
  await new Promise<void>((settle) => void server.listen(0, "127.0.0.1", settle));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((settle) => void server.close(settle));
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const storage = new S3Storage({
    env: { LIGASE_S3_ENDPOINT: `http://127.0.0.1:${port}`, AWS_REGION: "eu-north-1" },
    credentials: { accessKeyId: "key-id", secretAccessKey: SECRET, sessionToken: SECRET },
    clock: fasterClock(times),
  });
  return { storage, asked };
}

function error(answer: ServerResponse, status: number, code: string, headers = {}): void {
  const quoted = `<CanonicalRequest>x-amz-security-token:${SECRET}</CanonicalRequest>`;
  answer.writeHead(status, { "content-type": "application/xml", ...headers });
  answer.end(`<Error><Code>${code}</Code><Message>${SECRET}</Message>${quoted}</Error>`);
}

const isHead = (request: IncomingMessage): boolean => request.method === "HEAD";

describe("what a person must mend", () => {
  test.each([
    [403, "AccessDenied", "s3:PutObject", {}],
    [403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID", {}],
    [403, "SignatureDoesNotMatch", "AWS_ACCESS_KEY_ID", {}],
    [400, "ExpiredToken", "expired", {}],
    [404, "NoSuchBucket", "no such bucket", {}],
    [301, "PermanentRedirect", "AWS_REGION to eu-west-3", { "x-amz-bucket-region": "eu-west-3" }],
    [400, "AuthorizationHeaderMalformed", "AWS_REGION", {}],
    [501, "NotImplemented", "lacks", {}],
    [400, "InvalidRequest", "InvalidRequest", {}],
  ])("%i %s is one error with what to do, and asked once", async (status, code, what, headers) => {
    const { storage, asked } = await store((_, answer) => error(answer, status, code, headers));
    const thrown = await storage.createIfAbsent(URI, BYTES).catch((reason: unknown) => reason);
    expect(thrown).toMatchObject({
      code: "OUTPUT_UNWRITABLE",
      what: expect.stringContaining(what),
    });
    expect(asked).toHaveLength(1);
    expect(inspect(thrown, { depth: 9, showHidden: true })).not.toContain(SECRET);
    expect(asked[0]?.headers["if-none-match"]).toBe("*");
  });

  test("behind a HEAD, whose answer has no words, too", async () => {
    const { storage } = await store((request, answer) => {
      if (isHead(request)) answer.writeHead(403).end();
      else error(answer, 403, "InvalidAccessKeyId");
    });
    const what = expect.stringContaining("credentials are wrong");
    await expect(storage.look(URI)).rejects.toMatchObject({ code: "STORAGE_FAILED", what });
  });

  test("no credentials are found", async () => {
    const names = Object.keys(process.env).filter((name) => name.startsWith("AWS_"));
    for (const name of names) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    for (const name of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]) {
      vi.stubEnv(name, "/dev/null");
    }
    const storage = new S3Storage({ env: { LIGASE_S3_ENDPOINT: "http://127.0.0.1:9" } });
    const what = expect.stringContaining("AWS_PROFILE");
    await expect(storage.list("s3://bucket/a")).rejects.toMatchObject({ what });
    const regionless = new S3Storage({ env: {} });
    const region = expect.stringContaining("AWS_REGION");
    await expect(regionless.list("s3://bucket/a")).rejects.toMatchObject({ what: region });
  });

  test.each([
    ["LIGASE_S3_ENDPOINT", "no url"],
    ["AWS_ENDPOINT_URL_S3", "ftp://127.0.0.1"],
    ["LIGASE_S3_ENDPOINT", "http://user:password@127.0.0.1"],
    ["LIGASE_S3_ENDPOINT", "http://169.254.169.254"],
    ["AWS_ENDPOINT_URL", "http://metadata.google.internal"],
    ["LIGASE_S3_ENDPOINT", "http://127.0.0.1/?a=b"],
    ["LIGASE_S3_PATH_STYLE", "maybe"],
  ])("%s=%s is refused before anything is asked", (name, value) => {
    const env = { LIGASE_S3_ENDPOINT: "http://127.0.0.1", [name]: value };
    if (name !== "LIGASE_S3_ENDPOINT" && name !== "LIGASE_S3_PATH_STYLE") {
      env.LIGASE_S3_ENDPOINT = "";
    }
    try {
      s3Settings(env);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "USAGE", what: expect.stringContaining(name) });
      expect(String(thrown)).not.toContain("password@");
    }
  });

  test("an endpoint of one's own is reached by paths, AWS's by hosts", () => {
    expect(s3Settings({}).forcePathStyle).toBe(false);
    const own = { AWS_ENDPOINT_URL_S3: "https://s3.example.org/", AWS_DEFAULT_REGION: "here" };
    const expected = { endpoint: "https://s3.example.org", region: "here", forcePathStyle: true };
    expect(s3Settings(own)).toMatchObject(expected);
    expect(s3Settings({ ...own, LIGASE_S3_PATH_STYLE: "false" }).forcePathStyle).toBe(false);
  });
});

describe("what passes", () => {
  test.each([503, 500, 429])(
    "a store that says %i for ever is asked so many times",
    async (status) => {
      const { storage, asked } = await store((_, answer) => error(answer, status, "SlowDown"));
      const what = expect.stringContaining("SlowDown");
      await expect(storage.readIfPresent(URI)).rejects.toMatchObject({
        code: "STORAGE_FAILED",
        what,
      });
      expect(asked).toHaveLength(S3_TRIES);
    },
  );

  test("a store that never answers is waited for so long", async () => {
    const { storage, asked } = await store(() => undefined, 1_000);
    const what = expect.stringContaining("in time");
    await expect(storage.list("s3://bucket/a")).rejects.toMatchObject({ what });
    expect(asked.length).toBeGreaterThan(1);
  });

  test("a clock that is off is corrected by the store's own", async () => {
    const skewMs = 3_600_000;
    const { storage, asked } = await store((_, answer, number) => {
      if (number > 1) return void answer.writeHead(204).end();
      const date = new Date(Date.now() + skewMs).toUTCString();
      error(answer, 403, "RequestTimeTooSkewed", { date });
    });
    await storage.remove(URI);
    const [first = 0, second = 0] = asked.map(({ headers }) => {
      const stamp = String(headers["x-amz-date"]);
      return Date.parse(stamp.replace(/^(.{4})(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5"));
    });
    expect(second - first).toBeGreaterThan(skewMs / 2);
  });
});

describe("a read", () => {
  /** Gives a range of BYTES, but no more bytes than `most`, and then what `after` does. */
  const give = (
    request: IncomingMessage,
    answer: ServerResponse,
    most: number,
    after: (answer: ServerResponse) => void,
  ): void => {
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const end = Math.min(BYTES.length, to === "" ? BYTES.length : Number(to) + 1);
    const part = BYTES.subarray(Number(from), end);
    const headers = { etag: ETAG, "content-length": part.length };
    const isPart = request.headers.range !== undefined;
    const range = { "content-range": `bytes ${from}-${end - 1}/${BYTES.length}` };
    answer.writeHead(isPart ? 206 : 200, isPart ? { ...headers, ...range } : headers);
    if (part.length <= most) answer.end(part);
    else answer.write(part.subarray(0, most), () => after(answer));
  };
  const cut = (answer: ServerResponse): void => void answer.socket?.resetAndDestroy();

  test("goes on at the byte that it reached, of the same version", async () => {
    const { storage, asked } = await store((request, answer) => give(request, answer, 700, cut));
    expect(await storage.readRange(URI, 5, 2_005)).toEqual(BYTES.subarray(5, 2_005));
    expect(asked.map(({ headers }) => headers.range)).toEqual([
      ...["bytes=5-2004", "bytes=705-2004", "bytes=1405-2004"],
    ]);
    expect(asked.map(({ headers }) => headers["if-match"])).toEqual([undefined, ETAG, ETAG]);
    expect(await storage.readIfPresent(URI)).toEqual(BYTES);
  });

  test("goes on when no more bytes come", async () => {
    const { storage, asked } = await store((request, answer, number) =>
      give(request, answer, number === 1 ? 300 : BYTES.length, () => undefined),
    );
    expect(await storage.readRange(URI, 0, 1_000, "version-1")).toEqual(BYTES.subarray(0, 1_000));
    expect(asked.map(({ headers }) => headers.range)).toEqual(["bytes=0-999", "bytes=300-999"]);
  });

  test("of a version that goes while it is read is INPUT_CHANGED", async () => {
    const { storage } = await store((request, answer, number) => {
      if (number === 1) give(request, answer, 300, cut);
      else error(answer, 412, "PreconditionFailed");
    });
    const read = storage.readRange(URI, 0, 1_000);
    await expect(read).rejects.toMatchObject({ code: "INPUT_CHANGED" });
  });

  test("from a store that ignores ranges gives no wrong byte", async () => {
    const { storage } = await store((request, answer) => {
      delete request.headers.range;
      give(request, answer, BYTES.length, cut);
    });
    await expect(storage.readRange(URI, 5, 10)).rejects.toMatchObject({ code: "INPUT_UNREADABLE" });
  });

  test("of an object whose digest is another's is refused", async () => {
    const digest = createHash("sha256").update("other bytes").digest("hex");
    const { storage } = await store((request, answer) => {
      answer.setHeader("x-amz-meta-ligase-sha256", digest);
      give(request, answer, BYTES.length, cut);
    });
    const what = expect.stringContaining("aren't the object's");
    await expect(storage.readIfPresent(URI)).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      what,
    });
  });

  test("takes no error under status 200 for a list, an object or its head", async () => {
    const { storage } = await store((request, answer, number) => {
      const isList = request.url?.includes("list-type") === true;
      if (number === 2 || (number % 2 === 1 && !isList)) return error(answer, 200, "InternalError");
      if (!isList) return give(request, answer, BYTES.length, cut);
      answer.writeHead(200, { "content-type": "application/xml" });
      if (number === 1) return void answer.end("<Busy>a proxy's own words</Busy>");
      const found = "<Contents><Key>a/name</Key></Contents>";
      answer.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${found}</ListBucketResult>`);
    });
    expect(await storage.list("s3://bucket/a")).toEqual(["name"]);
    expect(await storage.readIfPresent(URI)).toEqual(BYTES);
    expect(await storage.readRange(URI, 3, 9)).toEqual(BYTES.subarray(3, 9));
    expect(await storage.look(URI)).toEqual({ bytes: BYTES.length, etag: "version-1" });
  });

  test("of a list that goes in circles ends", async () => {
    const { storage } = await store((_, answer) => {
      answer.writeHead(200, { "content-type": "application/xml" });
      const next = "<NextContinuationToken>t</NextContinuationToken>";
      answer.end(`<ListBucketResult><IsTruncated>true</IsTruncated>${next}</ListBucketResult>`);
    });
    await expect(storage.list("s3://bucket/a")).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  });
});
