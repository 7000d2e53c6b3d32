/**
 * A set-up of one slow step in a process of its own, so that tests can kill it. Arguments: the
 * folder; "hang" when the step's command is to hang. Leaves `<folder>/child` with the command's
 * pid.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "../../deploy/setup/runner.mjs";

const [folder = "", mode] = process.argv.slice(2);
const result = join(folder, "result");
const controller = new AbortController();
process.once("SIGTERM", () => controller.abort());

/** @type {import("../../deploy/setup/runner.mjs").Step} */
const step = {
  name: "slow",
  title: "slow step",
  timeoutMs: 60_000,
  stamp: join(folder, "stamp"),
  inputs: () => [],
  present: () => existsSync(result),
  run: async ({ run }) => {
    mkdirSync(folder, { recursive: true });
    const hang = `echo $$ > ${folder}/child.tmp; mv ${folder}/child.tmp ${folder}/child; sleep 300`;
    await run("sh", ["-c", mode === "hang" ? hang : `echo done > ${result}`]);
  },
};

process.exitCode = await setUp([step], {
  lockFolders: [join(folder, "lock")],
  logFolder: join(folder, "log"),
  mark: `test-${folder}`,
  signal: controller.signal,
  write: (text) => void process.stderr.write(text),
});
