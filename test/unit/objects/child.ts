/**
 * Another process of the machine, for tests: `read FOLDER JOB ID` prints the sum of an object's
 * values and stays; `hang ROOT` begins a put in a store of its own and stays amid it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { regionStatus } from "../../../runtime/native/regions.ts";
import { MappedFiles } from "../../../runtime/objects/mapped.ts";
import { CopiedFiles } from "../../../runtime/objects/copied.ts";
import { ObjectFolder } from "../../../runtime/objects/files.ts";
import { headerOf } from "../../../runtime/objects/header.ts";
import { ObjectReader, ObjectStore } from "../../../runtime/objects/index.ts";

const STAY_MS = 60_000;
const [what = "", folder = "", job = "", id = ""] = process.argv.slice(2);
if (what === "read") {
  const view = new ObjectReader(folder).open({ job, id });
  const values = [...(view?.array ?? [])].map(Number);
  process.stdout.write(`${values.reduce((sum, value) => sum + value, 0)}\n`);
  await delay(STAY_MS);
  view?.release();
} else {
  const store = new ObjectStore({
    limitBytes: 2 ** 24,
    root: folder,
  });
  await store.put("job", new Uint8Array(100_000));
  const { addon } = regionStatus();
  const names = new ObjectFolder(job === "" ? store.folder : job);
  const files = addon === undefined ? new CopiedFiles(names) : new MappedFiles(addon, names, 0);
  await files.write("job", headerOf("a".repeat(32), new Uint8Array(1000)), async (write) => {
    write(0, new Uint8Array(500));
    process.stdout.write("amid\n");
    await delay(STAY_MS);
  });
}
