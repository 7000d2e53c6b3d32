/** An S3 server for the suite, and the proxy before it that makes its faults. */
import { join } from "node:path";
import { BUCKET, findGateway, startGateway } from "../../integration/s3/gateway.ts";
import { type Fault, type Rule, startProxy } from "../../integration/s3/proxy.ts";
import type { Dice } from "./dice.ts";

/** Faults that any request may meet; its time runs out after too long for a run of the suite. */
const ANY: readonly Fault[] = [
  "500",
  "503",
  "reset",
  "reset-after",
  "late",
  "half-request",
  "half-answer",
  "delay",
];
/** Of requests that make a name. */
const CREATING: readonly Fault[] = [...ANY, "409"];
/** Share of requests that meet a fault. */
const FAULT_SHARE = 0.25;

/** The server, as commands and checks of one suite use it. */
export interface S3World {
  /** For the environment of a command. */
  readonly env: Readonly<Record<string, string>>;
  uri(name: string): string;
  /** The same as a folder: what stands there is what the server has. */
  folder(name: string): string;
  /** What becomes of requests from now on. */
  set(rule: Rule): void;
  close(): Promise<void>;
}

/** Undefined where the server isn't installed. */
export async function startS3(): Promise<S3World | undefined> {
  const binary = await findGateway();
  if (binary === undefined) return undefined;
  const gateway = await startGateway(binary);
  let rule: Rule = faultless;
  const proxy = await startProxy(gateway.url, (asked) => rule(asked));
  const env = Object.entries({ ...gateway.env, LIGASE_S3_ENDPOINT: proxy.url });
  return {
    env: Object.fromEntries(env.map(([name, value]) => [name, value ?? ""])),
    uri: (name) => `s3://${BUCKET}/${name}`,
    folder: (name) => join(gateway.folder, name),
    set: (next) => void (rule = next),
    close: async () => {
      await proxy.close();
      await gateway.close();
    },
  };
}

/** Every request is answered. */
export const faultless: Rule = () => undefined;

/** No request is. */
export const outage: Rule = () => "503";

/** One request of four meets a fault that its kind can meet. */
export function faulty(dice: Dice): Rule {
  return ({ operation }) => {
    if (dice.next() >= FAULT_SHARE) return undefined;
    const isCreating = operation === "Put" || operation === "Complete";
    return dice.pick(isCreating ? CREATING : ANY);
  };
}
