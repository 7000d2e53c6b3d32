/** The tree keeps the tidy rules; and each rule fails on a sample that breaks it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileBreaches, layoutBreaches, lockBreaches, type SourceFile } from "./tidy-rules.ts";

const ROOT = join(import.meta.dirname, "..");

describe("the tree", () => {
  const paths = trackedPaths();

  test("holds files at all", () => {
    expect(paths).toContain("test/tidy.test.ts");
  });

  test("keeps the layout", () => {
    expect(layoutBreaches(paths)).toEqual([]);
  });

  test("keeps every rule in every file", () => {
    const files = paths.filter((path) =>
      /\.(ts|mjs|cpp|h|hpp|py|sh|md|txt|json)$|^\.ci\//.test(path),
    );
    const breaches = files
      .filter((path) => path !== "package-lock.json")
      .flatMap((path) => fileBreaches({ path, text: readFileSync(join(ROOT, path), "utf8") }));
    expect(breaches).toEqual([]);
  });

  test("locks no address of a registry", () => {
    const path = "package-lock.json";
    const text = readFileSync(join(ROOT, path), "utf8");
    expect(lockBreaches({ path, text })).toEqual([]);
  });
});

describe("a rule fails on", () => {
  test.each<[string, SourceFile]>([
    ["runtime importing actors", ts("runtime/a.ts", 'import { x } from "../actors/b.ts";')],
    [
      "runtime importing a type of head",
      ts("runtime/a.ts", 'import type { X } from "../head/b.ts";'),
    ],
    ["runtime exporting from solver", ts("runtime/a.ts", 'export * from "../solver/index.ts";')],
    [
      "runtime loading worker at run time",
      ts("runtime/a/b.ts", 'await import("../../worker/c.ts");'),
    ],
    ["runtime naming a type of head", ts("runtime/a.ts", 'type X = import("../head/b.ts").X;')],
    ["head importing actors by its own name", ts("head/a.ts", 'import "ligase/actors";')],
    ["worker importing solver by its own name", ts("worker/a.ts", 'import "ligase/solver";')],
    ["actors importing an unknown entry", ts("actors/a.ts", 'import "ligase/inner";')],
    ["actors importing head", ts("actors/a/b.ts", 'import "../../head/c.ts";')],
    ["solver importing actors", ts("solver/a.ts", 'import "../actors/c.ts";')],
    ["deploy importing runtime", ts("deploy/a.mjs", 'import "../runtime/c.ts";')],
    ["code importing tests", ts("head/a.ts", 'import "../test/c.ts";')],
    ["the set-up importing a package", ts("deploy/setup/a.mjs", 'import "pino";')],
    ["a file over 600 lines", ts("head/a.ts", `/** Long because. */\n${"\n".repeat(601)}`)],
    ["a file over 400 lines without a word", ts("head/a.ts", `/** Short. */\n${"\n".repeat(401)}`)],
    ["a line over 100 columns", ts("head/a.ts", `// ${"x".repeat(98)}`)],
    ["a C++ line over 100 columns", ts("solver/src/a.cpp", `// ${"x".repeat(98)}`)],
    ["a function of 70 lines", ts("head/a.ts", `function f() {${"\n".repeat(69)}}`)],
    ["a method of 70 lines", ts("head/a.ts", `class A { f() {${"\n".repeat(69)}} }`)],
    ["a test of 70 lines", ts("test/a.test.ts", `test("x", () => {${"\n".repeat(69)}});`)],
    ["a C++ function of 70 lines", ts("solver/src/a.cpp", cpp(68))],
    ["a core with a node module", ts("head/core/core.ts", 'import { join } from "node:path";')],
    ["a core that awaits", ts("worker/core.ts", "export const x = await f();")],
    ["a core with an async function", ts("head/placement.ts", "async function f() {}")],
    ["a core with a clock", ts("head/autoscale.ts", "const x = Date.now();")],
    ["a core with a new date", ts("head/core/core.ts", "const x = new Date();")],
    ["a core with chance", ts("head/core/core.ts", "const x = Math.random();")],
    ["a core that waits", ts("head/core/core.ts", "setTimeout(f, 1);")],
    ["a file that calls itself a core", ts("head/a.ts", "/** Pure core. */\nperformance.now();")],
    ["a note to oneself", ts("head/a.ts", `// ${split("TO", "DO")}: later`)],
    ["a note in C++", ts("solver/src/a.h", `// ${split("FIX", "ME")}`)],
    ["a note in Markdown", ts("README.md", split("X", "XX"))],
    ["a print in a daemon", ts("worker/a.ts", 'console.log("x");')],
    ["a test alone", ts("test/a.test.ts", 'test.only("x", f);')],
    ["a test left out", ts("test/a.test.ts", 'describe.skip("x", f);')],
    ["an any", ts("head/a.ts", "const x: any = 1;")],
    ["an assertion against null", ts("head/a.ts", "const x = y!;")],
    ["an enum", ts("head/a.ts", "enum X { A }")],
    ["a path of one machine", ts("README.md", `see ${split("/wo", "rk/main")}`)],
    ["a path in code", ts("head/a.ts", `const x = "${split("/ho", "me/me/x")}";`)],
    ["a registry's name", ts(".ci/run", `curl https://${split("registry.npm", "js.org")}/x`)],
  ])("%s", (_, file) => {
    expect(fileBreaches(file)).toHaveLength(1);
  });

  test.each<[string, string]>([
    ["an unknown top-level folder", "src/a.ts"],
    ["an unknown root file", "notes.txt"],
    ["a folder three levels deep", "head/cli/a/b/c.ts"],
  ])("%s", (_, path) => {
    expect(layoutBreaches([path])).toHaveLength(1);
  });

  test("a folder of 13 source files", () => {
    const names = Array.from({ length: 13 }, (_, index) => `head/a${index}.ts`);
    expect(layoutBreaches(names)).toHaveLength(1);
    expect(layoutBreaches(names.slice(1))).toEqual([]);
  });

  test("an address in the lock file", () => {
    const text = '{\n"resolved": "https://example.org/x.tgz"\n}';
    expect(lockBreaches({ path: "package-lock.json", text })).toHaveLength(1);
  });
});

