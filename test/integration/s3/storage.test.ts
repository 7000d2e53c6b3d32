/** The port to storage on a real S3 server, and on the same behind faults at random. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Storage } from "../../../runtime/storage/s3/storage.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import { storageSuite } from "../../storage-suite.ts";
import { BUCKET, findGateway, type Gateway, startGateway } from "./gateway.ts";
import { FAULTS, type Proxy, startProxy } from "./proxy.ts";
import { beginUpload, fasterClock, pendingUploads } from "./support.ts";

const binary = await findGateway();
/** Of all requests; many are several faults for each creation. */
const FAULTY_SHARE = 0.15;

describe.skipIf(binary === undefined)("on versitygw", () => {
  let gateway: Gateway;
  let roots = 0;
  const newRoot = (): string => joinUri(`s3://${BUCKET}`, `root ${++roots}`);

  beforeAll(async () => {
    gateway = await startGateway(binary ?? "");
  });
  afterAll(async () => {
    await gateway?.close();
  });

  storageSuite("S3", async () => ({
    storage: new S3Storage({ env: gateway.env, credentials: gateway.credentials }),
    root: newRoot(),
  }));

  test("a sweep ends what dead writers began in a folder, and nothing beside it", async () => {
    const storage = new S3Storage({ env: gateway.env, credentials: gateway.credentials });
    const root = newRoot();
    const [, folder = ""] = root.split(`s3://${BUCKET}/`);
    for (const key of ["left", "deep/left"]) await beginUpload(gateway, BUCKET, `${folder}/${key}`);
    await beginUpload(gateway, BUCKET, `${folder}2/left`);
    await storage.sweep(root);
    const left = await pendingUploads(gateway, BUCKET);
    expect(left.sort()).toEqual([`${folder}/deep/left`, `${folder}2/left`]);
    await storage.sweep(joinUri(root, "deep"));
    expect(await pendingUploads(gateway, BUCKET)).toEqual([`${folder}2/left`]);
  });

  describe("behind faults", () => {
    let proxy: Proxy;
    beforeAll(async () => {
      const random = seededRandom("storage behind faults");
      proxy = await startProxy(gateway.url, ({ operation }) => {
        // Who removes what is there already says so; a late one would remove another's.
        if (operation === "Delete" || random() > FAULTY_SHARE) return undefined;
        const fault = FAULTS[Math.floor(random() * FAULTS.length)];
        return fault === "late" && operation !== "Put" ? undefined : fault;
      });
    });
    afterAll(async () => {
      await proxy?.close();
    });

    storageSuite(
      "S3 with faults",
      async () => ({
        storage: new S3Storage({
          env: { ...gateway.env, LIGASE_S3_ENDPOINT: proxy.url },
          credentials: gateway.credentials,
          clock: fasterClock(20),
        }),
        root: newRoot(),
      }),
      { manyNames: 60, largeBytes: 3_000_000 },
    );

    test("there were faults", () => {
      expect(proxy.asked.length).toBeGreaterThan(400);
    });
  });
});

/** Numbers in [0, 1) that are the same each time. */
function seededRandom(seed: string): () => number {
  let count = 0;
  return () => {
    const digest = createHash("sha256").update(`${seed} ${count++}`).digest();
    return digest.readUInt32LE(0) / 2 ** 32;
  };
}
