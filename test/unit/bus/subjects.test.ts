import { describe, expect, it } from "vitest";
import {
  apiSubject,
  beaconSubject,
  commandSubject,
  eventSubject,
  hearing,
  linkSubject,
  parseSubject,
  permissionsOf,
} from "../../../runtime/bus/subjects.ts";
import { type Identity, newIdentity } from "../../../runtime/ids.ts";

const CLUSTER = "0123456789abcdef";
const head = newIdentity("h");
const worker = newIdentity("w");
const client = newIdentity("c");

describe("subjects", () => {
  it("come back from the parser as they were built", () => {
    const parse = (text: string) => parseSubject(CLUSTER, text);
    expect(parse(linkSubject(CLUSTER, worker, client))).toEqual({
      kind: "link",
      to: worker,
      from: client,
    });
    expect(parse(commandSubject(CLUSTER, worker, head))).toEqual({
      kind: "cmd",
      to: worker,
      from: head,
    });
    expect(parse(eventSubject(CLUSTER, worker))).toEqual({ kind: "evt", from: worker });
    expect(parse(apiSubject(CLUSTER, client))).toEqual({ kind: "api", from: client });
    expect(parse(apiSubject(CLUSTER, worker))).toEqual({ kind: "api", from: worker });
    expect(parse(beaconSubject(CLUSTER, head))).toEqual({ kind: "beacon", from: head });
  });

  it.each([
    ["another cluster", `lg.fedcba9876543210.evt.${worker}`],
    ["another prefix", `xx.${CLUSTER}.evt.${worker}`],
    ["a wildcard as a name", `lg.${CLUSTER}.link.*.${worker}`],
    ["a missing name", `lg.${CLUSTER}.link.${worker}`],
    ["a name too many", `lg.${CLUSTER}.evt.${worker}.${worker}`],
    ["an unknown kind", `lg.${CLUSTER}.constructor.${worker}`],
    ["an inbox", `_INBOX.${worker}`],
    ["an event of a client", `lg.${CLUSTER}.evt.${client}`],
    ["a beacon of a worker", `lg.${CLUSTER}.beacon.${worker}`],
    ["an order from a worker", `lg.${CLUSTER}.cmd.${worker}.${worker}`],
    ["an order to a client", `lg.${CLUSTER}.cmd.${client}.${head}`],
    ["a name of another form", `lg.${CLUSTER}.evt.w-XYZ`],
    ["nothing", ""],
  ])("refuse %s", (_what, text) => {
    expect(parseSubject(CLUSTER, text)).toBeUndefined();
  });
});

describe("permissions", () => {
  it("let each role send under its own name alone and hear what is for it", () => {
    expect(permissionsOf(CLUSTER, "worker", worker)).toEqual({
      publish: [
        `lg.${CLUSTER}.link.*.${worker}`,
        `lg.${CLUSTER}.evt.${worker}`,
        `lg.${CLUSTER}.api.${worker}`,
      ],
      subscribe: [
        hearing.links(CLUSTER, worker),
        hearing.beacons(CLUSTER),
        hearing.commands(CLUSTER, worker),
      ],
    });
    expect(permissionsOf(CLUSTER, "client", client)).toEqual({
      publish: [`lg.${CLUSTER}.link.*.${client}`, `lg.${CLUSTER}.api.${client}`],
      subscribe: [`lg.${CLUSTER}.link.${client}.*`, `lg.${CLUSTER}.beacon.*`],
    });
    expect(permissionsOf(CLUSTER, "head", head)).toEqual({
      publish: [
        `lg.${CLUSTER}.link.*.${head}`,
        `lg.${CLUSTER}.cmd.*.${head}`,
        `lg.${CLUSTER}.beacon.${head}`,
      ],
      subscribe: [
        `lg.${CLUSTER}.link.${head}.*`,
        `lg.${CLUSTER}.beacon.*`,
        `lg.${CLUSTER}.evt.*`,
        `lg.${CLUSTER}.api.*`,
      ],
    });
  });

  it("are refused to names that would become configuration", () => {
    const evil = 'w-"] } }, {' as Identity;
    expect(() => permissionsOf(CLUSTER, "worker", evil)).toThrow("USAGE");
    expect(() => permissionsOf("*", "worker", worker)).toThrow("USAGE");
    expect(() => permissionsOf(CLUSTER, "head", worker)).toThrow("USAGE");
  });
});
