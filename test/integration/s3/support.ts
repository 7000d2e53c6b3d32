/** What the tests on S3 share. */
import { availableParallelism, loadavg } from "node:os";
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Clock, processClock } from "../../../runtime/clock.ts";
import type { Gateway } from "./gateway.ts";

/**
 * A clock that runs so many times as fast on a machine that has nothing else to do, and less so on
 * a busy one: waits and deadlines keep their proportions, and no limit is lowered for a test.
 */
export function fasterClock(timesOnIdle: number): Clock {
  const load = (loadavg()[0] ?? 1) / availableParallelism();
  const times = Math.max(2, timesOnIdle / Math.max(1, load));
  return {
    ...processClock,
    now: () => processClock.now() * times,
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms / times);
      return () => clearTimeout(timer);
    },
  };
}

/** Keys of the uploads that were begun and neither completed nor aborted. */
export async function pendingUploads(gateway: Gateway, bucket: string): Promise<string[]> {
  const client = clientOf(gateway);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  client.destroy();
  return Uploads.map(({ Key = "" }) => Key);
}

/** Begins an upload as a writer does that dies then. */
export async function beginUpload(gateway: Gateway, Bucket: string, Key: string): Promise<void> {
  const client = clientOf(gateway);
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  client.destroy();
}

function clientOf({ url: endpoint, credentials }: Gateway): S3Client {
  return new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
}
