/**
 * What a connection receives, asked for in the order of its coming: so many bytes whole, or so many
 * poured out as they come. One is asked for at a time. What comes before it is asked for waits, and
 * after a little of it the connection is read no further.
 */
import { SystemError } from "../errors.ts";

/** Bytes that wait here before the connection is read no further. */
const EARLY_BYTES = 16 * 1024;
/** Bytes that may be on their way all the same: what TLS has decrypted at once. */
const EARLY_BYTES_MAX = 1024 * 1024;

/** The connection that bytes come from. */
export interface Incoming {
  pause(): unknown;
  resume(): unknown;
  /** Ends it: what comes is of no use any more. */
  destroy(error?: Error): unknown;
}

interface Wanted {
  /** Still to come. */
  bytes: number;
  readonly pour: (chunk: Uint8Array) => void;
  readonly settle: (error?: SystemError) => void;
}

export class Inbound {
  readonly #incoming: () => Incoming | undefined;
  #wanted: Wanted | undefined;
  #early: Uint8Array = new Uint8Array(0);
  #failed: SystemError | undefined;

  /** @param incoming - undefined while it isn't open yet. */
  constructor(incoming: () => Incoming | undefined) {
    this.#incoming = incoming;
  }

  /** Bytes that came; not kept after the call. */
  take(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const wanted = this.#wanted;
      if (wanted === undefined) return this.#keep(rest);
      const now = rest.subarray(0, wanted.bytes);
      rest = rest.subarray(now.length);
      wanted.bytes -= now.length;
      if (!this.#pour(wanted, now)) return;
    }
  }

  /** The next `bytes`, whole. @throws {SystemError} what `fail` says. */
  async read(bytes: number): Promise<Buffer> {
    const whole = Buffer.alloc(bytes);
    let at = 0;
    await this.pour(bytes, (chunk) => {
      whole.set(chunk, at);
      at += chunk.length;
    });
    return whole;
  }

  /**
   * The next `bytes`, as they come.
   * @param pour - doesn't keep a chunk; what it throws is what this throws.
   */
  pour(bytes: number, pour: (chunk: Uint8Array) => void): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    if (bytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (error?: SystemError): void => {
        this.#wanted = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#wanted = { bytes, pour, settle };
      const early = this.#early;
      this.#early = new Uint8Array(0);
      this.take(early);
      const isRead = early.length > EARLY_BYTES && this.#early.length <= EARLY_BYTES;
      if (isRead) this.#incoming()?.resume();
    });
  }

  /** Nothing comes any more. */
  fail(error: SystemError): void {
    this.#failed ??= error;
    this.#wanted?.settle(this.#failed);
  }

  #pour(wanted: Wanted, chunk: Uint8Array): boolean {
    try {
      wanted.pour(chunk);
    } catch (thrown) {
      // What comes behind it is of no use: its beginning is lost.
      const error =
        thrown instanceof SystemError
          ? thrown
          : new SystemError("INTERNAL", "what came couldn't be taken", {}, thrown);
      this.#end(error);
      return false;
    }
    if (wanted.bytes === 0) wanted.settle();
    return true;
  }

  #keep(bytes: Uint8Array): void {
    if (this.#failed !== undefined) return;
    this.#early = Buffer.concat([this.#early, bytes]);
    if (this.#early.length > EARLY_BYTES_MAX) {
      this.#end(new SystemError("TRANSFER_FAILED", "more bytes came than were asked for"));
    } else if (this.#early.length > EARLY_BYTES) this.#incoming()?.pause();
  }

  #end(error: SystemError): void {
    this.fail(error);
    this.#early = new Uint8Array(0);
    this.#incoming()?.destroy(error);
  }
}
