/**
 * Creation of an object, if its name is free: one conditional PUT, or a multipart upload with a
 * conditional end. An answer that is lost or strange is never trusted and never simply repeated:
 * what stands is looked at first. Every creation has a number of its own in the object's metadata,
 * so that a writer whose answer was lost knows its own object from another's equal one.
 */
import { createHash, randomBytes } from "node:crypto";
import { S3_ABORT_MS, S3_PART_BYTES, S3_PARTS_IN_FLIGHT, S3_PUT_BYTES_MAX } from "../../limits.ts";
import type { CreateOutcome } from "../local.ts";
import type { S3Name } from "../uri.ts";
import type { Answer } from "./answers.ts";
import type { Effort, S3Api } from "./client.ts";
import { headOf, META_SHA256, META_WRITER, readWhole } from "./read.ts";

type Part = { readonly PartNumber: number; readonly ETag: string; readonly ChecksumSHA256: string };
type Settled = Answer<CreateOutcome>;

/** Creates an object unless it stands; all that is unclear is resolved, as far as S3 answers. */
export async function create(api: S3Api, name: S3Name, bytes: Uint8Array): Promise<Settled> {
  const creation = new Creation(api, name, bytes);
  try {
    return await creation.run();
  } finally {
    await creation.clean();
  }
}

class Creation {
  readonly #api: S3Api;
  readonly #target: { readonly Bucket: string; readonly Key: string };
  readonly #name: S3Name;
  readonly #bytes: Uint8Array;
  readonly #sha256: Buffer;
  readonly #writer = randomBytes(12).toString("hex");
  readonly #effort: Effort;
  /** Whether an upload may have been begun whose id never came. */
  #isIdLost = false;

  constructor(api: S3Api, name: S3Name, bytes: Uint8Array) {
    this.#api = api;
    this.#name = name;
    this.#target = { Bucket: name.bucket, Key: name.key };
    this.#bytes = bytes;
    this.#sha256 = createHash("sha256").update(bytes).digest();
    this.#effort = api.effort();
  }

