/**
 * One client of S3: single requests with a deadline, and their repetition with full jitter. The SDK
 * is loaded by the first request, so that who works on folders never pays for it.
 */
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { type Clock, processClock } from "../../clock.ts";
import { SystemError } from "../../errors.ts";
import {
  S3_ANSWER_MS,
  S3_PATIENCE_MS,
  S3_RETRY_MS,
  S3_RETRY_MS_MAX,
  S3_TRIES,
  S3_UPLOAD_BYTES_PER_MS,
} from "../../limits.ts";
import { type Answer, isSkewed, refusalOf } from "./answers.ts";
import { REGION_OF_OTHERS, s3Settings } from "./settings.ts";

export type Sdk = typeof import("@aws-sdk/client-s3");

/** What a client takes from outside; a test's clock may run faster. */
export interface S3Ports {
  readonly env: NodeJS.ProcessEnv;
  /** Instead of AWS's chain, which reads the process's own environment. */
  readonly credentials?: NonNullable<S3ClientConfig["credentials"]>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Who waits for storage has nothing else that keeps its process alive. */
const waitingClock: Clock = {
  ...processClock,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

const ports: S3Ports = { env: process.env, clock: waitingClock, random: Math.random };

/** One request under way. */
export interface Attempt {
  readonly s3: S3Client;
  readonly sdk: Sdk;
  /** For `send`: the deadline. */
  readonly options: { readonly abortSignal: AbortSignal };
  /** Some of the answer has come: the time for the next part of it begins. */
  readonly alive: () => void;
}

interface Loaded {
  readonly s3: S3Client;
  readonly sdk: Sdk;
}

/** Patience of one call of ours, over all its requests. */
export interface Effort {
  /** Whether another try is worth it; waits for its turn then. @param tried - >= 1. */
  next(tried: number): Promise<boolean>;
}

export class S3Api {
  readonly #ports: S3Ports;
  #loaded: Promise<Loaded> | undefined;

  constructor(given: Partial<S3Ports> = {}) {
    this.#ports = { ...ports, ...given };
  }

  /**
   * Makes one request.
   * @param call - sends it; settles when all of its answer is there.
   * @param bytes - of its body: an upload gets the time for them.
   */
  async ask<T>(call: (attempt: Attempt) => Promise<T>, bytes = 0): Promise<Answer<T>> {
    const { s3, sdk } = await this.#load();
    const controller = new AbortController();
    const limitMs = S3_ANSWER_MS + bytes / S3_UPLOAD_BYTES_PER_MS;
    const { clock } = this.#ports;
    const begin = (): (() => void) => clock.after(limitMs, () => controller.abort());
    let cancel = begin();
    const alive = (): void => {
      cancel();
      cancel = begin();
    };
    const attempt = { s3, sdk, options: { abortSignal: controller.signal }, alive };
    try {
      return { kind: "done", output: await call(attempt) };
    } catch (thrown) {
      // From its answer the SDK has learned how far the clocks differ.
      if (isSkewed(thrown) && !controller.signal.aborted) return await onceMore(call, attempt);
      if (thrown instanceof SystemError) throw thrown;
      return refusalOf(thrown);
    } finally {
      cancel();
    }
  }

  /** Asks until the answer is clear, or patience ends; a conflict is asked again too. */
  async insist<T>(ask: () => Promise<Answer<T>>, effort = this.effort()): Promise<Answer<T>> {
    for (let tried = 1; ; tried += 1) {
      const answer = await ask();
      const isClear = answer.kind !== "unclear" && answer.kind !== "conflict";
      if (isClear || !(await effort.next(tried))) return answer;
    }
  }

  /** Tries of one call: bounded each, and together in time. */
  effort(patienceMs: number = S3_PATIENCE_MS): Effort {
    const { clock, random } = this.#ports;
    const endMs = clock.now() + patienceMs;
    const pause = (ms: number): Promise<void> =>
      new Promise((settle) => void clock.after(ms, settle));
    return {
      next: async (tried) => {
        if (tried >= S3_TRIES || clock.now() >= endMs) return false;
        await pause(random() * Math.min(S3_RETRY_MS_MAX, S3_RETRY_MS * 2 ** (tried - 1)));
        return true;
      },
    };
  }

  #load(): Promise<Loaded> {
    const loading = this.#loaded ?? load(this.#ports);
    this.#loaded = loading;
    // A configuration that is wrong is read again by the next request.
    loading.catch(() => (this.#loaded = undefined));
    return loading;
  }
}

async function onceMore<T>(
  call: (attempt: Attempt) => Promise<T>,
  attempt: Attempt,
): Promise<Answer<T>> {
  try {
    return { kind: "done", output: await call(attempt) };
  } catch (thrown) {
    if (thrown instanceof SystemError) throw thrown;
    return refusalOf(thrown);
  }
}

async function load({ env, credentials }: S3Ports): Promise<Loaded> {
  const settings = { ...s3Settings(env), ...(credentials === undefined ? {} : { credentials }) };
  const sdk = await import("@aws-sdk/client-s3");
  const s3 = new sdk.S3Client(settings);
  if (settings.endpoint === undefined || (await hasRegion(s3))) return { s3, sdk };
  // Most stores of others have none, but a signature names one.
  return { s3: new sdk.S3Client({ ...settings, region: REGION_OF_OTHERS }), sdk };
}

/** Whether a region is told anywhere in AWS's own chain. */
async function hasRegion(s3: S3Client): Promise<boolean> {
  return s3.config.region().then(
    () => true,
    () => false,
  );
}
