/**
 * The bytes of a transfer on its connection. Request: 40 bytes, magic u32, version u8, op u8, zero
 * u16, token [32]; a put's header (128 bytes) follows. Reply: 12 bytes, magic u32, version u8,
 * status u8, zero u16, length u32 of the words behind it, a refusal's. A get's reply is followed by
 * the object: its header and payload. A put is answered twice: room is there, and it is sealed.
 * After the last byte of one transfer the next may begin.
 */
import { ERRORS, type ErrorCode, SystemError } from "../errors.ts";
import { TRANSFER_REFUSAL_BYTES_MAX } from "./limits.ts";

export const TOKEN_BYTES = 32;
export const REQUEST_BYTES = 8 + TOKEN_BYTES;
export const REPLY_BYTES = 12;

const MAGIC = 0x5254474c;
const VERSION = 1;
const OPS = ["get", "put"] as const;

export interface TransferRequest {
  readonly op: (typeof OPS)[number];
  /** Good once, for one object and one asker. */
  readonly token: Uint8Array;
}

/** 40 bytes. */
export function encodeRequest({ op, token }: TransferRequest): Buffer {
  const bytes = Buffer.alloc(REQUEST_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes[5] = OPS.indexOf(op);
  bytes.set(token, 8);
  return bytes;
}

/** @throws {SystemError} TRANSFER_FAILED for what is no request. */
export function decodeRequest(bytes: Buffer): TransferRequest {
  const op = OPS[bytes[5] ?? OPS.length];
  check(bytes);
  if (op === undefined) throw new SystemError("TRANSFER_FAILED", "no request of an object");
  return { op, token: bytes.subarray(8, REQUEST_BYTES) };
}

/** "Go on", or why not. */
export function encodeReply(error?: SystemError): Buffer {
  const words = error === undefined ? Buffer.alloc(0) : wordsOf(error);
  const bytes = Buffer.alloc(REPLY_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes[4] = VERSION;
  bytes[5] = error === undefined ? 0 : 1;
  bytes.writeUInt32LE(words.length, 8);
  return Buffer.concat([bytes, words]);
}

/**
 * How many bytes of a refusal follow; 0: it goes on.
 * @throws {SystemError} TRANSFER_FAILED for what is no reply.
 */
export function refusalBytesOf(bytes: Buffer): number {
  check(bytes);
  const length = bytes.readUInt32LE(8);
  const isRefusal = bytes[5] === 1;
  if (isRefusal === length > 0 && length <= TRANSFER_REFUSAL_BYTES_MAX) return length;
  throw new SystemError("TRANSFER_FAILED", "the other side's answer is none");
}

/** A refusal's words as the error they say. */
export function refusalOf(bytes: Buffer): SystemError {
  const [code = "", ...what] = bytes.toString("utf8").split("\n");
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "TRANSFER_FAILED";
  return new SystemError(known, what.join("\n"));
}

function wordsOf({ code, what }: SystemError): Buffer {
  return Buffer.from(`${code}\n${what.slice(0, TRANSFER_REFUSAL_BYTES_MAX / 8)}`);
}

function check(bytes: Buffer): void {
  if (bytes.readUInt32LE(0) === MAGIC && bytes[4] === VERSION) return;
  throw new SystemError("TRANSFER_FAILED", "the other side speaks no transfer of this version");
}
