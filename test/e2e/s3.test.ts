/**
 * A run whose input and output lie in S3: the same shards as from folders, once, whatever the
 * server does; and one clear error for what can't be.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Storage } from "../../runtime/storage/s3/storage.ts";
import { type Manifest, parseManifest } from "../../solver/manifest.ts";
import { BUCKET, findGateway, type Gateway, startGateway } from "../integration/s3/gateway.ts";
import { type Fault, startProxy } from "../integration/s3/proxy.ts";
import {
  cleanUp,
  type Ended,
  errorOf,
  makeInputs,
  manifestOf,
  newPlace,
  type Place,
  resultOf,
  run,
} from "./support.ts";

const binary = await findGateway();
/** Faults that a client sees at once: real processes wait real deadlines for the others. */
const QUICK: readonly Fault[] = [
  ...(["500", "503", "409", "200-error", "reset", "reset-after", "half-answer"] as const),
];

describe.skipIf(binary === undefined)("a run on S3", () => {
  let place: Place;
  let gateway: Gateway;
  let storage: S3Storage;
  let local: Manifest;
  const remote: string[] = [];
  const uriOf = (...parts: readonly string[]): string => [`s3://${BUCKET}`, ...parts].join("/");

  beforeAll(async () => {
    [place, gateway] = await Promise.all([newPlace(), startGateway(binary ?? "")]);
    storage = new S3Storage({ env: gateway.env, credentials: gateway.credentials });
    // Two shards of one file, and a compressed one.
    const [plain = "", other = ""] = await makeInputs(place, { files: 2, reads: 9_000 });
    const compressed = `${other}.gz`;
    await writeFile(compressed, gzipSync(await readFile(other), { level: 1 }));
    for (const path of [plain, compressed]) {
      const uri = uriOf("raw reads", path.slice(path.lastIndexOf("/") + 1));
      await storage.createIfAbsent(uri, await readFile(path));
      remote.push(uri);
    }
    const args = ["--no-solve", "--input", plain, compressed, "--output", place.path("local")];
    resultOf(await run(place, args));
    local = await manifestOf(place.path("local"));
  }, 120_000);
  afterAll(async () => {
    await cleanUp();
    await gateway?.close();
  });

  const runOn = (
    output: string,
    state: string,
    more: readonly string[] = ["--no-solve"],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Ended> => {
    const states = state.startsWith("s3://") ? state : place.path(state);
    const args = ["--input", ...remote, "--output", output, "--state", states, ...more];
    return run(place, args, { env: { ...gateway.env, ...env } as Record<string, string> });
  };

  const remoteManifest = async (output: string): Promise<Manifest> => {
    const bytes = await storage.readIfPresent(`${output}/embeddings/manifest.json`);
    return parseManifest(bytes ?? Buffer.alloc(0));
  };

  /** What stands in the output is what a run on folders makes, and nothing else stands there. */
  const expectSame = async (output: string): Promise<void> => {
    const { shards, rows } = await remoteManifest(output);
    expect(rows).toBe(local.rows);
    expect(shards.map(({ sha256 }) => sha256)).toEqual(local.shards.map(({ sha256 }) => sha256));
    for (const { file, sha256 } of shards) {
      const bytes = (await storage.readIfPresent(`${output}/embeddings/${file}`)) ?? "";
      expect(createHash("sha256").update(bytes).digest("hex"), file).toBe(sha256);
    }
    const others = ["_SUCCESS", "_job.json", "manifest.json"];
    const names = [...others, ...shards.map(({ file }) => file)].sort();
    expect(await storage.list(`${output}/embeddings`)).toEqual(names);
  };

  test("makes the shards of a run on folders; another run of it does nothing", async () => {
    const output = uriOf("out", "plain");
    const first = resultOf(await runOn(output, "state"));
    expect(first.rows).toBe(local.rows);
    expect(first.shards).toBeGreaterThanOrEqual(3);
    await expectSame(output);
    const again = resultOf(await runOn(output, "state"));
    expect(again.seconds.phase1).toBe(0);
    expect(again.jobId).toBe(first.jobId);
    const report = await storage.readIfPresent(`${output}/results/run.json`);
    expect(JSON.parse(String(report))).toMatchObject({ jobId: first.jobId, rows: local.rows });
  });

  test("keeps its state there too, and finds it again from another machine", async () => {
    const [output, state] = [uriOf("out", "all"), uriOf("states", "all")];
    const from = (machine: string) =>
      runOn(output, state, ["--no-solve"], { XDG_STATE_HOME: place.path(machine) });
    const first = resultOf(await from("machine-1"));
    await expectSame(output);
    const log = await storage.list(`${state}/log`);
    expect(log.length).toBeGreaterThan(1);
    // Nothing but S3 is left of the first one.
    const again = resultOf(await from("machine-2"));
    expect(again.seconds.phase1).toBe(0);
    expect(again.jobId).toBe(first.jobId);
    expect((await storage.list(`${state}/log`)).slice(0, log.length)).toEqual(log);
    await expectSame(output);
  });

  test("with a state that knows nothing adopts what stands in the output", async () => {
    const output = uriOf("out", "plain");
    resultOf(await runOn(output, "state-2"));
    await expectSame(output);
  });

  test("makes them behind a server that fails one request in five", async () => {
    let count = 0;
    const proxy = await startProxy(gateway.url, ({ operation }) => {
      count += 1;
      if (operation === "Delete" || count % 5 !== 0) return undefined;
      return QUICK[(count / 5) % QUICK.length];
    });
    try {
      const output = uriOf("out", "faulty");
      const env = { LIGASE_S3_ENDPOINT: proxy.url };
      expect(resultOf(await runOn(output, "state-faulty", ["--no-solve"], env)).rows).toBe(
        local.rows,
      );
      await expectSame(output);
      expect(count).toBeGreaterThan(20);
    } finally {
      await proxy.close();
    }
  });

  test("says in one error what can't be, and what to do", async () => {
    const output = uriOf("out", "refused");
    const input = ["--input", ...remote, "--output", output];
    const env = gateway.env as Record<string, string>;
    const stateless = await run(place, ["--no-solve", ...input], { env });
    expect(errorOf(stateless)).toMatchObject({ code: "USAGE" });
    expect(errorOf(stateless).what).toContain("--state");
    const solving = errorOf(await runOn(output, "refused", []));
    expect(solving.what).toContain("--no-solve");
    const absent = ["--no-solve", "--input", uriOf("none.fq"), "--output", place.path("absent")];
    expect(errorOf(await run(place, absent, { env }))).toMatchObject({ code: "INPUT_NOT_FOUND" });
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: "a-wrong-secret" };
    const denied = await run(place, [...absent.slice(0, -1), place.path("denied")], { env: wrong });
    expect(errorOf(denied).what).toContain("credentials are wrong");
    expect(denied.stdout + denied.stderr).not.toContain("a-wrong-secret");
    expect(await storage.list(output)).toEqual([]);
  });
});
