/** Messages between processes: their shapes are checked before anything trusts them. */
import { describe, expect, test } from "vitest";
import {
  apiRequest,
  command,
  datasetSpec,
  executorSays,
  outcome,
  parseMessage,
  receipt,
  report,
} from "../../runtime/messages.ts";
import { receiptOf, reportOf, specOf } from "./head/support.ts";

const EPOCH = { number: 1, leader: "A" };
const RELATIVE = { kind: "parquet", uri: "../x" };
const failedBy = (code: unknown) => ({ kind: "failed", error: { code, what: "", where: {} } });
const routeTo = (identity: string) => ({ op: "route", process: "a".repeat(16), identity });
const ORDER = {
  epoch: EPOCH,
  sequence: 1,
  heard: 0,
  assign: [],
  cancel: [],
  ack: [],
  end: [],
  endSeen: [],
  logs: [],
};

describe("a message in its shape", () => {
  test.each([
    ["spec", datasetSpec, specOf("a", 2)],
    ["receipt", receipt, receiptOf(0, 1, { endOfInput: 9 })],
    ["report", report, reportOf({ held: [{ task: "plan/a", attempt: 0 }] })],
    ["command", command, ORDER],
  ])("is given back: %s", (_name, schema, value) => {
    expect(parseMessage(schema, value)).toEqual(value);
  });

  test("loses what its schema doesn't name", () => {
    expect(parseMessage(command, { ...ORDER, more: 1 })).toEqual(ORDER);
  });
});

describe("a message out of shape", () => {
  test.each([
    ["a negative count", command, { ...ORDER, sequence: -1 }, "sequence"],
    ["no confirmed report", command, { ...ORDER, heard: undefined }, "heard"],
    ["a fraction", command, { ...ORDER, sequence: 0.5 }, "sequence"],
    ["a number past 2^53", command, { ...ORDER, sequence: 2 ** 53 }, "sequence"],
    ["no epoch", command, { ...ORDER, epoch: undefined }, "epoch"],
    ["a short hash", receipt, receiptOf(0, 0, { sha256: "abc" }), "sha256"],
    ["an unknown metric", receipt, { ...receiptOf(0, 0), stage: { metric: "l1" } }, "stage"],
    ["an unknown outcome", outcome, { kind: "maybe" }, "kind"],
    ["an unknown request", apiRequest, { op: "shell", command: "ls" }, "op"],
    ["a long text", apiRequest, { op: "spawn", actor: "x".repeat(5_000) }, "program"],
    ["nothing", report, null, "message"],
    ["a report without a number", report, { ...reportOf(), number: undefined }, "number"],
    ["slots without bound", report, reportOf({ slots: 1_000_000 }), "slots"],
    ["a path as a shard's file", receipt, receiptOf(0, 0, { file: "../part-0.parquet" }), "file"],
    ["a relative output", datasetSpec, { ...specOf("a", 1), sink: RELATIVE }, "sink.uri"],
    ["a result that no log holds", outcome, { kind: "returned", value: [1n] }, "value"],
    ["an object as an error's code", outcome, failedBy({ toString: 1, valueOf: 1 }), "error.code"],
    ["a list as an error's code", outcome, failedBy(["INTERNAL"]), "error.code"],
    ["a subject in an identity", executorSays, routeTo("w-0.x\r\nPUB y 0"), "identity"],
    ["a wildcard as an identity", executorSays, routeTo("*"), "identity"],
  ] as const)("is refused: %s", (_name, schema, value, where) => {
    const parse = () => parseMessage(schema, value);
    expect(parse).toThrow("FRAME_INVALID");
    expect(parse).toThrow(where);
  });
});
