/**
 * Lines about what was refused. Whoever sends broken frames decides how many come, so that the
 * lines of a second are bounded; all are counted.
 */
import { REFUSAL_LINES_MAX } from "./limits.ts";

const SECOND = 1_000;

export interface RefusalPorts {
  /** Takes a line with its end. */
  readonly write: (line: string) => void;
  /** Milliseconds; never goes back. */
  readonly now: () => number;
}

const standard: RefusalPorts = {
  write: (line) => void process.stderr.write(line),
  now: () => performance.now(),
};

export class RefusalLog {
  /** Refusals since the process started. */
  count = 0;
  readonly #ports: RefusalPorts;
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unsaid = 0;

  constructor(ports: RefusalPorts = standard) {
    this.#ports = ports;
  }

  /** Something was refused; it is said unless REFUSAL_LINES_MAX were said within this second. */
  note(what: string): void {
    this.count++;
    const now = this.#ports.now();
    if (now - this.#since >= SECOND) {
      this.#since = now;
      this.#lines = 0;
    }
    if (this.#lines >= REFUSAL_LINES_MAX) {
      this.#unsaid++;
      return;
    }
    this.#lines++;
    const more = this.#unsaid === 0 ? "" : ` (and ${this.#unsaid} more before)`;
    this.#unsaid = 0;
    this.#ports.write(`refused ${what}${more}\n`);
  }
}
