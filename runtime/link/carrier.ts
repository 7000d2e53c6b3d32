/**
 * What carries a link's frames to the other process: at most once, perhaps out of order. A link
 * keeps its carrier for life; many links may share one.
 */

export interface Carrier {
  readonly kind: "socket" | "nats" | "simulated";
  /** Takes a whole frame, which isn't changed any more; a closed carrier drops it. */
  send(frame: Uint8Array): void;
  /** Bytes taken that haven't left this process. */
  readonly bufferedBytes: number;
  close(): void;
}

/** What a carrier needs of a socket's channel. */
interface ChannelEnd {
  send(frame: Uint8Array): unknown;
  readonly bufferedBytes: number;
  close(): void;
}

/** The socket between two processes of one machine; it ends with its links. */
export function socketCarrier(channel: ChannelEnd): Carrier {
  return {
    kind: "socket",
    send: (frame) => void channel.send(frame),
    get bufferedBytes() {
      return channel.bufferedBytes;
    },
    close: () => channel.close(),
  };
}

/** An executor's way to the bus: its agent forwards. The channel isn't the links' to close. */
export function agentCarrier(channel: ChannelEnd): Carrier {
  return {
    kind: "nats",
    send: (frame) => void channel.send(frame),
    get bufferedBytes() {
      return channel.bufferedBytes;
    },
    close: () => {},
  };
}

/** The bus itself, for a process that holds a key. @param publish - drops while disconnected. */
export function busCarrier(publish: (frame: Uint8Array) => void): Carrier {
  // The client's own buffer is flushed each turn; what the server can't take is dropped and resent.
  return { kind: "nats", send: publish, bufferedBytes: 0, close: () => {} };
}
