/**
 * What happened in a simulation, as one hash and its last lines. Two runs of one seed give the same
 * hash, or something in them isn't simulated.
 */

type Value = string | number;

interface Line {
  readonly atMs: number;
  readonly values: readonly Value[];
}

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);

export class Trace {
  readonly #kept: number;
  /** Takes every line as it comes. */
  readonly #print: ((line: string) => void) | undefined;
  readonly #lines: Line[] = [];
  #next = 0;
  #high = 0x811c9dc5;
  #low = 0x01000193;

  constructor(options: { readonly kept: number; readonly print?: (line: string) => void }) {
    this.#kept = options.kept;
    this.#print = options.print;
  }

  note(atMs: number, ...values: readonly Value[]): void {
    this.#mix(atMs);
    for (const value of values) {
      if (typeof value === "number") this.#mix(value);
      else this.#mixText(value);
    }
    const line = { atMs, values };
    this.#lines[this.#next % this.#kept] = line;
    this.#next += 1;
    this.#print?.(textOf(line));
  }

  /** 16 hex digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  /** Lines so far. */
  get size(): number {
    return this.#next;
  }

  /** The last lines, the oldest first. */
  get last(): readonly string[] {
    const from = Math.max(0, this.#next - this.#kept);
    const lines: string[] = [];
    for (let i = from; i < this.#next; i += 1) {
      const line = this.#lines[i % this.#kept];
      if (line !== undefined) lines.push(textOf(line));
    }
    return lines;
  }

  #mix(value: number): void {
    bits[0] = value;
    const [low = 0, high = 0] = words;
    this.#low = Math.imul(this.#low ^ low, 0x01000193) ^ (this.#high >>> 15);
    this.#high = Math.imul(this.#high ^ high ^ this.#low, 0x85ebca6b);
  }

  #mixText(value: string): void {
    let hash = value.length;
    for (let i = 0; i < value.length; i += 1) {
      hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
    }
    this.#low = Math.imul(this.#low ^ hash, 0x01000193) ^ (this.#high >>> 15);
    this.#high = Math.imul(this.#high ^ this.#low, 0x85ebca6b);
  }
}

function textOf({ atMs, values }: Line): string {
  return `${atMs.toFixed(3).padStart(12)} ${values.join(" ")}`;
}

/** A number that differs where bytes do, nearly always. */
export function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5 ^ bytes.length;
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash >>> 0;
}
