/**
 * The port to storage on S3, or any store that speaks its protocol: conditional PUT and
 * CompleteMultipartUpload are the race that exactly one writer wins.
 */
import { type ErrorCode, SystemError } from "../../errors.ts";
import { S3_PATIENCE_MS } from "../../limits.ts";
import type { CreateOutcome, Listed, Look, Storage } from "../storage.ts";
import { parseFolder, parseObject } from "../uri.ts";
import type { Answer } from "./answers.ts";
import { S3Api, type S3Ports } from "./client.ts";
import { abortUploads, create } from "./create.ts";
import { headOf, readPart, readWhole } from "./read.ts";

/** What an operation's failures are called. */
interface Codes {
  /** A person must do something. */
  readonly refused: ErrorCode;
  /** S3 gave no clear answer for so long. */
  readonly unclear: ErrorCode;
}

const WRITING: Codes = { refused: "OUTPUT_UNWRITABLE", unclear: "STORAGE_FAILED" };
const READING: Codes = { refused: "INPUT_UNREADABLE", unclear: "INPUT_UNREADABLE" };
const ASKING: Codes = { refused: "STORAGE_FAILED", unclear: "STORAGE_FAILED" };

/** Storage whose names are `s3://bucket/key`. */
export class S3Storage implements Storage {
  readonly #api: S3Api;

  constructor(ports: Partial<S3Ports> = {}) {
    this.#api = new S3Api(ports);
  }

  async createIfAbsent(uri: string, bytes: Uint8Array): Promise<CreateOutcome> {
    return outputOf(await create(this.#api, parseObject(uri), bytes), uri, WRITING);
  }

  async readIfPresent(uri: string): Promise<Buffer | undefined> {
    const answer = await readWhole(this.#api, parseObject(uri));
    return answer.kind === "absent" ? undefined : outputOf(answer, uri, ASKING);
  }

  async readRange(uri: string, from: number, to: number, etag?: string): Promise<Buffer> {
    const pin = etag === undefined ? {} : { etag };
    const name = parseObject(uri);
    if (from >= to) return this.#nothingOf(uri, etag);
    const answer = await readPart(this.#api, name, { from, to, ...pin });
    if (answer.kind === "absent") throw new SystemError("INPUT_NOT_FOUND", NO_OBJECT, { uri });
    if (answer.kind === "precondition") {
      const what = `it has changed: ${etag ?? "another version"} was meant`;
      throw new SystemError("INPUT_CHANGED", what, { uri });
    }
    return outputOf(answer, uri, READING);
  }

  async look(uri: string): Promise<Look | undefined> {
    const answer = await headOf(this.#api, parseObject(uri));
    if (answer.kind === "absent") return undefined;
    const { bytes, etag } = outputOf(answer, uri, ASKING);
    return { bytes, etag };
  }

  async list(folder: string): Promise<string[]> {
    return (await this.listSized(folder)).map(({ name }) => name);
  }

  async listSized(folder: string): Promise<Listed[]> {
    const { bucket, key } = parseFolder(folder);
    const prefix = key === "" ? "" : `${key}/`;
    const found: Listed[] = [];
    let token: string | undefined;
    do {
      const page = outputOf(await this.#listPage(bucket, prefix, token), folder, ASKING);
      for (const { key: name, bytes } of page.objects) {
        found.push({ name: name.slice(prefix.length), bytes });
      }
      token = page.next;
    } while (token !== undefined);
    // The folder's own name stands for it in some tools.
    const files = found.filter(({ name }) => name !== "");
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async remove(uri: string): Promise<void> {
    const { bucket, key } = parseObject(uri);
    const answer = await this.#api.insist(() =>
      this.#api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), options),
      ),
    );
    if (answer.kind !== "absent") outputOf(answer, uri, WRITING);
  }

  async sweep(folder: string): Promise<void> {
    const { bucket, key } = parseFolder(folder);
    const prefix = key === "" ? "" : `${key}/`;
    outputOf(await abortUploads(this.#api, bucket, prefix, false), folder, WRITING);
  }

  /** An empty range: still of something that stands, and of that version. */
  async #nothingOf(uri: string, etag: string | undefined): Promise<Buffer> {
    const now = await this.look(uri);
    if (now === undefined) throw new SystemError("INPUT_NOT_FOUND", NO_OBJECT, { uri });
    if (etag === undefined || etag === now.etag) return Buffer.alloc(0);
    throw new SystemError("INPUT_CHANGED", `it is ${now.etag} now, ${etag} was meant`, { uri });
  }

  #listPage(bucket: string, prefix: string, token: string | undefined): Promise<Answer<ListPage>> {
    const from = token === undefined ? {} : { ContinuationToken: token };
    const input = { Bucket: bucket, Prefix: prefix, Delimiter: "/", ...from };
    return this.#api.insist(async () => {
      const answer = await this.#api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.ListObjectsV2Command(input), options),
      );
      if (answer.kind !== "done") return answer;
      const { Contents = [], IsTruncated, NextContinuationToken: next } = answer.output;
      // A list always says whether it goes on; an error under status 200 doesn't.
      const isList = IsTruncated === false || (IsTruncated === true && next !== undefined);
      if (!isList || (next !== undefined && next === token)) {
        return { kind: "unclear", what: "S3 sent a list without an end" };
      }
      const objects = Contents.flatMap(({ Key, Size = 0 }) =>
        Key === undefined ? [] : [{ key: Key, bytes: Size }],
      );
      return { kind: "done", output: { objects, next: IsTruncated ? next : undefined } };
    });
  }
}

interface ListPage {
  readonly objects: readonly { readonly key: string; readonly bytes: number }[];
  /** Where the next page begins; undefined behind the last. */
  readonly next: string | undefined;
}

const NO_OBJECT = "no such object, or no such bucket";

/** The output of what went well. @throws {SystemError} by the operation's codes. */
function outputOf<T>(answer: Answer<T>, uri: string, codes: Codes): T {
  switch (answer.kind) {
    case "done":
      return answer.output;
    case "refused":
      throw new SystemError(codes.refused, answer.what, { uri });
    case "unclear": {
      const seconds = S3_PATIENCE_MS / 1000;
      const what = `${answer.what}; it was asked again for up to ${seconds} s`;
      throw new SystemError(codes.unclear, what, { uri });
    }
    case "absent":
      throw new SystemError(codes.refused, NO_OBJECT, { uri });
    case "conflict":
    case "precondition":
    case "past-end":
    case "no-upload":
      throw new SystemError(codes.unclear, `S3 said ${answer.kind}`, { uri });
    default:
      return answer satisfies never;
  }
}
