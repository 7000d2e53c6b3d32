/** A live head that leads from the recorded log has the state that a replay of it gives. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { digestOf } from "../../head/core/core.ts";
import { replay } from "../../head/daemon/durable/replica.ts";
import { joinAsClient } from "../../runtime/client/connect.ts";
import { startEmbedded } from "../../runtime/client/embedded.ts";

const LOG = fileURLToPath(new URL("../golden/log", import.meta.url));

test("the digest of a live head is that of its log, replayed", async () => {
  const stateDir = await mkdtemp(join(tmpdir(), "lgr-"));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  await cp(LOG, join(stateDir, "log"), { recursive: true });
  const signal = AbortSignal.timeout(60_000);
  const started = await startEmbedded({ stateDir, slurm: "none", executors: 1, signal });
  if (started.kind !== "ready") throw new Error("somebody else works in a new folder");
  onTestFinished(() => started.stop());
  const program = { url: "file:///none.ts", sha256: "0".repeat(64) };
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const cluster = await joinAsClient(started.connection, program, loaded, async () => {});
  onTestFinished(() => cluster.close());

  const lived = await cluster.digest();
  const { state } = await replay(stateDir);
  expect(lived).toEqual(digestOf(state));
  expect(state.epoch.number).toBe(2);
});
