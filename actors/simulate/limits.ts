/** Bounds of simulated data: what a call may ask for, and how much of it stands in memory. */
import { SystemError } from "../../runtime/errors.ts";

/** Bases of one genome: shorter ones hold no statistics; positions are drawn from 30 bits. */
export const GENOME_BASES_MIN = 1_000;
/** Bases of one genome: a byte each in memory, with all its strains. */
export const GENOME_BASES_MAX = 2 ** 28;
/** Bases of all strains together, a byte each: 4 GiB would be a machine's memory. */
export const COMMUNITY_BASES_MAX = 2 ** 31;
/** Strains of all genomes together: a share of 2^-32 is the smallest that is drawn. */
export const STRAINS_MAX = 10_000;
/** Bases of a read: five lines of text of that length are in memory. */
export const READ_BASES_MAX = 1_000_000;
/** Fragments of one set, so that names keep to a line. */
export const READS_MAX = 10 ** 10;
/** Contigs of one set: 24 bytes each in memory, because their order is shuffled. */
export const CONTIGS_MAX = 4_000_000;
/** Latest original fragments that a PCR duplicate may be of. */
export const DUPLICATE_WINDOW = 4_096;
/** Bytes of text that are collected before they are handed over. */
export const CHUNK_BYTES = 1024 * 1024;
/** Bytes beside bases and qualities in a record: names, comments, line ends. */
export const NAME_BYTES_MAX = 512;
/** Letters of a genome's, a strain's or an instrument's name: names keep to NAME_BYTES_MAX. */
export const LABEL_LETTERS_MAX = 60;
/** Text bytes of a bgzf block: its compressed form must fit 64 KiB, stored too (bgzip's own). */
export const BGZF_BLOCK_BYTES = 65_280;
/** Text bytes of a gzip member at most: two of them are in memory. */
export const GZIP_MEMBER_BYTES_MAX = 64 * 1024 * 1024;

/** @throws {SystemError} USAGE unless `value` is a whole number from `min` to `max`. */
export function checkWhole(what: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new SystemError("USAGE", `simulated ${what}: ${value} isn't a whole number ${min}..${max}`);
}

/** @throws {SystemError} USAGE unless it has 32 bits: others would be the seed of those. */
export function checkSeed(seed: number): void {
  checkWhole("seed", seed, -(2 ** 31), 2 ** 31 - 1);
}

/** @throws {SystemError} USAGE unless `value` is a number from `min` to `max`. */
export function checkRange(what: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new SystemError("USAGE", `simulated ${what}: ${value} isn't in ${min}..${max}`);
}

/** @throws {SystemError} USAGE unless `name` is a short word that needs no quoting in a TSV. */
export function checkLabel(what: string, name: string): void {
  if (name.length <= LABEL_LETTERS_MAX && /^[\w.-]+$/.test(name)) return;
  throw new SystemError("USAGE", `simulated ${what}: ${JSON.stringify(name)} isn't a short word`);
}
