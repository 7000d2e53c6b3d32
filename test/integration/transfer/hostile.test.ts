/** Who has no right, or sends what is no object, gets nothing and breaks nothing. */
import { connect as connectPlain } from "node:net";
import { once } from "node:events";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { TransferConnection, type Offer } from "../../../runtime/transfer/index.ts";
import {
  beginning,
  bytesOf,
  clientOn,
  falseNodeOn,
  JOB,
  MB,
  type Node,
  nodeOn,
  type Sends,
  Wire,
} from "./nodes.ts";

const read = async (): Promise<string> => "read";

async function offerTo(
  wire: Wire,
  node: Node,
): Promise<{ offer: Offer; client: ReturnType<typeof clientOn>; id: string }> {
  const client = clientOn(wire);
  const { id } = await node.put(bytesOf(1000, 1));
  const offer = (await client.asks.ask(node.identity, { op: "object-want", object: id })) as Offer;
  return { offer, client, id };
}

test("a token opens one object once, for whom it was made", async () => {
  const wire = new Wire();
  const node = nodeOn(wire);
  const { offer, client } = await offerTo(wire, node);
  const connection = await TransferConnection.open({ ...offer, asker: client.identity });
  const wrong = new Uint8Array(32);
  const refused = { code: "NOT_AUTHORIZED" };
  await expect(connection.pull(wrong, read)).rejects.toMatchObject(refused);
  const got = await connection.pull(offer.token, async (_header, fill) => {
    let bytes = 0;
    await fill((_offset, part) => {
      bytes += part.length;
    });
    return bytes;
  });
  expect(got).toBe(1000);
  await expect(connection.pull(offer.token, read)).rejects.toMatchObject(refused);
  // A refusal leaves the connection as it was.
  expect(connection.isOpen).toBe(true);
  connection.close();
  const mine = await offerTo(wire, node);
  const others = await offerTo(wire, node);
  const other = await TransferConnection.open({ ...mine.offer, asker: mine.client.identity });
  await expect(other.pull(others.offer.token, read)).rejects.toMatchObject(refused);
  // Shown by another one, it is good no more.
  const owner = await TransferConnection.open({ ...others.offer, asker: others.client.identity });
  await expect(owner.pull(others.offer.token, read)).rejects.toMatchObject(refused);
  other.close();
  owner.close();
});

test("a token of a get is none of a put, nor the other way round", async () => {
  const wire = new Wire();
  const node = nodeOn(wire);
  const { offer, client } = await offerTo(wire, node);
  const ask = { op: "object-room", job: JOB, bytes: 10, waitMs: 100 } as const;
  const room = (await client.asks.ask(node.identity, ask)) as Offer;
  const connection = await TransferConnection.open({ ...offer, asker: client.identity });
  const header = { id: "cd".repeat(16), kind: "bytes", shape: [10], bytes: 10 } as const;
  const refused = { code: "NOT_AUTHORIZED" };
  await expect(
    connection.push(offer.token, header, [[0, new Uint8Array(10)]]),
  ).rejects.toMatchObject(refused);
  await expect(connection.pull(room.token, read)).rejects.toMatchObject(refused);
  expect(node.store.usage().grantedBytes).toBe(0);
  connection.close();
});

test("without the asker's key there is no connection", async () => {
  const wire = new Wire();
  const node = nodeOn(wire);
  const { offer, client } = await offerTo(wire, node);
  const other = clientOn(wire).identity;
  const doors = [
    { ...offer, asker: other },
    { ...offer, asker: client.identity, key: new Uint8Array(32).fill(9) },
    { ...offer, asker: "nobody" as typeof other },
  ];
  for (const door of doors) {
    await expect(TransferConnection.open(door)).rejects.toMatchObject({ code: "NOT_AUTHORIZED" });
  }
  const { host, port } = offer;
  const bare = connect({ host, port, rejectUnauthorized: false });
  await expect(once(bare, "secureConnect")).rejects.toThrow(/handshake failure/);
  const plain = connectPlain(port, host);
  plain.write("GET / HTTP/1.1\r\n\r\n");
  plain.on("error", () => undefined);
  plain.resume();
  await once(plain, "close");
  const good = await TransferConnection.open({ ...offer, asker: client.identity });
  await good.pull(offer.token, (_header, fill) => fill(() => undefined));
  good.close();
});

const FAULTS: readonly (readonly [string, Sends])[] = [
  ["ends amid an object", (socket, header) => endAfter(socket, [beginning(header), half(header)])],
  ["ends amid a header", (socket, header) => endAfter(socket, [beginning(header).subarray(0, 60)])],
  [
    "sends another object",
    (socket, header) => {
      const other = { ...header, id: "ef".repeat(16) };
      endAfter(socket, [beginning(other), new Uint8Array(header.bytes)]);
    },
  ],
  [
    "sends more than it said",
    (socket, header) => {
      const other = { ...header, bytes: header.bytes * 4, shape: [header.bytes * 4] };
      endAfter(socket, [beginning(other), new Uint8Array(other.bytes)]);
    },
  ],
  ["sends what is no object", (socket) => endAfter(socket, [new Uint8Array(MB).fill(7)])],
  [
    "breaks the encryption",
    (socket, header) => {
      socket.write(beginning(header));
      socket.destroy();
    },
  ],
];

test.each(FAULTS)("a node that %s gives nothing", async (_what, sends) => {
  const wire = new Wire();
  const b = nodeOn(wire);
  const { ref, asked } = await falseNodeOn(wire, 2 * MB, sends);
  await expect(b.exchange.fetch(ref)).rejects.toSatisfy((error: { code: string }) =>
    ["TRANSFER_FAILED", "OBJECT_INVALID"].includes(error.code),
  );
  expect(asked()).toBeLessThanOrEqual(3);
  expect(b.store.usage()).toMatchObject({ grantedBytes: 0, objects: 0 });
});

function half({ bytes }: { bytes: number }): Uint8Array {
  return new Uint8Array(bytes / 2);
}

function endAfter(socket: Parameters<Sends>[0], parts: readonly Uint8Array[]): void {
  for (const part of parts) socket.write(part);
  socket.end();
}
