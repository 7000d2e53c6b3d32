/** Routes over real sockets: a cut, a process that is gone, a socket that isn't there. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CALL, CALL_WITH, OK } from "../../runtime/actor/items.ts";
import { type Channel, listenSocket, type SocketServer } from "../../runtime/bus/socket.ts";
import { Links } from "../../runtime/client/links.ts";
import { SystemError } from "../../runtime/errors.ts";
import { newProcessId } from "../../runtime/ids.ts";
import { socketCarrier } from "../../runtime/link/carrier.ts";
import { LinkTable } from "../../runtime/link/table.ts";
import type { ActorView } from "../../runtime/messages.ts";
import { HostProcess, viewOf } from "../unit/client/link-fakes.ts";

const HOST = "this machine";
const TOKEN = "token";

let folder: string;
let child: ChildProcess;
let located: { readonly after: number; answer(view: ActorView): void }[];
let remote: number;
let table: LinkTable;
let links: Links;
let host: SocketHost;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "lgl-"));
  // Stands for the executor in the table of processes; this test answers in its name.
  child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  located = [];
  remote = 0;
  table = new LinkTable({ self: newProcessId() });
  const head = {
    request: (request: unknown) => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      located.push({ after: (request as { after: number }).after, answer: resolve });
      return promise;
    },
  };
  const noWay = () => {
    remote += 1;
    return { kind: "simulated", send: () => {}, bufferedBytes: 0, close: () => {} } as const;
  };
  links = new Links({ host: HOST, table, head, remote: noWay });
  host = await SocketHost.listen(join(folder, "one.sock"));
});
afterEach(async () => {
  links.close();
  child.kill("SIGKILL");
  await host.close();
  rmSync(folder, { recursive: true });
});

/** Answers calls at a socket. */
class SocketHost {
  readonly id = newProcessId();
  readonly #channels = new Set<Channel>();
  calls = 0;
  silent = false;
  #server: SocketServer | undefined;

  static async listen(path: string): Promise<SocketHost> {
    const made = new SocketHost();
    const table = new LinkTable({
      self: made.id,
      accept: (link) => ({
        onItems: (items) => {
          for (const item of items as unknown[][]) {
            if (item[0] !== CALL && item[0] !== CALL_WITH) continue;
            made.calls += 1;
            if (!made.silent) link.send([OK, item[1], made.calls]);
          }
        },
        onReset: () => undefined,
      }),
    });
    const onConnection = (channel: Channel): void => {
      made.#channels.add(channel);
      const carrier = socketCarrier(channel);
      channel.onFrame((frame) => table.take(frame, carrier));
      channel.onClose(() => table.carrierClosed(carrier, new SystemError("SOCKET_FAILED", "cut")));
    };
    made.#server = await listenSocket(path, { token: TOKEN, onConnection });
    return made;
  }

  view(more: Partial<ActorView> = {}): ActorView {
    const view = viewOf(new HostProcess(), more);
    const socket = this.#server?.path ?? "";
    const pid = child.pid ?? 0;
    const place = { process: this.id, socket, pid, host: HOST, token: TOKEN };
    return view.address === null ? view : { ...view, address: { ...view.address, ...place } };
  }

  cut(): void {
    for (const channel of this.#channels) channel.close(new SystemError("SOCKET_FAILED", "cut"));
    this.#channels.clear();
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const due = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > due) throw new Error("not in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a cut socket is opened again to the same life, without a head", async () => {
  const target = links.route(host.view());
  expect(await target.call("f", [])).toBe(1);
  host.cut();
  await until(() => table.size === 0);
  expect(await target.call("f", [])).toBe(2);
  expect(located).toEqual([]);
});

test("a process that is gone is proof: the next life is asked for, never by the bus", async () => {
  const target = links.route(host.view());
  await target.call("f", []);
  host.silent = true;
  const call = target.call("f", [], { retries: 1 });
  await until(() => host.calls === 2);
  child.kill("SIGKILL");
  await once(child, "exit");
  await host.close();
  await until(() => located.length === 1);
  expect(located[0]?.after).toBe(1);
  expect(remote).toBe(0);
  child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const next = (host = await SocketHost.listen(join(folder, "two.sock")));
  located[0]?.answer(next.view({ incarnation: 1, restarts: 1 }));
  expect(await call).toBe(1);
});

test("a stopped process isn't vouched for, a running one is", async () => {
  const target = links.route(host.view());
  await target.call("f", []);
  expect(links.vouch(host.id)).toBe(true);
  child.kill("SIGSTOP");
  await until(() => links.vouch(host.id) === false);
  child.kill("SIGCONT");
  await until(() => links.vouch(host.id) === true);
  expect(links.vouch(newProcessId())).toBeUndefined();
});

test("a socket that stays away is given up for the bus", async () => {
  await host.close();
  const target = links.route(host.view());
  void target.call("f", []).catch(() => undefined);
  const answered = new Set<number>();
  await until(() => {
    for (const [i, { answer }] of located.entries()) {
      if (!answered.has(i)) answer(host.view());
      answered.add(i);
    }
    return remote > 0;
  });
  expect(located.every(({ after }) => after === 0)).toBe(true);
});