describe("a rule allows", () => {
  test.each<[string, SourceFile]>([
    [
      "actors importing runtime and solver",
      ts("actors/a.ts", 'import "ligase";\nimport "../solver/b.ts";'),
    ],
    ["tests importing anything", ts("test/unit/a.test.ts", 'import "../../head/b.ts";')],
    ["a program loaded from data", ts("worker/a.ts", "await import(url);")],
    ["a long file that says why", ts("head/a.ts", `/** Long because. */\n${"\n".repeat(500)}`)],
    ["a function of 69 lines", ts("head/a.ts", `function f() {${"\n".repeat(68)}}`)],
    [
      "a group of tests over 70 lines",
      ts("test/a.test.ts", `describe("x", () => {${"\n".repeat(90)}});`),
    ],
    ["a C++ function of 69 lines", ts("solver/src/a.cpp", cpp(67))],
    ["a print of the command", ts("head/cli/a.ts", 'console.log("x");')],
    ["a test that needs a file", ts("test/a.test.ts", 'test.skipIf(!x)("x", f);')],
    [
      "a clock outside of cores",
      ts("head/daemon/daemon.ts", "/** Feeds the core. */\nDate.now();"),
    ],
  ])("%s", (_, file) => {
    expect(fileBreaches(file)).toEqual([]);
  });

  test("a header and its source as one module", () => {
    const names = Array.from({ length: 12 }, (_, index) => `solver/src/a${index}`);
    expect(layoutBreaches(names.flatMap((name) => [`${name}.h`, `${name}.cpp`]))).toEqual([]);
  });
});

function ts(path: string, text: string): SourceFile {
  return { path, text };
}

/** A sample in two parts, so that this very file doesn't hold what it forbids. */
function split(...parts: string[]): string {
  return parts.join("");
}

/** A C++ function with so many lines between its first and last, among decoys. */
function cpp(inner: number): string {
  const body = `  const char *brace = "}"; // }\n${"\n".repeat(inner - 1)}`;
  return `namespace a {\nstruct B {\n  int x = 0;\n};\nint f(int y) {\n${body}}\n} // namespace\n`;
}

/** Everything that git tracks or would. */
function trackedPaths(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const output = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return output.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
}
