/**
 * How S3 is reached: AWS's own chain of environment, configuration files and roles, and an endpoint
 * of one's own. Credentials are the SDK's business: nothing here reads, keeps or prints them.
 *
 * Variables: LIGASE_S3_ENDPOINT, else AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL; AWS_REGION, else
 * AWS_DEFAULT_REGION; LIGASE_S3_PATH_STYLE = true | false (true for an endpoint of one's own).
 */
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { SystemError } from "../../errors.ts";
import { S3_ANSWER_MS, S3_CONNECT_MS, S3_CONNECTIONS_MAX } from "../../limits.ts";

/** What stores other than AWS's take for their region, unless they are told one. */
export const REGION_OF_OTHERS = "us-east-1";
/** Where clouds tell a machine its secrets: nobody keeps objects there. */
const METADATA_HOSTS =
  /^(169\.254\.\d+\.\d+|\[fd00:ec2::[0-9a-f]+\]|metadata(\.google\.internal)?)$/;

/**
 * The client's configuration.
 * @throws {SystemError} USAGE for an endpoint that is none.
 */
export function s3Settings(env: NodeJS.ProcessEnv): S3ClientConfig {
  const endpoint = endpointOf(env);
  const region = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"];
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region ? { region } : {}),
    forcePathStyle: pathStyleOf(env["LIGASE_S3_PATH_STYLE"], endpoint !== undefined),
    // What may be repeated, and how, is decided here, with a look before each repetition.
    maxAttempts: 1,
    // Ours go with every request that has a body, over the whole of it.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: S3_CONNECT_MS,
      // Its line on stderr helps nobody: who waits for a connection has a deadline.
      socketAcquisitionWarningTimeout: 100 * S3_ANSWER_MS,
      httpAgent: { keepAlive: true, maxSockets: S3_CONNECTIONS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: S3_CONNECTIONS_MAX },
    },
  };
}

/** An endpoint of one's own, without a path's last slash; undefined: AWS's. */
function endpointOf(env: NodeJS.ProcessEnv): string | undefined {
  const names = ["LIGASE_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
  const name = names.find((name) => env[name]);
  if (name === undefined) return undefined;
  const url = URL.parse(env[name] ?? "");
  if (url === null) throw refused(name, "is no URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused(name, "is neither http:// nor https://");
  }
  // It would be printed wherever an endpoint is.
  if (url.username !== "" || url.password !== "") throw refused(name, "holds a user or password");
  if (url.search !== "" || url.hash !== "") throw refused(name, "holds a query");
  if (METADATA_HOSTS.test(url.hostname)) throw refused(name, "is a machine's metadata service");
  return url.href.replace(/\/$/, "");
}

function pathStyleOf(asked: string | undefined, isOwn: boolean): boolean {
  if (asked === undefined || asked === "") return isOwn;
  if (asked === "true" || asked === "false") return asked === "true";
  throw refused("LIGASE_S3_PATH_STYLE", "is neither true nor false");
}

function refused(name: string, why: string): SystemError {
  return new SystemError("USAGE", `the environment variable ${name} ${why}`);
}
