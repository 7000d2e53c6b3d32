/**
 * What executors' user code had started when they ended: it ends with them, as with a machine that
 * is switched off. Found by what it inherited, because its parent is gone; a look reads the
 * environment of every process of this user, so that those of many executors share one.
 */
import { toSystemError } from "../../runtime/errors.ts";
import { ORPHANS_MS } from "../../runtime/limits.ts";
import { sweep } from "../../runtime/processes.ts";
import { EXECUTOR_VARIABLE } from "../executors.ts";

export class Orphans {
  #waiting: string[] = [];
  #isBusy = false;

  /** An executor is gone: soon what it started is too. */
  end(id: string): void {
    this.#waiting.push(`${EXECUTOR_VARIABLE}=${id}`);
    if (this.#isBusy) return;
    this.#isBusy = true;
    setTimeout(() => void this.#sweep(), ORPHANS_MS);
  }

  async #sweep(): Promise<void> {
    const entry = this.#waiting;
    this.#waiting = [];
    try {
      await sweep({ entry }, { graceMs: 0 });
    } catch (thrown) {
      process.stderr.write(`processes of ended executors: ${toSystemError(thrown).message}\n`);
    }
    if (this.#waiting.length > 0) setTimeout(() => void this.#sweep(), ORPHANS_MS);
    else this.#isBusy = false;
  }
}
