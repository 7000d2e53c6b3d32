/** What a worker offers: its operator's word, else what its machine has; which GPUs it shows. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { offerOf as flagsOffer } from "../../../head/cli/worker.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import { countGpus, useGpus } from "../../../worker/machine/gpus.ts";
import { lookAtMemory } from "../../../worker/machine/procfs.ts";
import { offerOf } from "../../../worker/machine/resources.ts";

let folder: string;
const said: string[] = [];
const warn = (line: string): void => void said.push(line);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ligase-gpus-"));
  said.length = 0;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An environment whose nvidia-smi is this shell script. */
function environment(script: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const path = join(folder, "nvidia-smi");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}`, ...more };
}

describe("GPUs are counted", () => {
  test("by nvidia-smi", async () => {
    const query =
      'test "$1 $2" = "--query-gpu=index --format=csv,noheader" && printf "0\\n1\\n2\\n"';
    expect(await countGpus(warn, environment(query))).toBe(3);
  });

  test("as none where there is no nvidia-smi, without a word", async () => {
    expect(await countGpus(warn, { PATH: folder })).toBe(0);
    expect(said).toEqual([]);
  });

  test("as none where it fails or finds none, which is said", async () => {
    const failing = environment('echo "NVIDIA-SMI has failed" >&2; exit 9');
    expect(await countGpus(warn, failing)).toBe(0);
    expect(said.join("")).toContain("offers no GPU");
    expect(await countGpus(warn, environment('echo "No devices were found"'))).toBe(0);
  });

  test.each([
    ["2,0", 2],
    ["", 0],
    ["-1", 0],
    ["1,-1,0", 1],
    ["0,1,2,3", 3],
  ])("as far as CUDA_VISIBLE_DEVICES=%j shows them", async (visible, count) => {
    const env = environment('printf "0\\n1\\n2\\n"', { CUDA_VISIBLE_DEVICES: visible });
    expect(await countGpus(warn, env)).toBe(count);
  });
});

describe("a process sees", () => {
  test("the GPUs that it was given, by their place among those of its agent", () => {
    const env: NodeJS.ProcessEnv = { CUDA_VISIBLE_DEVICES: "5,GPU-abc,7" };
    useGpus([2, 1], env);
    expect(env["CUDA_VISIBLE_DEVICES"]).toBe("7,GPU-abc");
    const bare: NodeJS.ProcessEnv = {};
    useGpus([1], bare);
    expect(bare["CUDA_VISIBLE_DEVICES"]).toBe("1");
  });

  test("what it saw before when it was given none", () => {
    const env: NodeJS.ProcessEnv = {};
    useGpus([], env);
    expect(env).toEqual({});
  });
});

describe("a worker offers", () => {
  test("a processor a slot and the machine's memory", async () => {
    const { resources, labels } = await offerOf(3, { resources: { gpu: 2 } }, warn);
    const memory = lookAtMemory()?.totalBytes ?? 0;
    expect(memory).toBeGreaterThan(0);
    expect(resources).toEqual({ cpu: 3 * UNITS, gpu: 2 * UNITS, memory, custom: {} });
    expect(labels).toEqual({});
  });

  test("what its operator said", async () => {
    const flags = {
      resources: '{"cpu":1.5,"gpu":1,"memory":4096,"custom":{"disk":2}}',
      labels: "zone=a,disk=ssd",
    };
    const offer = await offerOf(8, flagsOffer(flags), warn);
    expect(offer).toEqual({
      resources: { cpu: 15_000, gpu: UNITS, memory: 4_096, custom: { disk: 2 * UNITS } },
      labels: { disk: "ssd", zone: "a" },
    });
  });

  test("no half GPU", async () => {
    await expect(offerOf(1, { resources: { gpu: 0.5 } }, warn)).rejects.toThrow(
      "a worker has a whole number of gpu, not 0.5",
    );
  });

  test.each([
    [{ resources: "{cpu:1}" }, '--resources is JSON such as {"gpu":1}, not {cpu:1}'],
    [{ resources: "[1]" }, "--resources is an object, not [1]"],
    [{ resources: '{"cpus":1}' }, '--resources has no "cpus"'],
    [{ resources: '{"cpu":-1}' }, "--resources.cpu is a number from 0"],
    [{ labels: "zone" }, "--labels is key=value,..., not zone"],
    [{ labels: "zone=a,zone=b" }, "--labels says zone twice"],
    [{ labels: "zone=a b" }, "--labels.zone is 1 to 63 letters"],
  ])("nothing when it was said wrongly: %j", (flags, what) => {
    expect(() => flagsOffer(flags)).toThrow(what);
  });
});
