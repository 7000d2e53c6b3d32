/**
 * Frames both ways over one open socket. It knows where a frame ends and nothing of what is in
 * it; a stream that breaks the format, or a receiver that refuses a frame, ends the channel and
 * no more.
 */
import type { Socket } from "node:net";
import { SystemError } from "../errors.ts";
import { SOCKET_BUFFERED_BYTES_MAX, SOCKET_CLOSE_MS } from "../limits.ts";
import { Deframer } from "./deframer.ts";

/** What happened on a process's sockets since it started. */
export interface SocketCounters {
  /** Connections whose token was right. */
  accepted: number;
  /** Connections closed for a wrong token, or for none in time. */
  refused: number;
  /** Channels closed for bytes that are no frame. */
  invalidFrames: number;
  framesReceived: number;
  framesSent: number;
}

export function newSocketCounters(): SocketCounters {
  return { accepted: 0, refused: 0, invalidFrames: 0, framesReceived: 0, framesSent: 0 };
}

/**
 * A channel's end: undefined when either side closed it between frames, as a dying process does
 * too.
 */
export type CloseReason = SystemError | undefined;

/**
 * One open connection.
 *
 * Nothing is read before `onFrame` is set, so that no frame is lost; `onClose` is called exactly
 * once.
 */
export class Channel {
  readonly #socket: Socket;
  readonly #counters: SocketCounters;
  readonly #deframer: Deframer;
  #frameHandler: (frame: Uint8Array) => void = () => {};
  #closeHandler: ((reason: CloseReason) => void) | undefined;
  #drainHandler: () => void = () => {};
  #reason: CloseReason;
  #closing = false;
  #closed = false;

  /**
   * @param socket - open, paused, past its hello; the channel owns it.
   * @param early - bytes that came behind the hello.
   */
  constructor(socket: Socket, counters: SocketCounters, early: Buffer) {
    this.#socket = socket;
    this.#counters = counters;
    this.#deframer = new Deframer((frame) => {
      // A handler may close the channel amid a chunk; the frames behind aren't its business any
      // more.
      if (this.#closing) return;
      counters.framesReceived++;
      this.#frameHandler(frame);
    });
    if (early.length > 0) socket.unshift(early);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.pause();
    socket.on("drain", () => this.#drainHandler());
    socket.on("error", (error) => {
      this.#reason ??= new SystemError("SOCKET_FAILED", error.message, {}, error);
    });
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#onClosed());
  }

  /** Bytes accepted by `send` that haven't left this process. */
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get isOpen(): boolean {
    return !this.#closing;
  }

  /**
   * Sends a whole frame; the channel owns its memory from here on.
   *
   * @returns false when the sender should wait for `onDrain`: the frame is sent all the same. On a
   * closed channel it is dropped; `onClose` tells.
   */
  send(frame: Uint8Array): boolean {
    if (this.#closing) return false;
    this.#counters.framesSent++;
    const goOn = this.#socket.write(frame);
    if (this.#socket.writableLength > SOCKET_BUFFERED_BYTES_MAX) {
      this.close(new SystemError("INTERNAL", "the sender doesn't heed a socket's back-pressure"));
    }
    return goOn;
  }

  /**
   * Starts reading. The handler gets each frame undecoded and may keep it. A FRAME_... error that
   * it throws closes the channel; any other is ours and isn't caught.
   */
  onFrame(handler: (frame: Uint8Array) => void): void {
    this.#frameHandler = handler;
    this.#socket.resume();
  }

  /** Called once when the channel has closed, also if that was before. */
  onClose(handler: (reason: CloseReason) => void): void {
    this.#closeHandler = handler;
    if (this.#closed) queueMicrotask(() => handler(this.#reason));
  }

  /** Called whenever all that waited has left after `send` returned false. */
  onDrain(handler: () => void): void {
    this.#drainHandler = handler;
  }

  /**
   * Ends the channel: at once with a reason, else after what waits has left, within
   * SOCKET_CLOSE_MS. Nothing is received any more.
   */
  close(reason?: SystemError): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reason ??= reason;
    if (reason !== undefined) {
      this.#socket.destroy();
      return;
    }
    // Read to the other side's end: a socket closed over unread bytes is a reset to it.
    this.#socket.resume();
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), SOCKET_CLOSE_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #onData(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      this.#deframer.push(chunk);
    } catch (thrown) {
      if (!(thrown instanceof SystemError) || !thrown.code.startsWith("FRAME_")) throw thrown;
      this.#counters.invalidFrames++;
      this.close(thrown);
    }
  }

  #onEnd(): void {
    const bytes = this.#deframer.partialBytes;
    const wasClosing = this.#closing;
    // The socket answers an end with its own; nothing can be sent any more.
    this.#closing = true;
    if (bytes === 0 || wasClosing) return;
    this.#counters.invalidFrames++;
    this.#reason ??= new SystemError(
      "FRAME_INVALID",
      `the stream ended ${bytes} bytes into a frame`,
    );
  }

  #onClosed(): void {
    this.#closing = true;
    this.#closed = true;
    this.#closeHandler?.(this.#reason);
  }
}
