/**
 * The examples of the documentation: every ```ts block type-checks against the package, as a user's
 * own file does, and those marked `run` run to their end.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp, environment, newPlace, patience, type Place, ROOT } from "./support.ts";

const execute = promisify(execFile);
const PAGES = ["runtime/ACTORS.md", "runtime/TASKS.md"];
const LIMIT_MS = 60_000;

interface Example {
  readonly page: string;
  readonly name: string;
  readonly text: string;
  readonly runs: boolean;
}

/** A page's blocks, each with a file name of its own. */
async function examplesOf(page: string): Promise<Example[]> {
  const text = await readFile(join(ROOT, page), "utf8");
  const stem = basename(page, ".md").toLowerCase();
  return [...text.matchAll(/^```ts([^\n]*)\n(.*?)^```$/gms)].map(
    ([, words = "", block = ""], index) => {
      const [, file] = /file=(\S+)/.exec(words) ?? [];
      const name = file ?? `${stem}-${index}.ts`;
      return { page, name, text: block, runs: words.trim() === "run" };
    },
  );
}

const examples = (await Promise.all(PAGES.map(examplesOf))).flat();
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
  const options = {
    cwd: place.folder,
    env: environment(place),
    timeout: Math.ceil(LIMIT_MS * patience()),
  };
  const ended = await execute(command, args, options).catch((thrown: unknown) => thrown);
  const { stdout, stderr, code = 0 } = ended as { stdout: string; stderr: string; code?: number };
  return code === 0 ? "" : `exit ${code}: ${stdout}${stderr}`;
};

test.each(PAGES)("%s has examples of both kinds", (page) => {
  const own = examples.filter((example) => example.page === page);
  expect(own.filter(({ runs }) => runs).length).toBeGreaterThan(4);
  expect(own.some(({ runs }) => !runs)).toBe(true);
});

test("files have names of their own", () => {
  expect(new Set(examples.map(({ name }) => name)).size).toBe(examples.length);
});

test("every example type-checks", async () => {
  expect(await run(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", "."])).toBe("");
});

describe("it runs:", () => {
  test.each(examples.filter(({ runs }) => runs))("$name", async ({ name }) => {
    expect(await run(process.execPath, [name])).toBe("");
  });
});
