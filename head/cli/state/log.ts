/** `ligase log check`: what stands of a state's log, and whether a head can go on from it. */
import { SystemError } from "../../../runtime/errors.ts";
import { anyStorage } from "../../../runtime/storage/open.ts";
import { checkLog, type LogReport } from "../../daemon/durable/check.ts";
import { printableLines } from "../actors/text.ts";
import { typedFolder, typedPath } from "../paths.ts";
import { counted } from "../table.ts";

/** The exit code: that of LOG_CORRUPT when no head can go on. @throws {SystemError}. */
export async function logCheckCommand(flags: {
  readonly state: string;
  readonly json?: boolean;
}): Promise<number> {
  const stateUri = typedPath(typedFolder(process.env, process.cwd()), flags.state);
  const report = await checkLog({ stateUri, storage: anyStorage });
  if (report.segments === null && report.snapshots.length === 0 && report.error === null) {
    throw new SystemError("JOB_NOT_FOUND", "no log stands there", { uri: stateUri });
  }
  if (flags.json === true) {
    const error = report.error?.toData() ?? null;
    process.stdout.write(`${JSON.stringify({ ...report, error })}\n`);
  } else process.stdout.write(`${printableLines(textOf(report))}\n`);
  return report.error?.exit ?? 0;
}

function textOf({
  stateUri,
  segments,
  bytes,
  snapshots,
  flaws,
  foreign,
  ...rest
}: LogReport): string {
  const { state, error } = rest;
  const lines = [`log        ${stateUri}`];
  if (segments === null) lines.push("segments   none");
  else {
    const { first, last, count } = segments;
    lines.push(`segments   ${first} to ${last}: ${count} of ${last - first + 1}, ${bytes} bytes`);
  }
  for (const { n, bytes: size, made } of snapshots) {
    lines.push(`snapshot   ${n}: ${made === null ? "damaged" : `of ${made}`}, ${size} bytes`);
  }
  for (const { uri, what } of flaws) lines.push(`flaw       ${uri}: ${what}`);
  for (const name of foreign) lines.push(`not ours   ${name}`);
  if (state !== null) {
    const { base, tail, epoch, facts, receipts } = state;
    const { programs, datasets, solves, actors } = state;
    lines.push(
      `state      ${facts} facts up to segment ${tail}, epoch ${epoch}` +
        (base === 0 ? "" : `, from snapshot ${base}`),
      `           ${counted(programs, "program")}, ${counted(datasets, "dataset")} with ` +
        `${counted(receipts, "receipt")}, ${counted(solves, "solve")}, ` +
        counted(actors, "named actor"),
      "A head can go on from it.",
    );
  }
  if (error !== null) lines.push(`No head can go on: ${error.message}`);
  return lines.join("\n");
}
