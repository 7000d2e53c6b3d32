/** A real agent with real executors on a real bus, a head played by the test, and callers. */
import * as v from "valibot";
import { LinkTable } from "../../../runtime/link/table.ts";
import { busCarrier } from "../../../runtime/link/carrier.ts";
import { ActorCaller } from "../../../runtime/actor/caller.ts";
import type { Bus } from "../../../runtime/bus/bus.ts";
import {
  beaconSubject,
  commandSubject,
  hearing,
  linkSubject,
  parseSubject,
} from "../../../runtime/bus/subjects.ts";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { destinationOf, isLinkFrame } from "../../../runtime/frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import {
  type ActorAddress,
  type ActorLife,
  type Assignment,
  type Command,
  type Outcome,
  parseMessage,
  type Report,
  report as reportSchema,
} from "../../../runtime/messages.ts";
import { taskReport } from "../../../runtime/tasks/wire.ts";
import { identityOf } from "../../../runtime/processes.ts";
import { Agent, type AgentOptions } from "../../../worker/agent.ts";
import {
  busOf,
  CLUSTER,
  onEnd,
  startTestServer,
  temporaryFolder,
  until,
} from "../cluster/support.ts";

export { busOf, cleanUp, CLUSTER, onEnd, temporaryFolder, until } from "../cluster/support.ts";

export const EPOCH = { number: 1, leader: "A" };
export const SHA = "0".repeat(64);
/** Of the processes that the agent starts. */
export const MARK = "ffeeddccbbaa0011";
/** Reports of a result before it is acknowledged, where a test wants it told again. */
const REPORTS = 3;

export function frameOf(source: string, destination: string, value: unknown): Uint8Array {
  const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const ends = { source: source as ProcessId, destination: destination as ProcessId };
  return encodeFrame({ ...fields, ...ends }, value);
}

export interface HostOptions {
  readonly url: string;
  readonly actor: string;
  readonly args?: unknown[];
  readonly hosting?: "process" | "shared";
  readonly name?: string;
  readonly incarnation?: number;
}

/** The assignment that hosts one life of an actor. */
export function hostOf(actorId: string, options: HostOptions): Assignment {
  const { url, actor, args = [], hosting = "process", name = null, incarnation = 0 } = options;
  const program = { url, sha256: SHA };
  const record = {
    actorId,
    program,
    actor,
    args,
    options: {
      name,
      getIfExists: false,
      lifetime: name === null ? ("owned" as const) : ("detached" as const),
      hosting,
      maxRestarts: 0,
      maxConcurrency: 1,
    },
    owner: { identity: "c1", process: "1".repeat(16) },
    pool: null,
  };
  return {
    task: `host/${actorId}`,
    attempt: incarnation,
    program,
    work: { kind: "host", record },
  };
}

/** An agent, and a head that gives it commands. */
export async function startAgent(options: Partial<AgentOptions> = {}, isSlow = false) {
  const { server, keyring } = await startTestServer();
  const worker = await busOf(server.url, await keyring.mint("worker"));
  const head = await busOf(server.url, await keyring.mint("head"));
  const runtimeDir = await temporaryFolder();
  const own = { bus: worker, cluster: CLUSTER, runtimeDir, slots: 1, mark: MARK };
  const agent = new Agent({ ...own, ...options });
  onEnd(async () => agent.stop());
  const played = await playHead(head, worker.identity, isSlow);
  await agent.start();
  const newCaller = async (address: ActorAddress) => {
    const bus = await busOf(server.url, await keyring.mint("client"));
    const caller = callerOver(bus, address);
    await bus.flush();
    return caller;
  };
  return { server, keyring, worker, head, agent, runtimeDir, newCaller, ...played };
}

/**
 * A head for one worker: it acknowledges what it hears, and says what the test wants. Each report
 * is confirmed unless the test says otherwise.
 * @param isSlow - results are acknowledged only when they were told three times.
 */
