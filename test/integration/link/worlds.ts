/** Two ends over real carriers, for the conformance suite. */
import { join } from "node:path";
import { busCarrier, agentCarrier, socketCarrier } from "../../../runtime/link/carrier.ts";
import { processClock } from "../../../runtime/clock.ts";
import { type Channel, connectSocket, listenSocket } from "../../../runtime/bus/socket.ts";
import type { Bus } from "../../../runtime/bus/bus.ts";
import { hearing, linkSubject, parseSubject } from "../../../runtime/bus/subjects.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { type Identity, newProcessId } from "../../../runtime/ids.ts";
import { Post } from "../../../worker/post.ts";
import { type End, newEnd, type World } from "../../unit/link/world.ts";
import {
  busOf,
  CLUSTER,
  onEnd,
  startTestServer,
  temporaryFolder,
  until,
} from "../cluster/support.ts";

const clock = processClock;
const DEADLINE_MS = 20_000;
const TOKEN = "token";

const waiting: World["until"] = async (what, condition) => {
  await until(what, condition, DEADLINE_MS);
};

/** An end of a socket; what comes by it is its table's. */
function socketEnd(channel: Channel, seed: number): End {
  const end = newEnd({ inner: socketCarrier(channel), clock, seed });
  channel.onFrame((frame) => end.table.take(frame, end.carrier));
  channel.onClose((reason) => {
    const error = reason ?? new SystemError("SOCKET_FAILED", "the other process closed it");
    end.table.carrierClosed(end.carrier, error);
  });
  return end;
}

/** Both ends of a new socket in a folder that the test removes. */
async function channels(): Promise<{ readonly client: Channel; readonly host: Channel }> {
  const path = join(await temporaryFolder(), "s");
  const { promise, resolve } = Promise.withResolvers<Channel>();
  const server = await listenSocket(path, { token: TOKEN, onConnection: resolve });
  onEnd(() => server.close());
  const client = await connectSocket(path, { token: TOKEN, deadlineMs: DEADLINE_MS });
  onEnd(() => Promise.resolve(client.close()));
  return { client, host: await promise };
}

/** Two processes of one machine. */
export async function socketWorld(): Promise<World> {
  const { client, host } = await channels();
  const [a, b] = [socketEnd(client, 1), socketEnd(host, 2)];
  return { a, b, until: waiting, cut: () => client.close() };
}

/** An end with a connection to the bus. */
async function busEnd(bus: Bus, other: Identity, seed: number): Promise<End> {
  const subject = linkSubject(CLUSTER, other, bus.identity);
  const inner = busCarrier((frame) => bus.publish(subject, frame));
  const end = newEnd({ inner, clock, seed });
  bus.subscribe(hearing.links(CLUSTER, bus.identity), (_subject, bytes) => {
    end.table.take(bytes, end.carrier);
  });
  await bus.flush();
  return end;
}

/** Two clients of a nats-server. */
export async function natsWorld(connect?: () => Promise<readonly [Bus, Bus]>): Promise<World> {
  const [one, two] = await (connect ?? twoBuses)();
  const a = await busEnd(one, two.identity, 1);
  const b = await busEnd(two, one.identity, 2);
  return { a, b, until: waiting };
}

async function twoBuses(): Promise<readonly [Bus, Bus]> {
  const { server, keyring } = await startTestServer();
  const [one, two] = [await keyring.mint("client"), await keyring.mint("client")];
  return [await busOf(server.url, one), await busOf(server.url, two)];
}

/** A client of a nats-server and an executor behind its agent's post, which forwards undecoded. */
export async function agentWorld(): Promise<World> {
  const { server, keyring } = await startTestServer();
  const client = await busOf(server.url, await keyring.mint("client"));
  const worker = await busOf(server.url, await keyring.mint("worker"));
  const a = await busEnd(client, worker.identity, 1);
  const { client: executor, host } = await channels();
  const b = newEnd({ inner: agentCarrier(executor), clock, seed: 2 });
  executor.onFrame((frame) => b.table.take(frame, b.carrier));
  const post = new Post({
    self: newProcessId(),
    identity: worker.identity,
    toIdentity: (to, frame) => worker.publish(linkSubject(CLUSTER, to, worker.identity), frame),
    toHead: () => undefined,
    isRunning: () => true,
  });
  post.admit(b.process, host);
  host.onFrame((frame) => post.forward(frame));
  worker.subscribe(hearing.links(CLUSTER, worker.identity), (subject, bytes) => {
    const from = parseSubject(CLUSTER, subject)?.from;
    if (from !== undefined) post.deliver(from, bytes);
  });
  await worker.flush();
  return { a, b, until: waiting };
}
