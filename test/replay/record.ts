/**
 * Makes test/golden/log and sample-state.json of a real run of the sample, without the paths of the
 * machine that ran it: `node test/replay/record.ts <output>/.ligase`, when a fact has been added.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { apply } from "../../head/core/apply.ts";
import { emptyState, type Fact, stateSnapshot } from "../../head/core/facts.ts";
import { decodeSegment, encodeSegment, segmentUri } from "../../head/daemon/log.ts";
import { canonicalJson, sha256Hex } from "../../runtime/ids.ts";
import { readIfPresent } from "../../runtime/storage/local.ts";

const GOLDEN = fileURLToPath(new URL("../golden", import.meta.url));
const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

async function record(stateFolder: string): Promise<void> {
  const output = dirname(stateFolder);
  const segments = await readSegments(stateFolder);
  const neutral = scrubber(
    output,
    segments.flatMap(({ facts }) => facts),
  );
  await rm(dirname(segmentUri(GOLDEN, 1)), { recursive: true, force: true });
  await mkdir(dirname(segmentUri(GOLDEN, 1)), { recursive: true });
  const state = emptyState();
  for (const { header, facts } of segments) {
    const scrubbed = facts.map((fact) => JSON.parse(neutral(JSON.stringify(fact))) as Fact);
    for (const fact of scrubbed) apply(state, fact);
    const epoch = { number: header.epoch, leader: header.leader };
    await writeFile(segmentUri(GOLDEN, header.n), encodeSegment(header.n, epoch, scrubbed));
  }
  const snapshot = `${JSON.stringify(stateSnapshot(state), null, 1)}\n`;
  await writeFile(`${GOLDEN}/sample-state.json`, snapshot);
}

async function readSegments(stateFolder: string): Promise<ReturnType<typeof decodeSegment>[]> {
  const segments: ReturnType<typeof decodeSegment>[] = [];
  for (let n = 1; ; n += 1) {
    const bytes = await readIfPresent(segmentUri(stateFolder, n));
    if (bytes === undefined) return segments;
    segments.push(decodeSegment(n, bytes));
  }
}

/** Replaces paths, and the ids that are hashes of them, everywhere alike. */
function scrubber(output: string, facts: readonly Fact[]): (text: string) => string {
  const paths = (text: string): string =>
    text.replaceAll(output, "/data/sample").replaceAll(CHECKOUT, "/ligase");
  const ids = facts.flatMap((fact) => {
    if (fact.type !== "dataset.submitted") return [];
    const spec: unknown = JSON.parse(paths(JSON.stringify(fact.spec)));
    return [[fact.jobId, sha256Hex(canonicalJson(spec))] as const];
  });
  return (text) => {
    let neutral = paths(text);
    for (const [from, to] of ids) {
      neutral = neutral.replaceAll(from, to).replaceAll(from.slice(0, 12), to.slice(0, 12));
    }
    return neutral;
  };
}

await record(process.argv[2] ?? "");