export async function playHead(bus: Bus, worker: Identity, isSlow = false) {
  const outcomes = new Map<string, Outcome>();
  const told = new Map<string, number>();
  const ended = new Map<string, Report["ended"][number]>();
  const confirming = { isOn: true };
  let last: Report | undefined;
  let sequence = 0;
  const command = (part: Partial<Command>): void => {
    sequence += 1;
    const none = { assign: [], cancel: [], ack: [], end: [], endSeen: [], logs: [] };
    const heard = confirming.isOn ? (last?.number ?? 0) : 0;
    const order = { epoch: EPOCH, sequence, heard, ...none, ...part };
    const frame = frameOf(PROCESS_NONE, PROCESS_NONE, order);
    bus.publish(commandSubject(CLUSTER, worker, bus.identity), frame);
  };
  bus.subscribe(hearing.events(CLUSTER), (subject, bytes) => {
    if (parseSubject(CLUSTER, subject)?.from !== worker) return;
    const report = reportIn(bytes);
    if (report === undefined) return;
    last = report;
    for (const { task, attempt, outcome } of last.done) {
      outcomes.set(`${task}#${attempt}`, outcome);
      told.set(task, (told.get(task) ?? 0) + 1);
    }
    for (const end of last.ended) ended.set(lifeName(end), end);
    const enough = isSlow ? REPORTS : 1;
    const ack = last.done.filter(({ task }) => (told.get(task) ?? 0) >= enough);
    const endSeen = last.ended.map(({ actorId, incarnation }) => ({ actorId, incarnation }));
    command({ ack: ack.map(({ task, attempt }) => ({ task, attempt })), endSeen });
  });
  await bus.flush();
  const beacon = (): void => {
    const value = { epoch: EPOCH, tail: 0, head: bus.identity };
    const frame = frameOf(PROCESS_NONE, PROCESS_NONE, value);
    bus.publish(beaconSubject(CLUSTER, bus.identity), frame);
  };
  const run = (assign: Assignment[], timeoutMs = 20_000): Promise<Outcome[]> => {
    command({ assign });
    const all = (): Outcome[] | undefined => {
      const those = assign.map(({ task, attempt }) => outcomes.get(`${task}#${attempt}`));
      return those.every((outcome) => outcome !== undefined) ? those : undefined;
    };
    return until("all ended", all, timeoutMs);
  };
  const endOf = (life: ActorLife): Promise<Report["ended"][number]> =>
    until(`end of ${lifeName(life)}`, () => ended.get(lifeName(life)), 30_000);
  const lastReport = (): Report | undefined => last;
  return { command, beacon, run, endOf, lastReport, confirming };
}

/** A worker's report; undefined for one of tasks, which comes on the same subject. */
export function reportIn(bytes: Uint8Array): Report | undefined {
  const { value } = decodeFrame(bytes);
  return v.is(taskReport, value) ? undefined : parseMessage(reportSchema, value);
}

/** Whether a process is there; one that only waits to be reaped isn't. */
export function isThere(pid: number): boolean {
  return identityOf(pid) !== undefined;
}

function lifeName({ actorId, incarnation }: ActorLife): string {
  return `${actorId}#${incarnation}`;
}

/** The address of an actor that was hosted. */
export function addressOf(outcome: Outcome | undefined): ActorAddress {
  if (outcome?.kind !== "hosted") throw new Error(JSON.stringify(outcome));
  return outcome.address;
}

/** A peer with a key of its own that calls actors, sends what it likes, and hears what comes. */
export function callerOver(bus: Bus, address: ActorAddress) {
  const self = newProcessId();
  const to = linkSubject(CLUSTER, address.worker as Identity, bus.identity);
  const heard: { readonly source: string; readonly value: unknown }[] = [];
  const called = new Set<string>();
  const carrier = busCarrier((frame) => bus.publish(to, frame));
  const table = new LinkTable({ self });
  const caller: ActorCaller = new ActorCaller({
    onActorGone: (actorId, error) => caller.fail(actorId, error),
  });
  const link = caller.open(
    (handlers) => table.open(address.process as ProcessId, carrier, handlers),
    (error) => {
      for (const actorId of called) caller.fail(actorId, error);
    },
  );
  bus.subscribe(hearing.links(CLUSTER, bus.identity), (_subject, bytes) => {
    // Others that it sent as may be answered too.
    if (destinationOf(bytes) !== self) return;
    if (isLinkFrame(bytes)) table.take(bytes, carrier);
    else heard.push({ source: decodeFrame(bytes).prefix.source, value: decodeFrame(bytes).value });
  });
  return {
    self,
    identity: bus.identity,
    heard,
    send: (source: string, value: unknown): void =>
      bus.publish(to, frameOf(source, address.process, value)),
    raw: (bytes: Uint8Array): void => bus.publish(to, bytes),
    call: (actorId: string, method: string, ...args: unknown[]): Promise<unknown> => {
      caller.adopt(actorId);
      called.add(actorId);
      // Nobody would open another link: without one its calls would wait for ever.
      if (!caller.attach(actorId, link)) caller.fail(actorId, linkOver());
      return caller.call(actorId, method, args);
    },
  };
}

function linkOver(): SystemError {
  return new SystemError("ACTOR_DIED", "the link to its executor is over");
}

/** The code of what a call was refused with; `none` when it wasn't. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "none",
    (thrown: unknown) => toSystemError(thrown).code,
  );
}
