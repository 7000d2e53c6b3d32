/**
 * Reading of objects: whole or in ranges, always of one version. A connection that breaks is taken
 * up at the byte that was reached, and only of the same version.
 */
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { SystemError } from "../../errors.ts";
import { S3_WHOLE_BYTES_MAX } from "../../limits.ts";
import type { S3Name } from "../uri.ts";
import type { Answer, Refusal } from "./answers.ts";
import type { Attempt, S3Api } from "./client.ts";

/** The metadata that our own objects carry. */
export const META_SHA256 = "ligase-sha256";
/** Whose creation it is: a new one for each call of `createIfAbsent`. */
export const META_WRITER = "ligase-writer";

/** What HEAD tells of an object. */
export interface Head {
  readonly bytes: number;
  readonly etag: string;
  /** In hex; undefined when another tool made it. */
  readonly sha256: string | undefined;
  readonly writer: string | undefined;
}

/** What stands under a name; `absent` when nothing does. */
export function headOf(api: S3Api, { bucket, key }: S3Name): Promise<Answer<Head>> {
  return api.insist(async () => {
    const answer = await api.ask(({ s3, sdk, options }) =>
      s3.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), options),
    );
    if (answer.kind === "refused") return explained(api, { bucket, key }, answer);
    if (answer.kind !== "done") return answer;
    const { ContentLength: bytes, ETag, Metadata = {} } = answer.output;
    if (bytes === undefined || ETag === undefined) return notWhole("a HEAD without an ETag");
    const sha256 = Metadata[META_SHA256];
    const output = { bytes, etag: bare(ETag), sha256, writer: Metadata[META_WRITER] };
    return { kind: "done", output };
  });
}

/** The answer to HEAD has no body, so that it says nothing but its status: a GET tells why. */
async function explained(api: S3Api, name: S3Name, head: Refusal): Promise<Refusal> {
  const input = { Bucket: name.bucket, Key: name.key, Range: "bytes=0-0" };
  const answer = await api.ask(async ({ s3, sdk, options }) => {
    const { Body } = await s3.send(new sdk.GetObjectCommand(input), options);
    (Body as Readable | undefined)?.destroy();
  });
  return answer.kind === "done" || answer.kind === "past-end" ? head : answer;
}

/** All bytes of an object, compared with their digest where it has one. */
export async function readWhole(api: S3Api, name: S3Name): Promise<Answer<Buffer>> {
  const effort = api.effort();
  for (let tried = 1; ; tried += 1) {
    const transfer = new Transfer(api, name, { from: 0, to: Number.POSITIVE_INFINITY });
    const answer = await transfer.run();
    if (answer.kind !== "done" || transfer.sha256 === undefined) return answer;
    const sha256 = createHash("sha256").update(answer.output).digest("hex");
    if (sha256 === transfer.sha256) return answer;
    if (!(await effort.next(tried))) return notWhole("bytes that aren't the object's");
  }
}

/** Bytes [from, to) of an object, fewer at its end; `precondition` when it is another version. */
export function readPart(
  api: S3Api,
  name: S3Name,
  range: { readonly from: number; readonly to: number; readonly etag?: string },
): Promise<Answer<Buffer>> {
  return new Transfer(api, name, range).run();
}

/** One download. Bytes [from, from + filled) are in `into`. */
class Transfer {
  /** Of the whole object, as its maker says. */
  sha256: string | undefined;
  readonly #api: S3Api;
  readonly #name: S3Name;
  readonly #from: number;
  readonly #to: number;
  #etag: string | undefined;
  /** Made when the first answer says how much there is. */
  #into: Buffer | undefined;
  #filled = 0;

  constructor(
    api: S3Api,
    name: S3Name,
    range: { readonly from: number; readonly to: number; readonly etag?: string },
  ) {
    this.#api = api;
    this.#name = name;
    this.#from = range.from;
    this.#to = range.to;
    this.#etag = range.etag;
  }

  async run(): Promise<Answer<Buffer>> {
    const effort = this.#api.effort();
    for (let tried = 1; ; tried += 1) {
      const before = this.#filled;
      const answer = await this.#api.ask((attempt) => this.#get(attempt));
      const into = this.#into;
      const isWhole = into !== undefined && this.#filled === into.length;
      if (answer.kind === "done" && isWhole) return { kind: "done", output: into };
      if (answer.kind === "past-end") return { kind: "done", output: Buffer.alloc(0) };
      const isOver = answer.kind !== "done" && answer.kind !== "unclear";
      if (isOver && answer.kind !== "conflict") return answer;
      if (this.#filled > before) tried = 1;
      if (await effort.next(tried)) continue;
      return answer.kind === "done" ? notWhole("fewer bytes than there are") : answer;
    }
  }

  async #get({ s3, sdk, options, alive }: Attempt): Promise<void> {
    const begin = this.#from + this.#filled;
    const isWhole = begin === 0 && this.#to === Number.POSITIVE_INFINITY;
    const last = this.#to === Number.POSITIVE_INFINITY ? "" : this.#to - 1;
    const input = {
      Bucket: this.#name.bucket,
      Key: this.#name.key,
      ...(isWhole ? {} : { Range: `bytes=${begin}-${last}` }),
      ...(this.#etag === undefined ? {} : { IfMatch: quoted(this.#etag) }),
    };
    const output = await s3.send(new sdk.GetObjectCommand(input), options);
    const body = output.Body as Readable;
    const stop = (): void => void body.destroy(new Error("no more bytes came"));
    options.abortSignal.addEventListener("abort", stop, { once: true });
    try {
      this.#begin(output, begin);
      for await (const chunk of body) {
        alive();
        this.#take(chunk);
      }
    } finally {
      options.abortSignal.removeEventListener("abort", stop);
      body.destroy();
    }
  }

  /** Takes the answer's head: which version it is of, where it begins, how much there is. */
  #begin(output: GetObjectCommandOutput, begin: number): void {
    const { ETag, ContentLength, ContentRange, Metadata = {} } = output;
    if (ETag === undefined || ContentLength === undefined)
      throw new Error("an answer of no object");
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange ?? `bytes 0-0/${ContentLength}`);
    if (Number(range?.[1]) !== begin) throw new Error("another range than was asked for");
    this.#etag ??= bare(ETag);
    this.sha256 = Metadata[META_SHA256];
    const bytes = Math.min(this.#to, Number(range?.[2])) - this.#from;
    if (bytes > S3_WHOLE_BYTES_MAX) {
      const where = { uri: `s3://${this.#name.bucket}/${this.#name.key}`, bytes };
      throw new SystemError("STORAGE_FAILED", "the object is too large to be read at once", where);
    }
    this.#into ??= Buffer.allocUnsafe(bytes);
  }

  #take(chunk: Buffer): void {
    const into = this.#into ?? Buffer.alloc(0);
    // A store that ignores ranges sends more.
    if (this.#filled + chunk.length > into.length)
      throw new Error("more bytes than were asked for");
    chunk.copy(into, this.#filled);
    this.#filled += chunk.length;
  }
}

function notWhole(what: string): { readonly kind: "unclear"; readonly what: string } {
  return { kind: "unclear", what: `S3 sent ${what}` };
}

/** An ETag without its quotes. */
export function bare(etag: string): string {
  return etag.replace(/^"(.*)"$/, "$1");
}

function quoted(etag: string): string {
  return etag.startsWith("W/") ? etag : `"${etag}"`;
}
