/** Who is watched: npm too, which stands behind a shell, and never whoever started npm. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { readLines } from "../../../runtime/client/lines.ts";

const STARTERS = new URL("../../../head/cli/starters.ts", import.meta.url).href;
/** Says once that it watches, then whether one of its starters went. */
const COMMAND = `
  const { Starters } = await import(${JSON.stringify(STARTERS)});
  const starters = new Starters();
  console.log(JSON.stringify({ watches: process.pid }));
  setInterval(() => starters.gone() && (console.log('{"gone":true}'), process.exit()), 10);
  setTimeout(() => (console.log('{"gone":false}'), process.exit()), 1_000);`;
/** As npm does: a shell that waits for the script, both with the script's name. */
const NPM = `
  const shell = ["-c", '"$0" --input-type=module -e "$COMMAND"; exit $?', process.execPath];
  const env = { ...process.env, npm_lifecycle_event: "start" };
  require("child_process").spawn("sh", shell, { env, stdio: "inherit" });`;
/** What starts npm: a person's shell, or a program. */
const OUTER = `
  require("child_process").spawn(process.execPath, ["-e", process.env.NPM], { stdio: "inherit" });
  setInterval(() => undefined, 1_000);`;

let started: ChildProcess | undefined;
afterEach(() => started?.kill("SIGKILL"));

/** Starts `script`, kills it once the command watches, and gives what the command saw. */
async function killedWhileWatching(script: string): Promise<unknown> {
  const env = { ...process.env, COMMAND, NPM };
  const child = spawn(process.execPath, ["-e", script], {
    env: { ...env, npm_lifecycle_event: undefined },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started = child;
  const lines: object[] = [];
  readLines(child.stdout, {
    onLine: (line) => {
      if ("watches" in line) child.kill("SIGKILL");
      lines.push(line);
    },
    onEnd: () => undefined,
  });
  await once(child.stdout, "close");
  return lines.at(-1);
}

test("npm that is killed is missed, though its shell stays", async () => {
  expect(await killedWhileWatching(NPM)).toEqual({ gone: true });
});

test("whoever started npm may go", async () => {
  expect(await killedWhileWatching(OUTER)).toEqual({ gone: false });
});
