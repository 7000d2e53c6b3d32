/**
 * What makes a job another one than the job that has an output: the input, the model, an option,
 * the program, the runtime. For people: each difference is a phrase.
 */
import type { JobParts } from "./claim.ts";

/** Phrases about one list; it says how many more there are. */
const SAID_MAX = 5;
/** The id of a model's bytes is shown by its beginning. */
const HASH = /^"?([0-9a-f]{12})[0-9a-f]{52}"?$/;

/** Empty when the two are of the same parts. */
export function differences(theirs: JobParts, ours: JobParts): string[] {
  const inputs = inputDifferences(theirs.inputs, ours.inputs);
  const uris = new Set([...theirs.inputs, ...ours.inputs].map(({ uri }) => JSON.stringify(uri)));
  return [
    ...bounded(inputs),
    ...changed("source", theirs.source, ours.source),
    // The source's options name its inputs as well, of which enough has been said.
    ...bounded(leafDifferences("option", theirs.options, ours.options, uris)),
    ...bounded(leafDifferences("stage argument", theirs.arguments, ours.arguments, new Set())),
    ...changed("stage", theirs.stage.actor, ours.stage.actor),
    ...changed("stage method", theirs.stage.method, ours.stage.method),
    ...changed("batch size", String(theirs.stage.batchSize), String(ours.stage.batchSize)),
    ...changed("--on-bad-record", theirs.onBadRecord ?? "fail", ours.onBadRecord ?? "fail"),
    ...changed("runtime version", theirs.runtimeVersion, ours.runtimeVersion),
    ...programDifferences(theirs.program, ours.program),
    ...changed("idempotency", theirs.idempotency ?? "none", ours.idempotency ?? "none"),
  ];
}

type Inputs = JobParts["inputs"];

/** What of the inputs differs. */
export function inputDifferences(theirs: Inputs, ours: Inputs): string[] {
  const byUri = new Map(theirs.map((input) => [input.uri, input]));
  const present = new Set(ours.map(({ uri }) => uri));
  const said = ours.flatMap((input) => {
    const before = byUri.get(input.uri);
    if (before === undefined) return [`input ${input.uri} wasn't among its inputs`];
    const sample = changed(`sample of input ${input.uri}`, before.sample, input.sample);
    if (before.etag === input.etag) return sample;
    return [`input ${input.uri} changed: ${versionOf(before)} -> ${versionOf(input)}`, ...sample];
  });
  const gone = theirs.filter(({ uri }) => !present.has(uri));
  said.push(...gone.map(({ uri }) => `its input ${uri} isn't among these`));
  const isReordered = theirs.some(({ uri }, index) => ours[index]?.uri !== uri);
  const isCountSame = theirs.length === ours.length;
  if (said.length === 0 && isReordered) said.push("the order of the inputs");
  else if (said.length === 0 && !isCountSame) {
    said.push(`${theirs.length} inputs -> ${ours.length}`);
  }
  return said;
}

/** Size and time of a file; what S3 says of an object as it is. */
function versionOf({ bytes, etag }: Inputs[number]): string {
  const [, size, ns] = /^(\d+)-(\d{15,})$/.exec(etag) ?? [];
  if (size === undefined || ns === undefined) return `${bytes} bytes, etag ${etag}`;
  return `${bytes} bytes of ${new Date(Number(BigInt(ns) / 1_000_000n)).toISOString()}`;
}

function leafDifferences(
  kind: string,
  theirs: Readonly<Record<string, string>>,
  ours: Readonly<Record<string, string>>,
  ignored: ReadonlySet<string>,
): string[] {
  const names = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].sort();
  return names.flatMap((name) => {
    const [before, now] = [theirs[name] ?? "unset", ours[name] ?? "unset"];
    const isInput = [before, now].every((value) => value === "unset" || ignored.has(value));
    return isInput ? [] : changed(nameOf(kind, name), before, now);
  });
}

/** The one argument of a constructor is an object of options; the model is what people speak of. */
function nameOf(kind: string, path: string): string {
  const name = path.replace(/^0\./, "");
  return name.startsWith("model.") ? name.replace(".", " ") : `${kind} ${name}`;
}

type ProgramParts = JobParts["program"];

/** A package's own program is all of its sources: it says in which folders some changed. */
function programDifferences(theirs: ProgramParts, ours: ProgramParts): string[] {
  if (theirs.sha256 === ours.sha256 && theirs.url === ours.url) return [];
  const [before, now] = [theirs.folders ?? {}, ours.folders ?? {}];
  const folders = Object.keys(now).filter((name) => before[name] !== now[name]);
  if (theirs.sha256 !== ours.sha256 && folders.length > 0 && theirs.folders !== undefined) {
    return [`the program: sources of Ligase changed in ${folders.join(", ")}`];
  }
  const content = changed("program sha256", theirs.sha256, ours.sha256);
  return [...changed("program", theirs.url, ours.url), ...content];
}

function changed(name: string, before: string, now: string): string[] {
  return before === now ? [] : [`${name}: ${short(before)} -> ${short(now)}`];
}

function short(value: string): string {
  return HASH.exec(value)?.[1] ?? value;
}

function bounded(said: readonly string[]): string[] {
  if (said.length <= SAID_MAX) return [...said];
  return [...said.slice(0, SAID_MAX), `and ${said.length - SAID_MAX} more of the kind`];
}
