/** Shows progress on standard error and ends as its argument says: end, throw, exit or signal. */
import { Progress } from "../../../head/cli/progress/progress.ts";

let nowMs = 0;
const progress = new Progress(process.stderr, () => nowMs);
const how = process.argv[2];
// Before the last frame: at that the test types ^C.
if (how === "signal") process.on("SIGINT", () => process.exit(130));
for (let done = 0; done <= 4; done++) {
  nowMs += 1_000;
  const more = ["0:01 left", "12,345 reads/s"];
  progress.say({ line: `embedding: ${done}/4 shards`, more, fraction: done / 4 });
}
if (how === "throw") throw new Error("thrown at last");
if (how === "exit") process.exit(130);
if (how === "signal") {
  setInterval(() => undefined, 1_000);
} else {
  nowMs += 1_000;
  progress.say("sealed: 4 shards");
  progress.end();
  process.stderr.write("after it\n");
}
