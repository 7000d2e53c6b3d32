/** `churn.ts DOOR`: puts, gets and releases objects of many sizes through a door until its end. */
import { Objects } from "../../../runtime/client/objects/objects.ts";
import { newProcessId } from "../../../runtime/ids.ts";
import type { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import type { StoreDoor } from "../../../runtime/objects/wire.ts";

const MIB = 1024 * 1024;
const SIZES = [5_000, 300_000, MIB, 4 * MIB, 4 * MIB - 9_000];
/** Objects that live at once. */
const KEPT = 6;

const door = JSON.parse(process.argv[2] ?? "") as StoreDoor;
const self = newProcessId();
const objects = new Objects({ self, door: async () => door });
const kept: ObjectRef[] = [];
process.stdout.write(`${self}\n`);
for (let i = 0; ; i += 1) {
  const value = i % 251;
  const size = SIZES[(i * 7) % SIZES.length] ?? MIB;
  const ref = await objects.put(new Uint8Array(size).fill(value));
  kept.push(ref);
  const view = await objects.view(kept[i % kept.length] ?? ref);
  const bytes = view.array as Uint8Array;
  if (bytes[0] !== bytes.at(-1)) throw new Error(`torn: ${bytes[0]} ${bytes.at(-1)}`);
  if (i % 3 > 0) view.release();
  if (kept.length > KEPT) await objects.release(kept.splice((i * 3) % KEPT, 2));
}
