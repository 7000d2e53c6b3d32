/**
 * `misuse.ts ADDON FOLDER SECONDS SEED`: calls the addon in random order with right and wrong
 * values, and touches what it gives. Whatever throws is well; that the process lives is the test.
 * It runs under the address sanitizer (sanitizer.test.ts), in a folder of its own.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { MessageChannel } from "node:worker_threads";
import type { Region, RegionAddon } from "../../../runtime/native/regions.ts";

const [file = "", folder = "", seconds = "1", seed = "1"] = process.argv.slice(2);
const { Region: Class, release } = createRequire(import.meta.url)(file) as RegionAddon;
// A wrong path may be a name: it lands here.
process.chdir(folder);
let state = Number(seed) | 1;

/** xorshift32: the same calls for the same seed. @returns an integer in [0, most). */
function below(most: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % most;
}

function pick<T>(some: readonly T[]): T | undefined {
  return some[below(some.length)];
}

const NUMBERS = [
  0,
  1,
  127,
  4095,
  4096,
  4097,
  65536,
  -1,
  0.5,
  NaN,
  Infinity,
  2 ** 50,
  2 ** 53,
  1e300,
];
const numbers = (): number => (below(3) === 0 ? (pick(NUMBERS) ?? 0) : below(70_000));
const WRONG: readonly unknown[] = [
  undefined,
  null,
  "x",
  {},
  [],
  1n,
  new Float64Array(3),
  Symbol("a"),
];
const regions: Region[] = [];
const views: ArrayBuffer[] = [];
const names = Array.from({ length: 12 }, (_, index) => join(folder, `f${index}`));
const { port1, port2 } = new MessageChannel();
port2.on("message", (view) => views.push(view as ArrayBuffer));

function wrongOr<T>(right: T): T {
  return below(8) === 0 ? (pick(WRONG) as T) : right;
}

function touch(view: ArrayBuffer | undefined): void {
  if (!(view instanceof ArrayBuffer) || view.byteLength === 0) return;
  const bytes = new Uint8Array(view);
  const at = below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) + (bytes.at(-1) ?? 0) + 1;
}

function keepView(view: ArrayBuffer): void {
  views.push(view);
  touch(view);
}

const CALLS: readonly ((region: Region, view: ArrayBuffer | undefined) => unknown)[] = [
  () => regions.push(new Class(wrongOr(pick(names) ?? ""), wrongOr(numbers()))),
  () => regions.push(new Class(wrongOr(pick(names) ?? ""))),
  (region) => region.write(wrongOr(numbers()), wrongOr(new Uint8Array(below(9000)).fill(1))),
  (region, view) => view && region.write(wrongOr(numbers()), new Uint8Array(view)),
  (region) => region.read(wrongOr(numbers()), wrongOr(numbers())),
  (region) => keepView(region.view(below(2) === 0)),
  (region) => keepView(region.writable()),
  (region) => region.keep(),
  (region) => region.seal(),
  (region) => region.reopen(),
  (region) => region.tryLock(below(2) === 0),
  (region) => region.unlock(),
  (region) => below(4) === 0 && region.close(),
  (_, view) => release(wrongOr(view ?? new ArrayBuffer(8))),
  (_, view) => touch(view),
  (_, view) => view && keepView(view.transfer()),
  (_, view) => view && keepView(view.transfer(numbers())),
  (_, view) => view && keepView(structuredClone(view, { transfer: [view] })),
  (_, view) => view && port1.postMessage(view, below(2) === 0 ? [view] : []),
  () => regions.length > 20 && regions.splice(below(20), 5),
  () => views.length > 40 && views.splice(below(40), 10),
];

const { rmSync } = await import("node:fs");
const until = performance.now() + Number(seconds) * 1000;
let calls = 0;
for (; performance.now() < until; calls += 1) {
  try {
    pick(CALLS)?.(pick(regions) ?? new Class(pick(names) ?? "", 4096), pick(views));
  } catch {
    // An error in JavaScript is what misuse should end in.
  }
  if (calls % 50 === 0) rmSync(pick(names) ?? "", { force: true });
  if (calls % 100 === 0) await turn();
  if (calls % 2000 === 0) globalThis.gc?.();
}
port1.close();
process.stdout.write(`${calls} calls\n`);
