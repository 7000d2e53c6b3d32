/**
 * Tokens of transfers: 32 random bytes, good once, soon, for one asker. Only their hashes are kept,
 * so that a look-up tells nobody how near a guess was; a token is burnt before it is acted upon.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../runtime/clock.ts";
import { SystemError } from "../../runtime/errors.ts";
import type { Identity } from "../../runtime/ids.ts";
import { TRANSFER_TOKEN_MS } from "../../runtime/transfer/limits.ts";
import { TOKEN_BYTES } from "../../runtime/transfer/wire.ts";
import { TOKENS_PER_ASKER_MAX } from "./limits.ts";

interface Kept<Ticket> {
  readonly ticket: Ticket;
  readonly asker: Identity;
  readonly untilMs: number;
}

export class Tokens<Ticket> {
  readonly #clock: Clock;
  readonly #onLapsed: (ticket: Ticket) => void;
  /** By hash, the first to lapse first: all last equally long. */
  readonly #kept = new Map<string, Kept<Ticket>>();
  readonly #ofAsker = new Map<Identity, number>();

  /** @param onLapsed - hears of a ticket that nobody used. */
  constructor(clock: Clock, onLapsed: (ticket: Ticket) => void) {
    this.#clock = clock;
    this.#onLapsed = onLapsed;
  }

  /** @throws {SystemError} OVERLOADED when the asker holds TOKENS_PER_ASKER_MAX. */
  mint(asker: Identity, ticket: Ticket): Uint8Array {
    this.sweep();
    const held = this.#ofAsker.get(asker) ?? 0;
    if (held >= TOKENS_PER_ASKER_MAX) {
      throw new SystemError("OVERLOADED", `${asker} holds ${held} unused tokens of transfers`);
    }
    this.#ofAsker.set(asker, held + 1);
    const token = randomBytes(TOKEN_BYTES);
    const untilMs = this.#clock.now() + TRANSFER_TOKEN_MS;
    this.#kept.set(hashOf(token), { ticket, asker, untilMs });
    return new Uint8Array(token);
  }

  /**
   * What a token is good for; it is good no more, whoever shows it.
   * @throws {SystemError} NOT_AUTHORIZED for one that is unknown, used, too old or another's.
   */
  burn(token: Uint8Array, asker: Identity): Ticket {
    this.sweep();
    const hash = hashOf(token);
    const kept = this.#kept.get(hash);
    if (kept !== undefined) {
      this.#remove(hash, kept);
      if (kept.asker === asker) return kept.ticket;
      this.#onLapsed(kept.ticket);
    }
    throw new SystemError("NOT_AUTHORIZED", "the token is wrong, used, or too old");
  }

  /** Forgets those that are too old. */
  sweep(): void {
    const now = this.#clock.now();
    for (const [hash, kept] of this.#kept) {
      if (kept.untilMs > now) return;
      this.#remove(hash, kept);
      this.#onLapsed(kept.ticket);
    }
  }

  #remove(hash: string, { asker }: Kept<Ticket>): void {
    this.#kept.delete(hash);
    const held = (this.#ofAsker.get(asker) ?? 1) - 1;
    if (held === 0) this.#ofAsker.delete(asker);
    else this.#ofAsker.set(asker, held);
  }
}

function hashOf(token: Uint8Array): string {
  return createHash("sha256").update(token).digest("base64");
}
