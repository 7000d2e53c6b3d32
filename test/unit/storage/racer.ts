/** One of several processes that make the same names: says what came of each, a line each. */
import { createIfAbsent } from "../../../runtime/storage/local.ts";

const [folder = "", self = "", count = "0"] = process.argv.slice(2);
// Nobody starts before all are there.
process.stdin.once("data", () => void race());
process.stdout.write("ready\n");

async function race(): Promise<void> {
  for (let name = 0; name < Number(count); name += 1) {
    const outcome = await createIfAbsent(`${folder}/deep/er/${name}`, Buffer.from(`by ${self}`));
    process.stdout.write(`${outcome}\n`);
  }
  process.stdin.pause();
}
