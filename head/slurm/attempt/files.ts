/**
 * What stands in an attempt's folder, which head and node share. Each name is made once: by the
 * head `intent` (who submits it), `released` (whose slurm job alone may run) and `ended` (nobody
 * waits for it any more); by the wrapper `heartbeat` and `exit.json`; by whoever is first
 * `started`. A name that stands says the same for ever, but for the heartbeat.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "../../../runtime/processes.ts";
import { createIfAbsent } from "../../../runtime/storage/local.ts";
import { readProgress, readSolverError, type SolverError, type SolverProgress } from "./left.ts";

export type AttemptFile = "intent" | "released" | "started" | "ended" | "heartbeat" | "exit.json";

/** An attempt's folder; the simulator has its own. */
export interface AttemptFiles {
  /** Where it is, for people. */
  readonly folder: string;
  /** Whether this machine sees the folder. */
  isThere(): Promise<boolean>;
  /** The text that stands under the name now: the given one unless another stood already. */
  create(name: AttemptFile, text: string): Promise<string>;
  /** Undefined when there is none. */
  read(name: AttemptFile): Promise<string | undefined>;
  progress(): Promise<SolverProgress | undefined>;
  solverError(): Promise<SolverError | undefined>;
  /** By what the wrapper wrote into `started`; undefined when it runs, or ran, elsewhere. */
  isWrapperAlive(started: string): boolean | undefined;
}

/** The files of a folder. */
export function filesIn(folder: string): AttemptFiles {
  const read = async (name: AttemptFile): Promise<string | undefined> => {
    return await readFile(join(folder, name), "utf8").catch((thrown: unknown) => {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
      throw thrown;
    });
  };
  return {
    folder,
    isThere: () =>
      stat(folder).then(
        () => true,
        () => false,
      ),
    async create(name, text) {
      const made = await createIfAbsent(join(folder, name), Buffer.from(text));
      return made === "other" ? ((await read(name)) ?? "") : text;
    },
    read,
    progress: () => readProgress(folder),
    solverError: () => readSolverError(folder),
    isWrapperAlive,
  };
}

/** Second line of `started`: boot, name space of pids, pid, start in ticks since boot. */
const LIFE = /^\d+\n(\S+) (pid:\[\d+\]) (\d+) (\d+)\n$/;

function isWrapperAlive(started: string): boolean | undefined {
  const [, bootId = "", space, pid, ticks] = LIFE.exec(started) ?? [];
  if (space === undefined || space !== ownSpace() || bootId !== ownBoot()) return undefined;
  return isAlive({ pid: Number(pid), startTicks: Number(ticks), bootId });
}

function ownSpace(): string {
  return readlinkSync("/proc/self/ns/pid");
}

function ownBoot(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
