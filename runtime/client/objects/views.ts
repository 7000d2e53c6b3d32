/**
 * What the nodes' memory for objects is used for: asked of each node's agent, because no head knows
 * of objects. A node that doesn't answer is named, and the others are told all the same.
 */
import * as v from "valibot";
import { SystemError } from "../../errors.ts";
import type { Identity } from "../../ids.ts";
import { LIST_PAGE_MAX } from "../../limits.ts";
import { identity } from "../../bus/message-parts.ts";
import { parseMessage } from "../../messages.ts";
import type { NodeAsks } from "../../transfer/asks.ts";
import {
  memoryView,
  type MemoryView,
  type ObjectEntry,
  objectPage,
  type ObjectPage,
} from "../../transfer/messages.ts";
import { checkCount } from "../../usage.ts";
import type { HeadClient } from "../head-client.ts";

/** Whom to ask. */
export interface ViewParts {
  readonly head: Pick<HeadClient, "request">;
  /** Undefined in executors, which hold no key of the bus. */
  readonly asks: Pick<NodeAsks, "ask"> | undefined;
}

export interface ObjectListOptions {
  /** `node`, `job`, `state` (shared, spilled, copy) and `object`; before any cut. */
  readonly filter?: Readonly<Record<string, string>>;
  /** `next` of the page before. */
  readonly after?: string | null;
  readonly limit?: number;
}

/** An object on a node. */
export interface NodeObject extends ObjectEntry {
  readonly node: Identity;
}

export interface NodeObjectPage {
  readonly entries: readonly NodeObject[];
  readonly next: string | null;
  /** Objects of all pages, on the nodes that answered. */
  readonly total: number;
  /** Nodes that didn't answer. */
  readonly silent: readonly Identity[];
}

export interface NodeMemory {
  readonly node: Identity;
  /** Null of a node that didn't answer. */
  readonly memory: MemoryView | null;
}

/**
 * A page of objects: node by node, in each the oldest first, filtered before it is cut.
 * @throws {SystemError} USAGE.
 */
export async function askObjects(
  parts: ViewParts,
  options: ObjectListOptions,
): Promise<NodeObjectPage> {
  const { filter: { node, ...filter } = {}, after = null, limit = LIST_PAGE_MAX } = options;
  checkCount("limit", limit, 1, LIST_PAGE_MAX);
  const begin = cursorOf(after);
  const nodes = (await nodesOf(parts, node)).sort();
  const silent: Identity[] = [];
  const ask = async (of: Identity, from: number, most: number): Promise<ObjectPage | undefined> => {
    const page = { op: "object-list", filter, after: from, limit: most } as const;
    return parsed(objectPage, await answerOf(parts, of, page, silent));
  };
  // How many there are is asked of all at once; what they are, of those that this page is of.
  const counts = await Promise.all(nodes.map((of) => ask(of, 0, 1)));
  const entries: NodeObject[] = [];
  let next: string | null = null;
  for (const [index, of] of nodes.entries()) {
    const isDone = begin !== undefined && of < begin.node;
    if (isDone || counts[index] === undefined || counts[index].total === 0) continue;
    const from = of === begin?.node ? begin.number : 0;
    const room = limit - entries.length;
    if (room === 0) {
      next ??= `${of}/0`;
      break;
    }
    const page = await ask(of, from, room);
    for (const entry of page?.entries ?? []) entries.push({ node: of, ...entry });
    if (typeof page?.next === "number") {
      next = `${of}/${page.next}`;
      break;
    }
  }
  const total = counts.reduce((sum, page) => sum + (page?.total ?? 0), 0);
  return { entries, next, total, silent };
}

/**
 * What each node's memory for objects is used for.
 * @param node - that one alone. @throws {SystemError} USAGE for one that isn't there.
 */
export async function askMemory(parts: ViewParts, node?: string): Promise<NodeMemory[]> {
  const nodes = (await nodesOf(parts, node)).sort();
  if (node !== undefined && nodes.length === 0) {
    throw new SystemError("USAGE", `this cluster has no worker ${node}`);
  }
  return await Promise.all(
    nodes.map(async (of) => {
      const answer = await answerOf(parts, of, { op: "memory" }, []);
      return { node: of, memory: parsed(memoryView, answer) ?? null };
    }),
  );
}

const nodePage = v.object({
  entries: v.array(v.object({ worker: identity })),
  next: v.nullable(v.string()),
});

async function nodesOf({ head }: ViewParts, node: string | undefined): Promise<Identity[]> {
  const filter: Record<string, string> = node === undefined ? {} : { worker: node };
  const found: Identity[] = [];
  for (let after: string | null = null; ; ) {
    const request = { op: "list", what: "nodes", filter, after, limit: LIST_PAGE_MAX } as const;
    const page: v.InferOutput<typeof nodePage> = parseMessage(
      nodePage,
      await head.request(request),
    );
    found.push(...page.entries.map(({ worker }) => worker as Identity));
    after = page.next;
    if (after === null) return found;
  }
}

/** What a node answers; undefined of a silent one, which is noted. @throws what it refuses. */
async function answerOf(
  { asks }: ViewParts,
  node: Identity,
  ask: Parameters<NodeAsks["ask"]>[1],
  silent: Identity[],
): Promise<unknown> {
  if (asks === undefined) {
    throw new SystemError("USAGE", "objects are looked at from outside of executors");
  }
  try {
    return await asks.ask(node, ask);
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== "DEADLINE_EXCEEDED") throw thrown;
    if (!silent.includes(node)) silent.push(node);
    return undefined;
  }
}

function parsed<Schema extends v.GenericSchema>(
  schema: Schema,
  answer: unknown,
): v.InferOutput<Schema> | undefined {
  return answer === undefined ? undefined : parseMessage(schema, answer);
}

/** @throws {SystemError} USAGE for what no page ended with. */
function cursorOf(after: string | null): { node: string; number: number } | undefined {
  if (after === null) return undefined;
  const [, node, number] = /^(w-[0-9a-f]{12})\/(\d{1,15})$/.exec(after) ?? [];
  if (node !== undefined && number !== undefined) return { node, number: Number(number) };
  throw new SystemError("USAGE", `no page of objects ended with ${after}`);
}
