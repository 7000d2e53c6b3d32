/** Folders of attempts that heads and nodes share: names are made once, but for the heartbeat. */
import type { AttemptFile, AttemptFiles } from "../../../head/slurm/attempt/files.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { NEVER, type SimProcess } from "../core/process.ts";
import type { Random } from "../core/random.ts";
import type { StorageFaults } from "./storage.ts";

const CALL_MS = 1;

export class SharedFiles {
  readonly #texts = new Map<string, string>();
  readonly #faults: StorageFaults;
  readonly #random: Random;

  constructor(faults: StorageFaults, random: Random) {
    this.#faults = faults;
    this.#random = random;
  }

  /** The text that stands then. */
  create(folder: string, name: AttemptFile, text: string): string {
    const uri = `${folder}/${name}`;
    const standing = this.#texts.get(uri) ?? text;
    this.#texts.set(uri, standing);
    return standing;
  }

  read(folder: string, name: AttemptFile): string | undefined {
    return this.#texts.get(`${folder}/${name}`);
  }

  /** Of the heartbeat alone. */
  replace(folder: string, name: "heartbeat", text: string): void {
    this.#texts.set(`${folder}/${name}`, text);
  }

  /** As a process sees a folder. */
  in(folder: string, process: SimProcess): AttemptFiles {
    return {
      folder,
      isThere: () => this.#call(process, () => true),
      create: (name, text) => this.#call(process, () => this.create(folder, name, text)),
      read: (name) => this.#call(process, () => this.read(folder, name)),
      progress: () => this.#call(process, () => undefined),
      solverError: () => this.#call(process, () => undefined),
      isWrapperAlive: () => undefined,
    };
  }

  #call<T>(process: SimProcess, effect: () => T): Promise<T> {
    if (!process.isAlive) return NEVER;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { scheduler } = process;
    const roll = this.#random.unit();
    const { fail, lost } = this.#faults;
    const answer = (settle: () => void): void => {
      scheduler.after(this.#random.exponential(CALL_MS), () => process.enter(settle));
    };
    scheduler.after(this.#random.exponential(CALL_MS), () => {
      const failed = (): void => reject(new SystemError("STORAGE_FAILED", "the folder fails"));
      if (roll < fail) {
        answer(failed);
        return;
      }
      const value = effect();
      answer(roll < fail + lost ? failed : () => resolve(value));
    });
    return promise;
  }
}
