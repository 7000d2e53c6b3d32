/** The build's step where it can't build, and the process that does without the addon. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nativeStep } from "../../../deploy/setup/steps/native.mjs";

const ROOT = new URL("../../../", import.meta.url).pathname;
const ADDON = new URL("../../../actors/native/addon.ts", import.meta.url);

test("without a compiler the step says so, once, and the set-up goes on", async () => {
  const root = mkdtempSync(join(tmpdir(), "ligase-native-"));
  try {
    const step = nativeStep({ root, cache: join(root, "cache") }, { hasCompiler: () => false });
    expect(step.present()).toBe(false);
    const said: string[] = [];
    const run = (): Promise<void> => Promise.reject(new Error("nothing may run"));
    await step.run({ log: () => {}, say: (text) => void said.push(text), run });
    const why = "isn't built (there is no C++ compiler): its slower TypeScript forms are used";
    expect(said).toEqual([`actors/native ${why}`, `runtime/native ${why}`]);
    const note = join(root, "actors/native/build/ligase_native.node.refused");
    expect([step.present(), readFileSync(note, "utf8")]).toEqual([
      true,
      "there is no C++ compiler\n",
    ]);
    const other = nativeStep({ root, cache: join(root, "cache") }, { hasCompiler: () => true });
    expect(other.inputs()).not.toEqual(step.inputs());
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("a person's own settings of npm don't choose the headers", async () => {
  const root = mkdtempSync(join(tmpdir(), "ligase-native-"));
  const environments: NodeJS.ProcessEnv[] = [];
  try {
    for (const folder of ["actors", "runtime"]) {
      cpSync(join(ROOT, folder, "native"), join(root, folder, "native"), { recursive: true });
    }
    const step = nativeStep({ root, cache: join(root, "cache") }, { hasCompiler: () => true });
    const run = (
      _command: string,
      _words: readonly string[],
      options?: { env?: NodeJS.ProcessEnv },
    ) => {
      environments.push(options?.env ?? {});
      return Promise.reject(new Error("not here"));
    };
    await step.run({ log: () => {}, say: () => {}, run });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  expect(environments.length).toBe(2);
  // node-gyp takes these over npm_config_nodedir, and that over its arguments.
  for (const env of environments) {
    expect(env["npm_package_config_node_gyp_nodedir"]).toMatch(/node/);
  }
});

test("LIGASE_NATIVE=off leaves the addon out and says so", () => {
  const script = `import("${ADDON.href}").then((m) => console.log(m.nativeStatus().text))`;
  const env = { ...process.env, LIGASE_NATIVE: "off" };
  const text = execFileSync(process.execPath, ["-e", script], { env, encoding: "utf8" });
  expect(text).toBe(
    "LIGASE_NATIVE=off: sequences are read by the slower TypeScript forms, with the same results\n",
  );
});
