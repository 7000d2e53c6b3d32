/**
 * The tidy rules: each takes a file, or all paths, and gives one line for each breach. They hold
 * what no formatter or linter does: direction of imports, sizes, pure cores, leftovers. All are
 * pure functions, so that each is itself tested on a bad sample.
 */
import { posix } from "node:path";
import { cppFunctions } from "./tidy-cpp.ts";
import { readSyntax, type Syntax } from "./tidy-syntax.ts";

export interface SourceFile {
  /** Relative to the checkout, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** What a top-level folder may import of ours, beside itself. */
const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  solver: ["runtime"],
  actors: ["runtime", "solver"],
  worker: ["runtime"],
  head: ["runtime", "solver"],
  deploy: [],
  test: ["runtime", "solver", "actors", "worker", "head", "deploy"],
};
/** The package's own names, as its users import them. */
const SELF: Readonly<Record<string, string>> = {
  ligase: "runtime",
  "ligase/actors": "actors",
  "ligase/solver": "solver",
};
const ROOT_FILES = new Set([
  ...["package.json", "package-lock.json", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"],
  ...["LICENSE", "biome.json", "tsconfig.json", "tsconfig.build.json", "vitest.config.ts"],
]);

const FILES_PER_FOLDER_MAX = 12;
const FOLDER_DEPTH_MAX = 3;
const LINES_EXPLAINED = 400;
const LINES_MAX = 600;
const FUNCTION_LINES_MAX = 69;
const COLUMNS_MAX = 100;

const SCRIPT = /\.(ts|mjs)$/;
const SOURCE = /\.(ts|mjs|cpp|h|hpp|py)$/;
const CPP = /\.(cpp|h|hpp)$/;

/** Breaches of the layout: unknown folders and root files, deep folders, crowded folders. */
export function layoutBreaches(paths: readonly string[]): string[] {
  const breaches: string[] = [];
  const modules = new Map<string, Set<string>>();
  for (const path of paths) {
    const folders = path.split("/").slice(0, -1);
    const [top] = folders;
    if (top === undefined) {
      if (!ROOT_FILES.has(path) && !path.startsWith("."))
        breaches.push(`${path}: no such root file`);
      continue;
    }
    if (!Object.hasOwn(DIRECTIONS, top) && top !== ".ci") breaches.push(`${path}: no such folder`);
    if (folders.length > FOLDER_DEPTH_MAX) breaches.push(`${path}: over two levels deep`);
    // Tests are found by the name of what they test, however many stand side by side.
    if (!SOURCE.test(path) || top === "test") continue;
    const folder = folders.join("/");
    const stem = path.slice(folder.length + 1).replace(/\.\w+$/, "");
    modules.set(folder, (modules.get(folder) ?? new Set()).add(stem));
  }
  for (const [folder, stems] of modules) {
    if (stems.size <= FILES_PER_FOLDER_MAX) continue;
    breaches.push(`${folder}: ${stems.size} source files, over ${FILES_PER_FOLDER_MAX}`);
  }
  return breaches;
}

/** All breaches of the rules that look at one file. */
export function fileBreaches(file: SourceFile): string[] {
  const breaches = [...sizeBreaches(file), ...leftoverBreaches(file), ...machineBreaches(file)];
  if (!SCRIPT.test(file.path)) return breaches;
  const syntax = readSyntax(file.path, file.text);
  return [
    ...breaches,
    ...directionBreaches(file.path, syntax),
    ...coreBreaches(file, syntax),
    ...constructBreaches(file.path, syntax),
  ];
}

/** Imports that point where the layout doesn't allow; set-up scripts import nothing installed. */
export function directionBreaches(path: string, { imports }: Syntax): string[] {
  const [top = ""] = path.includes("/") ? path.split("/") : [""];
  const allowed = [top, ...(DIRECTIONS[top] ?? [])];
  return imports.flatMap(({ line, what }) => {
    const isOurs = what.startsWith(".") || Object.hasOwn(SELF, what) || what.startsWith("ligase/");
    if (!isOurs) {
      const isBare = path.startsWith("deploy/setup/") && !what.startsWith("node:");
      return isBare ? [`${path}:${line}: the set-up imports ${what}, which it would install`] : [];
    }
    const target = what.startsWith(".") ? posix.join(posix.dirname(path), what) : SELF[what];
    if (target === "package.json") return [];
    const folder = target?.split("/")[0] ?? what;
    return allowed.includes(folder) ? [] : [`${path}:${line}: ${top} must not import ${what}`];
  });
}

/** Long files, long functions, long lines. */
export function sizeBreaches({ path, text }: SourceFile): string[] {
  if (!SOURCE.test(path)) return [];
  const breaches: string[] = [];
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length > LINES_MAX) breaches.push(`${path}: ${lines.length} lines, over ${LINES_MAX}`);
  else if (lines.length > LINES_EXPLAINED && !/\blong because\b/i.test(firstComment(text))) {
    breaches.push(`${path}: ${lines.length} lines; its first comment doesn't say "Long because"`);
  }
  for (const [index, line] of lines.entries()) {
    const columns = Array.from(line).length;
    if (columns > COLUMNS_MAX) breaches.push(`${path}:${index + 1}: ${columns} columns`);
  }
  for (const { line, lines: length } of functionsOf(path, text)) {
    if (length > FUNCTION_LINES_MAX)
      breaches.push(`${path}:${line}: a function of ${length} lines`);
  }
  return breaches;
}

