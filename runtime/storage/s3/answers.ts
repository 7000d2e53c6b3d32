/**
 * What an answer of S3 means for who asked. An error is one of a few kinds, told by status and
 * code; what it says beyond that isn't passed on, because errors of signatures quote headers that
 * hold secrets.
 */

/** What became of one request. */
export type Answer<T> =
  | { readonly kind: "done"; readonly output: T }
  /**
   * `precondition`: 412, it stands already, or is another version. `conflict`: another writer is
   * at it. `absent`: no such object. `past-end`: the range begins behind it. `no-upload`: that
   * upload isn't, or can't be finished.
   */
  | { readonly kind: "precondition" | "conflict" | "absent" | "past-end" | "no-upload" }
  /** It took place or not; the same may be asked again. */
  | { readonly kind: "unclear"; readonly what: string }
  /** Asking again won't help before a person has done something. */
  | { readonly kind: "refused"; readonly what: string };

export type Refusal = Exclude<Answer<never>, { readonly kind: "done" }>;

/** The part of the SDK's errors that counts. */
interface Thrown {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly statusCode?: unknown; readonly headers?: unknown };
  readonly cause?: unknown;
}

/** 400s that come from a broken transfer, not from what was asked. */
const BROKEN = new Set([
  ...["RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"],
  ...["XAmzContentChecksumMismatch", "InvalidDigest", "RequestTimeoutException"],
]);
const UPLOAD_GONE = new Set(["NoSuchUpload", "InvalidPart", "InvalidPartOrder"]);
const ELSEWHERE = new Set([
  ...["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"],
]);
const BUSY = new Set(["SlowDown", "ServiceUnavailable", "InternalError", "TooManyRequests"]);
const WRONG_KEY = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"]);
/** The code of S3 for a clock that is off: the SDK corrects itself by its answer. */
const SKEWED = new Set(["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]);
const CERTIFICATE = /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY))/;

/** What a thrown value of the SDK means. */
export function refusalOf(thrown: unknown): Refusal {
  const error: Thrown = typeof thrown === "object" && thrown !== null ? thrown : {};
  const status = error.$metadata?.httpStatusCode ?? error.$response?.statusCode;
  const code = textOf(error.Code) ?? textOf(error.name) ?? "";
  if (typeof status !== "number") return withoutAnswer(error, code);
  if (BUSY.has(code)) return { kind: "unclear", what: `S3 said ${status} ${code}` };
  // A body that is no answer, under a status that says it went well.
  if (status < 300) return { kind: "unclear", what: `S3 said ${status} and ${nameOr(code)}` };
  if (status < 400) return elsewhere(error, status);
  return ofStatus(error, status, code);
}

/** Whether it was refused because the clocks differ. */
export function isSkewed(thrown: unknown): boolean {
  const { name, Code }: Thrown = typeof thrown === "object" && thrown !== null ? thrown : {};
  return SKEWED.has(textOf(name) ?? "") || SKEWED.has(textOf(Code) ?? "");
}

function ofStatus(error: Thrown, status: number, code: string): Refusal {
  if (UPLOAD_GONE.has(code)) return { kind: "no-upload" };
  if (ELSEWHERE.has(code)) return elsewhere(error, status);
  if (status === 412) return { kind: "precondition" };
  if (status === 409) return { kind: "conflict" };
  if (status === 416) return { kind: "past-end" };
  // Some stores say 404 to a key that they don't know.
  if (WRONG_KEY.has(code)) return refused(adviceOf(status, code));
  if (status === 404) return code === "NoSuchBucket" ? refused(NO_BUCKET) : { kind: "absent" };
  const isBroken = status === 400 && BROKEN.has(code);
  if (isBroken || status === 408 || status === 429 || (status >= 500 && status !== 501)) {
    return { kind: "unclear", what: `S3 said ${status} ${nameOr(code)}` };
  }
  return refused(adviceOf(status, code));
}

const NO_BUCKET = "there is no such bucket: make it, or name another one";

/** What a person can do about it. */
function adviceOf(status: number, code: string): string {
  const said = `S3 said ${status} ${nameOr(code)}`;
  if (WRONG_KEY.has(code)) {
    return `the credentials are wrong (${code}): look at AWS_ACCESS_KEY_ID or AWS_PROFILE`;
  }
  if (code === "ExpiredToken" || code === "TokenRefreshRequired") {
    return "the credentials have expired: get new ones";
  }
  if (SKEWED.has(code)) return "this machine's clock is off by minutes: set it";
  if (status === 403) {
    return (
      `access is denied (${nameOr(code)}): the credentials need s3:GetObject, s3:PutObject, ` +
      "s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket there"
    );
  }
  if (status === 501) return `${said}: this store lacks an operation that is needed`;
  return said;
}

function elsewhere(error: Thrown, status: number): Refusal {
  const headers = error.$response?.headers;
  const told =
    typeof headers === "object" && headers !== null && "x-amz-bucket-region" in headers
      ? textOf(headers["x-amz-bucket-region"])
      : textOf(error.Region);
  const where = told === undefined || !/^[a-z0-9-]+$/.test(told) ? "the bucket's" : told;
  return refused(`the bucket lies in another region (${status}): set AWS_REGION to ${where}`);
}

/** Nothing was answered: it wasn't sent, or got lost on either way. */
function withoutAnswer(error: Thrown, name: string): Refusal {
  if (name === "CredentialsProviderError" || name === "TokenProviderError") {
    return refused(
      "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    );
  }
  if (error instanceof Error && /region is missing/i.test(error.message)) {
    return refused("no region is set: set AWS_REGION");
  }
  const code = textOf(error.code) ?? name;
  if (CERTIFICATE.test(code)) return refused(`its certificate isn't trusted (${code})`);
  if (code === "AbortError") return { kind: "unclear", what: "S3 didn't answer in time" };
  return { kind: "unclear", what: `the connection to S3 failed (${nameOr(code)})` };
}

function refused(what: string): Refusal {
  return { kind: "refused", what };
}

function nameOr(code: string): string {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(code) ? code : "no code";
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
