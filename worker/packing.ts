/** Many messages a frame between an agent and its executor. */
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { FRAME_ITEMS_MAX } from "../runtime/limits.ts";

/**
 * Collects messages and sends them in as few frames as they fit in, in their order: at the end of
 * the turn, or when told to.
 */
export class Packer<Message> {
  readonly #send: (messages: readonly Message[]) => void;
  readonly #refuse: (message: Message, error: SystemError) => void;
  #waiting: Message[] = [];
  #scheduled = false;

  /**
   * @param send - sends one frame; throws FRAME_TOO_LARGE or NOT_SERIALIZABLE when it can't.
   * @param refuse - gets a message that doesn't fit a frame by itself.
   */
  constructor(
    send: (messages: readonly Message[]) => void,
    refuse: (message: Message, error: SystemError) => void,
  ) {
    this.#send = send;
    this.#refuse = refuse;
  }

  add(message: Message): void {
    this.#waiting.push(message);
    if (this.#waiting.length >= FRAME_ITEMS_MAX) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
  }

  flush(): void {
    this.#scheduled = false;
    const messages = this.#waiting;
    this.#waiting = [];
    if (messages.length > 0) this.#pack(messages);
  }

  #pack(messages: readonly Message[]): void {
    try {
      this.#send(messages);
    } catch (thrown) {
      const error = toSystemError(thrown);
      const [first] = messages;
      if (first === undefined) return;
      if (messages.length === 1) {
        this.#refuse(first, error);
        return;
      }
      const half = messages.length >> 1;
      this.#pack(messages.slice(0, half));
      this.#pack(messages.slice(half));
    }
  }
}