  async run(): Promise<Settled> {
    const isLarge = this.#bytes.length > S3_PUT_BYTES_MAX;
    for (let tried = 1; ; tried += 1) {
      const answer = isLarge ? await this.#upload() : await this.#put();
      if (answer.kind === "done" || answer.kind === "refused") return answer;
      const standing = await this.#standing();
      if (standing.kind !== "absent") return standing;
      if (!(await this.#effort.next(tried))) return nameless(answer);
    }
  }

  /** Once the name stands no other upload of it can win: one whose id was lost goes too. */
  async clean(): Promise<void> {
    if (this.#isIdLost) await abortUploads(this.#api, this.#name.bucket, this.#name.key, true);
  }

  async #put(): Promise<Settled> {
    const input = {
      ...this.#target,
      Body: this.#bytes,
      ContentLength: this.#bytes.length,
      ChecksumSHA256: this.#sha256.toString("base64"),
      Metadata: this.#metadata(),
      IfNoneMatch: "*",
    };
    const answer = await this.#api.ask(
      ({ s3, sdk, options }) => s3.send(new sdk.PutObjectCommand(input), options),
      this.#bytes.length,
    );
    return createdBy(answer, (output) => output.ETag);
  }

  #metadata(): Record<string, string> {
    return { [META_SHA256]: this.#sha256.toString("hex"), [META_WRITER]: this.#writer };
  }

  /** What stands under the name, compared with what was to. */
  async #standing(): Promise<Settled> {
    const head = await headOf(this.#api, this.#name);
    if (head.kind !== "done") return head;
    const { bytes, sha256, writer } = head.output;
    if (writer === this.#writer) return { kind: "done", output: "created" };
    if (bytes !== this.#bytes.length) return { kind: "done", output: "other" };
    const digest = this.#sha256.toString("hex");
    if (sha256 !== undefined) {
      return { kind: "done", output: sha256 === digest ? "same" : "other" };
    }
    const read = await readWhole(this.#api, this.#name);
    if (read.kind !== "done") return read;
    return { kind: "done", output: read.output.equals(this.#bytes) ? "same" : "other" };
  }

  async #upload(): Promise<Settled> {
    const begun = await this.#begin();
    if (begun.kind !== "done") return begun;
    const uploadId = begun.output;
    let settled: Settled | undefined;
    try {
      const parts = await this.#sendParts(uploadId);
      settled = parts.kind === "done" ? await this.#complete(uploadId, parts.output) : parts;
      return settled;
    } finally {
      if (settled?.kind !== "done") await abort(this.#api, { ...this.#target, uploadId });
    }
  }

  #begin(): Promise<Answer<string>> {
    const input = {
      ...this.#target,
      ChecksumAlgorithm: "SHA256" as const,
      Metadata: this.#metadata(),
    };
    return this.#api.insist(async () => {
      const answer = await this.#api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.CreateMultipartUploadCommand(input), options),
      );
      const uploadId = answer.kind === "done" ? answer.output.UploadId : undefined;
      if (uploadId !== undefined) return { kind: "done", output: uploadId };
      if (answer.kind === "unclear" || answer.kind === "done") this.#isIdLost = true;
      return answer.kind === "done" ? { kind: "unclear", what: "S3 sent no upload id" } : answer;
    }, this.#effort);
  }

  /** All parts, a few at a time; the first that can't be sent ends them. */
  async #sendParts(uploadId: string): Promise<Answer<readonly Part[]>> {
    const count = Math.ceil(this.#bytes.length / S3_PART_BYTES);
    const parts: Part[] = [];
    let failure: Exclude<Answer<Part>, { kind: "done" }> | undefined;
    let next = 0;
    const send = async (): Promise<void> => {
      while (next < count && failure === undefined) {
        const index = next++;
        const answer = await this.#sendPart(uploadId, index);
        if (answer.kind === "done") parts[index] = answer.output;
        else failure ??= answer;
      }
    };
    await Promise.all(Array.from({ length: S3_PARTS_IN_FLIGHT }, send));
    return failure ?? { kind: "done", output: parts };
  }

  #sendPart(UploadId: string, index: number): Promise<Answer<Part>> {
    const Body = this.#bytes.subarray(index * S3_PART_BYTES, (index + 1) * S3_PART_BYTES);
    const ChecksumSHA256 = createHash("sha256").update(Body).digest("base64");
    const PartNumber = index + 1;
    const length = { ContentLength: Body.length };
    const input = { ...this.#target, UploadId, PartNumber, Body, ChecksumSHA256, ...length };
    return this.#api.insist(async () => {
      const answer = await this.#api.ask(
        ({ s3, sdk, options }) => s3.send(new sdk.UploadPartCommand(input), options),
        Body.length,
      );
      if (answer.kind !== "done") return answer;
      const { ETag } = answer.output;
      if (ETag === undefined) return { kind: "unclear", what: "S3 sent no ETag of a part" };
      return { kind: "done", output: { PartNumber, ETag, ChecksumSHA256 } };
    }, this.#effort);
  }

  /** Makes the object of its parts. A lost answer is looked for before it is asked again. */
  async #complete(UploadId: string, parts: readonly Part[]): Promise<Settled> {
    const input = {
      ...this.#target,
      UploadId,
      MultipartUpload: { Parts: [...parts] },
      IfNoneMatch: "*",
    };
    for (let tried = 1; ; tried += 1) {
      const answer = await this.#api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.CompleteMultipartUploadCommand(input), options),
      );
      const settled = createdBy(answer, (output) => output.ETag);
      if (settled.kind !== "unclear") return settled;
      const standing = await this.#standing();
      if (standing.kind === "done" && standing.output === "created") return standing;
      // Another's stands, or nothing can be said: ours is given up by whoever called.
      if (standing.kind !== "absent" || !(await this.#effort.next(tried))) return settled;
    }
  }
}

/** Created, if the answer says so and has what such an answer has. */
function createdBy<T>(answer: Answer<T>, etagOf: (output: T) => string | undefined): Settled {
  if (answer.kind !== "done") return answer;
  if (etagOf(answer.output) !== undefined) return { kind: "done", output: "created" };
  return { kind: "unclear", what: "S3 said 200 without an ETag" };
}

/** Why nothing stands after all tries. */
function nameless(answer: Exclude<Settled, { kind: "done" | "refused" }>): Settled {
  if (answer.kind === "unclear") return answer;
  return { kind: "unclear", what: `S3 said ${answer.kind}, and nothing stands there` };
}

/** An upload's parts go; it isn't an error when they don't, for a sweep finds them. */
async function abort(
  api: S3Api,
  { Bucket, Key, uploadId }: { readonly Bucket: string; readonly Key: string; uploadId: string },
): Promise<void> {
  const input = { Bucket, Key, UploadId: uploadId };
  await api.insist(
    () =>
      api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.AbortMultipartUploadCommand(input), options),
      ),
    api.effort(S3_ABORT_MS),
  );
}

/**
 * Ends the unfinished uploads of one key, or of all keys directly in a folder.
 * @param prefix - the key, or the folder's with its slash.
 * @param isKey - which of the two it is.
 */
export async function abortUploads(
  api: S3Api,
  bucket: string,
  prefix: string,
  isKey: boolean,
): Promise<Answer<void>> {
  let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const input = { Bucket: bucket, Prefix: prefix, Delimiter: "/", ...markers };
    const answer = await api.insist(() =>
      api.ask(({ s3, sdk, options }) =>
        s3.send(new sdk.ListMultipartUploadsCommand(input), options),
      ),
    );
    if (answer.kind !== "done") return answer;
    const { Uploads = [], IsTruncated, NextKeyMarker, NextUploadIdMarker } = answer.output;
    for (const { Key, UploadId } of Uploads) {
      if (Key === undefined || UploadId === undefined || (isKey && Key !== prefix)) continue;
      await abort(api, { Bucket: bucket, Key, uploadId: UploadId });
    }
    const isMore = IsTruncated === true && NextKeyMarker !== undefined;
    if (!isMore) return { kind: "done", output: undefined };
    markers = {
      KeyMarker: NextKeyMarker,
      ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
    };
  }
}
