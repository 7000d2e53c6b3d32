/** An agent in a process of its own, which a test can kill. Its argument is JSON. */
import type { Identity } from "../../../runtime/ids.ts";
import { connectBus } from "../../../runtime/bus/nats.ts";
import { Agent } from "../../../worker/agent.ts";

const config = JSON.parse(process.argv[2] ?? "") as {
  readonly url: string;
  readonly cluster: string;
  readonly identity: Identity;
  readonly seed: string;
  readonly runtimeDir: string;
  readonly mark: string;
};
const { cluster, runtimeDir, mark } = config;
const bus = await connectBus({ ...config, name: "worker" });
await new Agent({ bus, cluster, runtimeDir, mark, slots: 1 }).start();
