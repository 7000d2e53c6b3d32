/** `ligase solve logs`: what the last attempt's solver wrote, on the same two streams. */
import { open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { JOB_POLL_MS } from "../../../runtime/limits.ts";
import type { LogsPorts } from "../actors/logs.ts";
import type { ReachFlags } from "../actors/reach.ts";
import { attemptFolder, solveNamed, type Source, withSolves } from "./source.ts";

/** Bytes of one read: a log may be long. */
const PIECE_BYTES = 64 * 1024;

/** @param id - a solve's, or its beginning. @throws {SystemError} JOB_NOT_FOUND. */
export async function logsCommand(
  id: string,
  flags: ReachFlags & { readonly follow?: boolean },
  ports: LogsPorts,
): Promise<void> {
  await withSolves(flags, async (source) => {
    const solveId = solveNamed(await source.status(), id).id;
    const reader = new AttemptReader(source.stateFolder, solveId, ports);
    for (;;) {
      // What was written before the end was known is read after it.
      const isLast =
        flags.follow !== true || ports.signal.aborted || (await isOver(source, solveId));
      await reader.read();
      if (isLast) return;
      await delay(JOB_POLL_MS, undefined, { signal: ports.signal }).catch(() => undefined);
    }
  });
}

async function isOver(source: Source, solveId: string): Promise<boolean> {
  if (source.cluster === undefined) return true;
  // A command that ran this solve alone ends its cluster with it.
  const status = await source.status().catch(() => undefined);
  if (status === undefined) return true;
  const { kind } = solveNamed(status, solveId).state;
  return kind === "succeeded" || kind === "failed";
}

/** Reads on where it stopped; a new attempt from its beginning. */
class AttemptReader {
  readonly #stateFolder: string;
  readonly #solveId: string;
  readonly #ports: LogsPorts;
  #attempt = -1;
  #logs: readonly LogFile[] = [];

  constructor(stateFolder: string, solveId: string, ports: LogsPorts) {
    this.#stateFolder = stateFolder;
    this.#solveId = solveId;
    this.#ports = ports;
  }

  async read(): Promise<void> {
    const attempt = await this.#lastAttempt();
    if (attempt > this.#attempt) {
      for (const log of this.#logs) await log.read();
      this.#attempt = attempt;
      const folder = attemptFolder(this.#stateFolder, this.#solveId, attempt);
      const { out, err } = this.#ports;
      this.#logs = [
        new LogFile(join(folder, "stdout.log"), out),
        new LogFile(join(folder, "stderr.log"), err),
      ];
    }
    for (const log of this.#logs) await log.read();
  }

  /** -1 before the first. */
  async #lastAttempt(): Promise<number> {
    const folder = dirname(attemptFolder(this.#stateFolder, this.#solveId, 0));
    const names = await readdir(folder).catch((): string[] => []);
    return Math.max(-1, ...names.filter((name) => /^\d+$/.test(name)).map(Number));
  }
}

/** A file that grows; a character that is cut by an end waits for its rest. */
class LogFile {
  readonly #path: string;
  readonly #write: (text: string) => void;
  readonly #decoder = new TextDecoder();
  #offset = 0;

  constructor(path: string, write: (text: string) => void) {
    this.#path = path;
    this.#write = write;
  }

  /** Writes what came since the last time; nothing while there is no file. */
  async read(): Promise<void> {
    const file = await open(this.#path, "r").catch(() => undefined);
    if (file === undefined) return;
    try {
      const piece = Buffer.alloc(PIECE_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, this.#offset);
        if (bytesRead === 0) return;
        this.#offset += bytesRead;
        this.#write(this.#decoder.decode(piece.subarray(0, bytesRead), { stream: true }));
      }
    } finally {
      await file.close();
    }
  }
}
