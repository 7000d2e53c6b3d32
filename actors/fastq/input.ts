/**
 * Files and objects as inputs: their identity, opening them as the very bytes that were planned,
 * and turning what goes wrong into errors that say where.
 */
import { basename } from "node:path";
import type { InputSpec } from "../../runtime/dataset/types.ts";
import { SystemError, type Where } from "../../runtime/errors.ts";
import { lookAtInput, type OpenedInput, openUnchecked } from "./text/opened.ts";

/**
 * An input as it stands in a job's spec; a file's etag is `<size>-<mtimeNs>`, an object's is S3's.
 * @param uri - an absolute path, or `s3://bucket/key`.
 * @throws {SystemError} INPUT_NOT_FOUND, INPUT_UNREADABLE (a folder, a device, no permission),
 * USAGE, and what storage says.
 */
export async function identifyInput(uri: string): Promise<InputSpec> {
  try {
    const { etag, bytes } = await lookAtInput(uri);
    return { uri, sample: sampleOf(uri), etag, bytes };
  } catch (thrown) {
    throw inputError(thrown, uri);
  }
}

/** The sample's name: the file's without folder, and without what says its format. */
export function sampleOf(path: string): string {
  const stem = basename(path)
    .replace(/\.(gz|bgz|bgzf|zst)$/i, "")
    .replace(/\.(fastq|fq|fasta|fa|fna|ffn|faa|fas)$/i, "");
  return stem === "" ? basename(path) : stem;
}

/** What in the names of inputs a person may not have meant; the run goes on. */
export function sampleWarnings(paths: readonly string[]): string[] {
  const warnings: string[] = [];
  for (const [path, times] of counts(paths)) {
    if (times > 1)
      warnings.push(`${path}: given ${times} times, so its reads count ${times} times`);
  }
  for (const [sample, files] of counts([...new Set(paths)].map(sampleOf))) {
    if (files === 1) continue;
    warnings.push(`${sample}: ${files} files give this sample name; shard names tell them apart`);
  }
  return warnings;
}

function counts(names: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

/**
 * The open input, checked to be the one that was identified; the caller closes it.
 * @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE.
 */
export async function openInput(
  input: Pick<InputSpec, "uri" | "etag" | "bytes">,
): Promise<OpenedInput> {
  let opened: OpenedInput | undefined;
  try {
    opened = await openUnchecked(input);
    await opened.checkUnchanged();
    return opened;
  } catch (thrown) {
    await opened?.close();
    throw inputError(thrown, input.uri);
  }
}

/** What the file system says, as the error that crosses processes. */
export function inputError(thrown: unknown, uri: string, where: Where = {}): unknown {
  if (thrown instanceof SystemError || !(thrown instanceof Error) || !("code" in thrown)) {
    return thrown;
  }
  const missing = thrown.code === "ENOENT" || thrown.code === "ENOTDIR";
  const code = missing ? "INPUT_NOT_FOUND" : "INPUT_UNREADABLE";
  const what = missing ? "no such file" : thrown.message;
  return new SystemError(code, what, { uri, ...where }, thrown);
}

/** What readers count, as texts; the names are those of ReadOutcome's warnings. */
const WARNINGS: Readonly<Record<string, (n: number) => string>> = {
  byteOrderMarks: (n) => `${n} of its files begin with a byte order mark, which was passed over`,
  endBlocksMissing: () => "it lacks BGZF's end block: it may have been cut between two blocks",
  trailingZeros: () => "zero bytes stand behind its end, which were passed over",
  duplicateIds: (n) => `${n} ids come again within a shard: was it written twice?`,
};

/** What of sealed inputs must be said once, by their manifest. */
export function inputWarnings(
  inputs: readonly {
    readonly uri: string;
    readonly warnings?: Readonly<Record<string, number>> | undefined;
  }[],
): string[] {
  return inputs.flatMap(({ uri, warnings = {} }) =>
    Object.entries(warnings).map(
      ([name, n]) => `${uri}: ${WARNINGS[name]?.(n) ?? `${name}: ${n}`}`,
    ),
  );
}
