/**
 * The examples of the documentation: every ```ts block type-checks against the package, as a user's
 * own file does, and those marked `run` run to their end.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp, environment, newPlace, patience, type Place, ROOT } from "./support.ts";

const execute = promisify(execFile);
const PAGE = "runtime/ACTORS.md";
const LIMIT_MS = 60_000;

interface Example {
  readonly name: string;
  readonly text: string;
  readonly runs: boolean;
}

/** The page's blocks, each with a file name of its own. */
function examplesOf(page: string): Example[] {
  const blocks = page.matchAll(/^```ts([^\n]*)\n(.*?)^```$/gms);
  return [...blocks].map(([, words = "", text = ""], index) => {
    const [, file] = /file=(\S+)/.exec(words) ?? [];
    return { name: file ?? `example-${index}.ts`, text, runs: words.trim() === "run" };
  });
}

const examples = examplesOf(await readFile(join(ROOT, PAGE), "utf8"));
let place: Place;
beforeAll(async () => {
  place = await newPlace();
  await mkdir(place.path("node_modules"));
  await symlink(ROOT, place.path("node_modules", "ligase"));
  await writeFile(place.path("package.json"), '{ "type": "module" }\n');
  for (const { name, text } of examples) await writeFile(place.path(name), text);
  const base = JSON.parse(await readFile(join(ROOT, "tsconfig.json"), "utf8")) as {
    readonly compilerOptions: object;
  };
  const compilerOptions = {
    ...base.compilerOptions,
    typeRoots: [join(ROOT, "node_modules", "@types")],
  };
  const config = { compilerOptions, include: ["*.ts"] };
  await writeFile(place.path("tsconfig.json"), JSON.stringify(config));
});
afterAll(() => cleanUp());

const run = async (command: string, args: readonly string[]): Promise<string> => {
  const options = { cwd: place.folder, env: environment(place), timeout: LIMIT_MS * patience() };
  const ended = await execute(command, args, options).catch((thrown: unknown) => thrown);
  const { stdout, stderr, code = 0 } = ended as { stdout: string; stderr: string; code?: number };
  return code === 0 ? "" : `exit ${code}: ${stdout}${stderr}`;
};

test("the page has examples of both kinds", () => {
  expect(examples.filter(({ runs }) => runs).length).toBeGreaterThan(5);
  expect(examples.some(({ runs }) => !runs)).toBe(true);
});

test("every example type-checks", async () => {
  expect(await run(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", "."])).toBe("");
});

describe("it runs:", () => {
  test.each(examples.filter(({ runs }) => runs))("$name", async ({ name }) => {
    expect(await run(process.execPath, [name])).toBe("");
  });
});
