/**
 * Every fault at every request of a creation, alone and in pairs: afterwards exactly the right
 * bytes stand, the outcome says whose they are, and no upload is left unfinished.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3_PUT_BYTES_MAX } from "../../../runtime/limits.ts";
import type { CreateOutcome } from "../../../runtime/storage/local.ts";
import { S3Storage } from "../../../runtime/storage/s3/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import { BUCKET, findGateway, type Gateway, startGateway } from "./gateway.ts";
import { type Fault, FAULTS, type Operation, type Proxy, startProxy } from "./proxy.ts";
import { fasterClock, pendingUploads } from "./support.ts";

const binary = await findGateway();
const isLong = process.env["LIGASE_TEST_LONG"] === "1";
/** Of how many pairs of faults the long form takes one: a trial moves 100 MB. */
const LARGE_PAIRS_STEP = 20;
/** Objects at once; most of a trial's time is waiting. */
const AT_ONCE = { small: 24, large: 4 };

interface Trial {
  /** One after the other, each at the next request of its operation. */
  readonly faults: readonly { readonly operation: Operation; readonly fault: Fault }[];
  /** What stands before. */
  readonly before: "nothing" | "same" | "other";
}

const SMALL_OPERATIONS: readonly Operation[] = ["Put", "Head"];
const LARGE_OPERATIONS: readonly Operation[] = [
  ...(["Create", "UploadPart", "Complete", "Head", "Abort", "ListUploads"] as const),
];
const BEFORE = ["nothing", "same", "other"] as const;

describe.skipIf(binary === undefined)("a creation behind faults", () => {
  let gateway: Gateway;
  let proxy: Proxy;
  let direct: S3Storage;
  let behind: S3Storage;
  const waiting = new Map<string, { operation: Operation; fault: Fault }[]>();
  let used = 0;

  beforeAll(async () => {
    gateway = await startGateway(binary ?? "");
    proxy = await startProxy(gateway.url, ({ operation, key }) => {
      const faults = waiting.get(key) ?? [];
      const at = faults.findIndex((one) => one.operation === operation);
      if (at < 0) return undefined;
      used += 1;
      return faults.splice(at, 1)[0]?.fault;
    });
    const { env, credentials } = gateway;
    direct = new S3Storage({ env, credentials });
    const proxied = { ...env, LIGASE_S3_ENDPOINT: proxy.url };
    behind = new S3Storage({ env: proxied, credentials, clock: fasterClock(20) });
  });
  afterAll(async () => {
    await proxy?.close();
    await gateway?.close();
  });

  const check = async (trial: Trial, number: number, bytes: Buffer): Promise<void> => {
    const name = `${trial.before}-${bytes.length}-${number}`;
    const uri = joinUri(`s3://${BUCKET}`, "faults", name);
    const other = Buffer.from(bytes);
    other.write("other");
    const standing = trial.before === "same" ? bytes : other;
    if (trial.before !== "nothing") await direct.createIfAbsent(uri, standing);
    waiting.set(`faults/${name}`, [...trial.faults]);
    const outcome = await behind.createIfAbsent(uri, bytes);
    waiting.delete(`faults/${name}`);
    const said = `${trial.before}: ${trial.faults.map((one) => Object.values(one)).join(" ")}`;
    const expected: CreateOutcome = trial.before === "nothing" ? "created" : trial.before;
    expect(outcome, said).toBe(expected);
    const stands = await direct.readIfPresent(uri);
    expect(digest(stands), said).toBe(digest(trial.before === "other" ? other : bytes));
  };

  const checkAll = async (
    trials: readonly Trial[],
    bytes: Buffer,
    atOnce: number,
  ): Promise<void> => {
    const left = [...trials.entries()];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        await check(next[1], next[0], bytes);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  };

  test("of a small object, each fault and each pair of them", async () => {
    const bytes = Buffer.from("bytes of a small object");
    const all = trialsOf(SMALL_OPERATIONS);
    const trials = isLong ? all : all.filter((trial, number) => isAlone(trial) || number % 4 === 0);
    await checkAll(trials, bytes, AT_ONCE.small);
    expect(used).toBeGreaterThan(trials.length);
  }, 110_000);

  test(
    "of a large object, a fault at each request; no upload is left",
    async () => {
      const bytes = Buffer.alloc(S3_PUT_BYTES_MAX + 3, 5);
      const long = trialsOf(LARGE_OPERATIONS).filter(
        (trial, number) => isAlone(trial) || number % LARGE_PAIRS_STEP === 0,
      );
      const trials = isLong ? long : mixedTrials(LARGE_OPERATIONS);
      await checkAll(trials, bytes, AT_ONCE.large);
      expect(await pendingUploads(gateway, BUCKET)).toEqual([]);
    },
    isLong ? 3_600_000 : 110_000,
  );
});

/** Each fault at each operation, alone and in ordered pairs, over what stood before. */
function trialsOf(operations: readonly Operation[]): Trial[] {
  const single = operations.flatMap((operation) => FAULTS.map((fault) => ({ operation, fault })));
  const alone = single.map((one) => [one]);
  const pairs = single.flatMap((first) => single.map((second) => [first, second]));
  return [...alone, ...pairs].flatMap((faults) => {
    const before = faults.length === 1 ? BEFORE : [BEFORE[hash(faults) % BEFORE.length] ?? "same"];
    return before.map((stands) => ({ faults, before: stands }));
  });
}

function isAlone({ faults }: Trial): boolean {
  return faults.length === 1;
}

/** In each trial a fault at every operation, so that all trials have each fault at each of them. */
function mixedTrials(operations: readonly Operation[]): Trial[] {
  return FAULTS.map((_, number) => ({
    faults: operations.map((operation, index) => {
      return { operation, fault: FAULTS[(number + 3 * index) % FAULTS.length] ?? "500" };
    }),
    before: number % 2 === 0 ? "nothing" : "other",
  }));
}

function hash(value: unknown): number {
  return createHash("sha256").update(JSON.stringify(value)).digest().readUInt32LE(0);
}

function digest(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  return createHash("sha256").update(bytes).digest("hex");
}
