/**
 * Names of storage: an absolute path, or `s3://bucket/key`. One grammar and one builder, so that no
 * key is ever put together, or taken apart, in two ways. A key is meant literally: nothing in it is
 * decoded, and what somebody else might decode into another name is refused.
 */
import { isAbsolute, join } from "node:path";
import { SystemError } from "../errors.ts";
import { S3_KEY_BYTES_MAX } from "../limits.ts";

const SCHEME = "s3://";
/** A bucket's name, as S3 has allowed them since 2018. */
const BUCKET = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Slashes, backslashes and dots that somebody might decode. */
const ENCODED = /%(?:2f|5c|2e)/i;

/** An object, or, with an empty key, a whole bucket. */
export interface S3Name {
  readonly bucket: string;
  /** Parts joined by `/`, none of them empty, `.` or `..`; at most 1,024 bytes of UTF-8. */
  readonly key: string;
}

/** Whether a name lies in S3, by its scheme alone. */
export function isS3(uri: string): boolean {
  return uri.startsWith(SCHEME);
}

/**
 * An object's bucket and key. @throws {SystemError} USAGE for anything that isn't exactly one.
 */
export function parseObject(uri: string): S3Name {
  const name = parse(uri, uri.slice(SCHEME.length));
  if (name.key === "") throw refused(uri, "it names a bucket, not an object in it");
  return name;
}

/**
 * A folder's bucket and key; one slash may end it, and a bucket is a folder as well.
 * @throws {SystemError} USAGE.
 */
export function parseFolder(uri: string): S3Name {
  return parse(uri, uri.slice(SCHEME.length).replace(/\/$/, ""));
}

/**
 * The name of what lies in a folder.
 * @param names - single parts, or several with `/` between; none is empty, `.` or `..`.
 * @throws {SystemError} USAGE.
 */
export function joinUri(base: string, ...names: readonly string[]): string {
  const parts = names.flatMap((name) => name.split("/"));
  const problem = parts.map(partProblem).find((found) => found !== undefined);
  if (problem !== undefined) throw refused(`${base} + ${names.join("/")}`, problem);
  if (!isS3(base)) return join(base, ...parts);
  const { bucket, key } = parseFolder(base);
  const joined = `${SCHEME}${[bucket, ...(key === "" ? [] : [key]), ...parts].join("/")}`;
  parseFolder(joined);
  return joined;
}

/**
 * Checks a name of either kind.
 * @throws {SystemError} USAGE when it is neither an absolute path nor a name in S3.
 */
export function checkUri(uri: string): void {
  if (isS3(uri)) parseFolder(uri);
  else if (!isAbsolute(uri)) throw refused(uri, "it is neither an absolute path nor s3://");
  else if (uri.includes("\0")) throw refused(uri, "it holds a NUL");
}

/** Whether a name is of either kind. */
export function isUri(uri: string): boolean {
  try {
    checkUri(uri);
    return true;
  } catch {
    return false;
  }
}

function parse(uri: string, rest: string): S3Name {
  if (!isS3(uri)) throw refused(uri, "it doesn't begin with s3://");
  const slash = rest.indexOf("/");
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  const key = slash < 0 ? "" : rest.slice(slash + 1);
  if (!BUCKET.test(bucket)) throw refused(uri, "that is no name of a bucket");
  if (slash >= 0) {
    const problem = key
      .split("/")
      .map(partProblem)
      .find((found) => found !== undefined);
    if (problem !== undefined) throw refused(uri, problem);
    if (ENCODED.test(key)) throw refused(uri, "its key holds an encoded slash or dot");
  }
  if (Buffer.byteLength(key) > S3_KEY_BYTES_MAX) {
    throw refused(uri, `its key is over ${S3_KEY_BYTES_MAX} bytes`);
  }
  return { bucket, key };
}

/** What makes a part of a name unfit, in folders and S3 alike. */
function partProblem(part: string): string | undefined {
  if (part === "") return "it holds an empty part";
  if (part === "." || part === "..") return `it holds the part ${part}`;
  if (/\p{Cc}/u.test(part)) return "it holds a control character";
  return part.isWellFormed() ? undefined : "it isn't well-formed Unicode";
}

function refused(uri: string, why: string): SystemError {
  return new SystemError("USAGE", `no usable name: ${why}`, { uri: printable(uri) });
}

/** A name that steers no terminal. */
function printable(uri: string): string {
  return uri.slice(0, 2 * S3_KEY_BYTES_MAX).replaceAll(/\p{Cc}/gu, "?");
}