/** What a pure core must not hold: `node:` modules, waits, clock, randomness. */
export function coreBreaches({ path, text }: SourceFile, syntax: Syntax): string[] {
  const isCore = /(^|\/)(core|placement|autoscale)\.ts$/.test(path);
  if (!isCore && !/\bPure core\b/i.test(firstComment(text))) return [];
  if (path.startsWith("test/")) return [];
  const impure =
    /^(AwaitExpression|async|Date\.now|performance\.now|Math\.random|crypto\..*|process\..*)$/;
  const imports = syntax.imports.filter(({ what }) => what.startsWith("node:"));
  const uses = syntax.constructs.filter(({ what }) => impure.test(what));
  const clock = linesWith(text, /\bnew Date\(\)|\bset(Timeout|Interval|Immediate)\(/);
  return [...imports, ...uses, ...clock].map(
    ({ line, what }) => `${path}:${line}: a pure core holds ${what}`,
  );
}

/** Words and switches that somebody meant to come back to. */
export function leftoverBreaches({ path, text }: SourceFile): string[] {
  if (!/\.(ts|mjs|cpp|h|hpp|py|sh|md)$/.test(path) && path !== ".ci/run") return [];
  const words = /\b(?:TO(?:DO)|FIX(?:ME)|X(?:XX))\b/;
  return linesWith(text, words).map(({ line, what }) => `${path}:${line}: leftover ${what}`);
}

/** Syntax that the project doesn't use, prints of daemons, and tests that don't run. */
export function constructBreaches(path: string, { constructs }: Syntax): string[] {
  const banned: Readonly<Record<string, string>> = {
    TSAnyKeyword: "`any`",
    TSNonNullExpression: "`!`",
    TSEnumDeclaration: "an enum",
    DebuggerStatement: "debugger",
  };
  const prints =
    /^(runtime|worker|head|solver|actors)\//.test(path) && !path.startsWith("head/cli/");
  return constructs.flatMap(({ line, what }) => {
    const at = `${path}:${line}:`;
    if (Object.hasOwn(banned, what)) return [`${at} ${banned[what]}`];
    if (prints && /^console\.\w+$/.test(what)) return [`${at} ${what} outside head/cli`];
    const isOff = /^(test|it|describe|suite)(\.\w+)*\.(only|skip|todo|fails)$/.test(what);
    return isOff && path.startsWith("test/") ? [`${at} ${what}`] : [];
  });
}

/** Names of package registries, and paths that exist on one machine alone. */
export function machineBreaches({ path, text }: SourceFile): string[] {
  const hosts =
    /\b(?:registry\.(?:npmjs|yarnpkg)|pypi\.(?:org|python)|python(?:hosted)|proxy\.golang)\b/;
  const paths = /(?:^|[\s"'`(=:,])\/(?:work|farm|root|home|Users)\/[^\s"'`]*/;
  const found = [...linesWith(text, hosts), ...linesWith(text, paths)];
  return found.map(({ line, what }) => `${path}:${line}: names ${what.trim()}`);
}

/** Addresses in the lock file: it must do with any registry. */
export function lockBreaches({ path, text }: SourceFile): string[] {
  return linesWith(text, /"resolved":\s*"http/).map(({ line }) => `${path}:${line}: an address`);
}

function functionsOf(path: string, text: string): { line: number; lines: number }[] {
  if (SCRIPT.test(path)) return [...readSyntax(path, text).functions];
  return CPP.test(path) ? cppFunctions(text) : [];
}

/** The comment that a file opens with, or nothing. */
function firstComment(text: string): string {
  const comment = /^(?:#![^\n]*\n)?\s*(\/\*[\s\S]*?\*\/|(?:(?:\/\/|#)[^\n]*\n)+|"""[\s\S]*?""")/;
  return comment.exec(text)?.[1]?.replaceAll(/\s+[*/#]*\s*/g, " ") ?? "";
}

function linesWith(text: string, pattern: RegExp): { line: number; what: string }[] {
  return text.split("\n").flatMap((line, index) => {
    const what = pattern.exec(line)?.[0];
    return what === undefined ? [] : [{ line: index + 1, what }];
  });
}
