/** The packed package works where users have it: under node_modules, without the checkout. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shippedManifest, toEmitted } from "../../deploy/setup/pack.mjs";

const ROOT = join(import.meta.dirname, "..", "..");
const LIMIT = { encoding: "utf8", timeout: 100_000 } as const;

describe("a packed package", () => {
  let user = "";
  let installed = "";

  beforeAll(() => {
    user = mkdtempSync(join(tmpdir(), "ligase-pack-"));
    const script = join(ROOT, "deploy", "setup", "pack.mjs");
    const out = join(user, "dist");
    const tarball = execFileSync(process.execPath, [script, "--out", out], LIMIT).trim();
    installed = join(user, "node_modules", "ligase");
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"], LIMIT);
    const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    for (const name of [...Object.keys(dependencies), "@types"]) {
      const link = join(user, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(ROOT, "node_modules", name), link);
    }
  }, 120_000);

  afterAll(() => rmSync(user, { recursive: true, force: true }));

  test("gives all its entry points to Node", () => {
    const script = `
      const names = ["ligase", "ligase/actors", "ligase/solver", "ligase/package.json"];
      const [runtime, actors, solver] = await Promise.all(names.slice(0, 3).map((n) => import(n)));
      const own = await import(names[3], { with: { type: "json" } });
      console.log(JSON.stringify([
        typeof runtime.connect, typeof actors.readFastq, typeof solver.solve, own.default.scripts,
      ]));`;
    const args = ["--input-type=module", "--eval", script];
    const output = execFileSync(process.execPath, args, { ...LIMIT, cwd: user });
    expect(JSON.parse(output)).toEqual(["function", "function", "function", null]);
  });

  test("gives its types to TypeScript", () => {
    writeFileSync(
      join(user, "program.ts"),
      'import { connect } from "ligase";\nimport { readFastq } from "ligase/actors";\n' +
        'import { solve } from "ligase/solver";\n' +
        "export const parts: readonly unknown[] = [connect, readFastq, solve];\n" +
        "// @ts-expect-error connect isn't a number: its type has arrived.\n" +
        "export const wrong: number = connect;\n",
    );
    const options = ["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext"];
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    const args = [...options, "--types", "node", "program.ts"];
    expect(execFileSync(tsc, args, { ...LIMIT, cwd: user })).toBe("");
  });

  test("has a command that runs", () => {
    const command = join(installed, "head", "cli", "ligase.mjs");
    expect(execFileSync(process.execPath, [command, "--help"], LIMIT)).toContain("ligase");
  });

  test("holds the model and the solver's sources, and no build", () => {
    const paths = [
      "actors/kmer/kmer.onnx",
      "solver/CMakeLists.txt",
      "solver/run_sim.sh",
      "LICENSE",
    ];
    expect(paths.filter((path) => !existsSync(join(installed, path)))).toEqual([]);
    expect(existsSync(join(installed, "solver", "build"))).toBe(false);
  });
});

test("names of emitted files replace those of sources", () => {
  expect(toEmitted('new URL("../main.ts", x); import "./a.ts"')).toBe(
    'new URL("../main.js", x); import "./a.js"',
  );
  expect(toEmitted('"./a.d.ts" "a.ts"')).toBe('"./a.d.ts" "a.ts"');
});

test("the shipped package.json points at emitted files alone", () => {
  const shipped = shippedManifest({
    exports: { ".": "./runtime/index.ts", "./package.json": "./package.json" },
    scripts: { start: "x" },
    devDependencies: {},
  });
  expect(shipped).toEqual({
    exports: {
      ".": { types: "./runtime/index.d.ts", default: "./runtime/index.js" },
      "./package.json": "./package.json",
    },
  });
});
