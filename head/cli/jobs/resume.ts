/**
 * `ligase job resume`: what `ligase run` was asked for in an output is asked for again, with the
 * options that its log holds; where the log is lost, with those that its claim tells of.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";
import { anyStorage } from "../../../runtime/storage/open.ts";
import { isS3, joinUri } from "../../../runtime/storage/uri.ts";
import type { DurableState } from "../../core/facts.ts";
import { CLAIM_FILE, readClaim } from "../../daemon/output/claim.ts";
import { inputDifferences } from "../../daemon/output/differences.ts";
import { statePlaces, typedFolder, typedPath } from "../paths.ts";
import { datasetName, type RunRequest, requestSchema } from "../inputs/request.ts";
import { type RunMeans, runAs } from "../run.ts";
import { loggedState } from "./source.ts";

export interface ResumeFlags {
  readonly output: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** The pipeline's second argument, as `ligase run` gives it; the first one is its request. */
const meansSchema = v.object({
  slurm: v.picklist(["auto", "system", "private"]),
  executors: v.number(),
});

type Asked = { readonly request: RunRequest; readonly means: Omit<RunMeans, "stateDir"> };

/** The exit code of the run; what went wrong has been said by then. */
export function resumeCommand(flags: ResumeFlags): Promise<number> {
  return runAs(flags.json, async () => {
    const from = typedFolder(process.env, process.cwd());
    const output = typedPath(from, flags.output);
    const places = statePlaces(flags.state, output, from);
    const { asked, inputs } = await whatWasAsked(output, places.stateUri ?? places.stateDir);
    await checkInputs(inputs);
    return { request: asked.request, means: { ...asked.means, ...places } };
  });
}

/** @throws {SystemError} JOB_NOT_FOUND where neither log nor claim tells of a run. */
async function whatWasAsked(
  output: string,
  stateUri: string,
): Promise<{ readonly asked: Asked; readonly inputs: Inputs }> {
  const durable = await loggedState(stateUri);
  const logged = durable === undefined ? undefined : loggedRequest(durable, output);
  if (logged !== undefined) {
    const uri = joinUri(output, datasetName(logged.request));
    return { asked: logged, inputs: loggedInputs(durable, uri) };
  }
  const claimed = await claimedRequest(output, joinUri(output, "embeddings"));
  if (claimed !== undefined) return claimed;
  throw new SystemError("JOB_NOT_FOUND", "no run has left a log or a claim there", { uri: output });
}

type Inputs = DatasetSpec["source"]["inputs"];

/** What the last run of this output was asked for. */
function loggedRequest({ programs }: DurableState, output: string): Asked | undefined {
  for (const { argv } of [...programs.values()].reverse()) {
    const request = v.safeParse(requestSchema, parsed(argv[0]));
    if (!request.success || request.output.output !== output) continue;
    const means = v.safeParse(meansSchema, parsed(argv[1]));
    return { request: request.output, means: means.success ? means.output : defaultMeans() };
  }
  return undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

function defaultMeans(): Asked["means"] {
  return { slurm: "auto", executors: availableParallelism() };
}

/** Of the job that has the output: those of others were refused it. */
function loggedInputs(durable: DurableState | undefined, uri: string): Inputs {
  const jobs = [...(durable?.datasets.values() ?? [])].filter(({ spec }) => spec.sink.uri === uri);
  const isRefused = ({ state }: (typeof jobs)[number]): boolean =>
    state.kind === "failed" && state.error.code === "OUTPUT_OF_ANOTHER_JOB";
  return jobs.findLast((job) => !isRefused(job))?.spec.source.inputs ?? [];
}

/** What of a run its claim tells: what the solve was asked for isn't among it. */
async function claimedRequest(
  output: string,
  embeddings: string,
): Promise<{ readonly asked: Asked; readonly inputs: Inputs } | undefined> {
  const bytes = await anyStorage.readIfPresent(joinUri(embeddings, CLAIM_FILE));
  const parts = bytes === undefined ? undefined : readClaim(bytes)?.parts;
  const encoder = parsed(parts?.arguments["0.model.name"]);
  if (parts === undefined || typeof encoder !== "string") return undefined;
  process.stderr.write(
    "no log tells of a run into this folder: inputs and encoder are known from its claim, the " +
      "solve's options aren't\n",
  );
  // The sample is made by the run that has no input.
  const inputs = parts.inputs
    .map(({ uri }) => uri)
    .filter((uri) => uri !== join(output, "sample.fastq"));
  const { onBadRecord } = parts;
  const request = {
    inputs,
    output,
    encoder,
    // What lies in S3 is never solved.
    solve: !isS3(output),
    ranks: availableParallelism(),
    ...(onBadRecord === undefined ? {} : { onBadRecord }),
  };
  return { asked: { request, means: defaultMeans() }, inputs: parts.inputs };
}

/**
 * Every input is the one that the job began with.
 * @throws {SystemError} INPUT_CHANGED with all that differs; INPUT_NOT_FOUND.
 */
async function checkInputs(inputs: Inputs): Promise<void> {
  const now = await Promise.all(
    inputs.map(async (input) => {
      const found = await anyStorage.look(input.uri).catch((thrown: unknown) => {
        throw toSystemError(thrown, "INPUT_UNREADABLE");
      });
      if (found !== undefined) return { ...input, etag: found.etag, bytes: found.bytes };
      throw new SystemError("INPUT_NOT_FOUND", "an input of the job is gone", { uri: input.uri });
    }),
  );
  const said = inputDifferences(inputs, now);
  if (said.length === 0) return;
  const what = `${said.join("; ")}. Over other input it is another job: ligase run --fresh`;
  throw new SystemError("INPUT_CHANGED", what);
}
