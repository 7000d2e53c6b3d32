/** `ligase job verify`: a sealed set against its manifest. */
import { SystemError } from "../../../runtime/errors.ts";
import { anyStorage } from "../../../runtime/storage/open.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import { MANIFEST_FILE } from "../../../solver/manifest.ts";
import { printableLine } from "../actors/text.ts";
import { typedFolder, typedPath } from "../paths.ts";
import { checkSet, type SetReport } from "./check-set.ts";
import { counted } from "../table.ts";
import { json } from "./text.ts";

const EXIT_DAMAGED = new SystemError("SHARD_DAMAGED", "").exit;

/** The exit code. @throws {SystemError} INPUT_NOT_FOUND where nothing is sealed. */
export async function verifyCommand(
  output: string,
  flags: { readonly json?: boolean },
  write: (text: string) => void,
): Promise<number> {
  const from = typedFolder(process.env, process.cwd());
  const report = await checkSet(await manifestIn(typedPath(from, output)), anyStorage);
  write(flags.json === true ? json(report) : textOf(report));
  return report.damaged.length === 0 ? 0 : EXIT_DAMAGED;
}

/** The manifest of what was named: itself, in it, or in its embeddings. */
async function manifestIn(uri: string): Promise<string> {
  const places = [joinUri(uri, MANIFEST_FILE), joinUri(uri, "embeddings", MANIFEST_FILE)];
  if (uri.endsWith(`/${MANIFEST_FILE}`)) places.unshift(uri);
  for (const place of places) if ((await anyStorage.look(place)) !== undefined) return place;
  const what = "no manifest.json stands there: nothing is sealed";
  throw new SystemError("INPUT_NOT_FOUND", what, { uri });
}

function textOf({ manifest, shards, rows, bytes, seconds, damaged }: SetReport): string {
  const lines = damaged.map(({ file, what }) => `${file}: ${what}`);
  const size =
    `${counted(shards, "shard")}, ${counted(rows, "row")}, ` +
    `${counted(bytes, "byte")} in ${seconds} s`;
  const files = new Set(damaged.map(({ file }) => file)).size;
  const verdict =
    files === 0
      ? "all is as the manifest says"
      : `${files} damaged: move each away, and run the same again: it is made anew`;
  return [manifest, ...lines, `${size}: ${verdict}`]
    .map((line) => `${printableLine(line)}\n`)
    .join("");
}
