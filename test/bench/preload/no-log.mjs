/**
 * For the bench `log-cost` alone, loaded before a process's own modules: nothing is synced to the
 * disk, and nothing is written to the log. What runs so keeps no promise. LIGASE_BENCH_LOG=kept
 * it takes nothing away: the other side of the bench loads it too, which costs each start a little.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

if (process.env["LIGASE_BENCH_LOG"] !== "kept") await takeAway();

async function takeAway() {
  const { open, link, unlink } = fs.promises;
  const isOfLog = (/** @type {unknown} */ path) => /\/\.ligase\/log\/\.?\d{12}/.test(String(path));
  const any = await open("/dev/null");
  const handle = Object.getPrototypeOf(any);
  await any.close();
  handle.sync = async () => undefined;
  handle.datasync = async () => undefined;
  /** @type {typeof open} */
  fs.promises.open = (path, ...rest) =>
    isOfLog(path) ? open("/dev/null", "w") : open(path, ...rest);
  /** @type {typeof link} */
  fs.promises.link = async (from, to) => (isOfLog(to) ? undefined : await link(from, to));
  /** @type {typeof unlink} */
  fs.promises.unlink = async (path) => (isOfLog(path) ? undefined : await unlink(path));
  syncBuiltinESMExports();
}
