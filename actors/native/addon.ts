/**
 * The addon, or word of why it isn't used. Everything it computes has a TypeScript form with equal
 * results, so a machine without a compiler loses speed alone.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { RawInflater, RestartPoint } from "./gzip.ts";
import type { RawKmers } from "./kmers.ts";
import type { RawQc } from "./qc.ts";
import type { RawScanner, RawScanOptions } from "./records.ts";

const FILE = fileURLToPath(new URL("./build/ligase_native.node", import.meta.url));

/** Instruction sets of the kernels, as numbers of the addon. */
export const LEVELS = { plain: 0, avx2: 1, avx512: 2 } as const;
export type Level = keyof typeof LEVELS;

/** What C++ exports. The inflaters are absent where ISA-L was when it was built. */
export interface Addon extends RawQc, RawKmers {
  readonly Scanner: new (options: RawScanOptions) => RawScanner;
  readonly GzipInflater?: new (spacing: number, from?: RestartPoint) => RawInflater;
  readonly inflateBlocks?: (bytes: Uint8Array) => Promise<RawBlocks>;
  /** The best level of this processor. */
  readonly bestLevel: () => number;
  /** `process.versions.modules` of the Node whose headers it was built with. */
  readonly modules: string;
}

/** Whole BGZF blocks, inflated; `fault` as in gzip.ts. */
export interface RawBlocks {
  readonly bytes: Uint8Array;
  readonly consumed: number;
  readonly fault: number;
}

/** Whether the addon is used, and a line for people. */
export interface NativeStatus {
  readonly addon: Addon | undefined;
  readonly text: string;
}

let status: NativeStatus | undefined;

/** The addon of this process, loaded at the first call; LIGASE_NATIVE=off leaves it out. */
export function nativeStatus(): NativeStatus {
  status ??= load();
  return status;
}

function load(): NativeStatus {
  const slower = "sequences are read by the slower TypeScript forms, with the same results";
  if (process.env["LIGASE_NATIVE"] === "off") {
    return { addon: undefined, text: `LIGASE_NATIVE=off: ${slower}` };
  }
  if (!existsSync(FILE)) {
    return { addon: undefined, text: `the native addon isn't built: ${slower}` };
  }
  try {
    const addon = createRequire(import.meta.url)(FILE) as Addon;
    const level = Object.entries(LEVELS).find(([, number]) => number === addon.bestLevel());
    const name = level?.[0] ?? "plain";
    if (addon.GzipInflater !== undefined) return { addon, text: `native addon, ${name}` };
    const gzip = "gzip is inflated by the slower TypeScript form, with the same results";
    return { addon, text: `native addon, ${name}, built without ISA-L: ${gzip}` };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return { addon: undefined, text: `the native addon doesn't load (${why}): ${slower}` };
  }
}
