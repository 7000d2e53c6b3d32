/** Handles: what they forward, what they never do, and what their types say. */
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  type CallOptions,
  type CallTarget,
  newHandle,
  type RemoteActor,
  targetOf,
  withOptions,
} from "../../../runtime/actor/handle.ts";
import { actor } from "../../../runtime/actor/registry.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { FIELDS } from "../frame/fixtures.ts";

interface Row {
  readonly id: number;
}

class Base {
  inherited(): string {
    return "base";
  }
}

class Model extends Base {
  readonly name = "model";
  #secret = 1;
  readonly arrow = (n: number): number => n;

  embed(rows: readonly Row[], scale?: number): Float32Array {
    return new Float32Array(rows.length * (scale ?? this.#secret));
  }

  async later(): Promise<{ readonly rows: Row[] }> {
    return { rows: [] };
  }

  nothing(): void {}

  async *progress(step: number): AsyncGenerator<Row, string, unknown> {
    yield { id: step };
    return "done";
  }

  *rows(): Generator<number> {
    yield 1;
  }

  private hidden(): number {
    return this.#secret + this.hidden();
  }
}

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

const type = actor("model-of-handles", Model);

function open() {
  const made: unknown[][] = [];
  const target: CallTarget = {
    actorId: "x",
    call: async (...call) => {
      made.push(["call", ...call]);
      return 7;
    },
    stream: (...call) => {
      made.push(["stream", ...call]);
      return (async function* () {})();
    },
  };
  return { made, target, handle: newHandle<Model>(type, target) };
}

describe("a handle", () => {
  test("forwards methods, inherited ones and functions in fields; generators as streams", () => {
    const { made, handle } = open();
    void handle.embed([{ id: 1 }], 2);
    void handle.inherited();
    void handle.arrow(3);
    void handle.progress(4);
    void handle.rows();
    expect(made).toEqual([
      ["call", "embed", [[{ id: 1 }], 2], undefined],
      ["call", "inherited", [], undefined],
      ["call", "arrow", [3], undefined],
      ["stream", "progress", [4], undefined],
      ["stream", "rows", [], undefined],
    ]);
  });

  test("can be awaited, inspected and compared without a call", async () => {
    const { made, handle } = open();
    expect(await Promise.resolve(handle)).toBe(handle);
    expect(JSON.stringify(handle)).toBe("{}");
    // oxlint-disable-next-line no-base-to-string
    expect(String(handle)).toBe("[actor x]");
    expect(handle).toEqual(handle);
    expect(made).toEqual([]);
  });

  test("methods can be passed on", async () => {
    const { made, handle } = open();
    const { embed } = handle;
    expect(await Promise.all([[{ id: 1 }], []].map((rows) => embed(rows)))).toEqual([7, 7]);
    expect(handle.embed).toBe(embed);
    expect(made).toHaveLength(2);
  });

  test("with options is the same actor; options add up", () => {
    const { made, target, handle } = open();
    const patient = withOptions(handle, { retries: 2, deadlineMs: 5 });
    void withOptions(patient, { deadlineMs: 9 }).inherited();
    void patient.progress(1);
    void handle.inherited();
    expect(made.map((call) => call[3])).toEqual([
      { retries: 2, deadlineMs: 9 },
      { retries: 2, deadlineMs: 5 },
      undefined,
    ]);
    expect(targetOf(patient)).toBe(target);
    expect(targetOf(handle).actorId).toBe("x");
  });

  test("isn't data: it doesn't cross by itself", () => {
    const { handle } = open();
    expect(() => encodeFrame(FIELDS, [handle])).toThrow(/NOT_SERIALIZABLE/);
  });

  test("of something else is USAGE", () => {
    expect(() => targetOf({})).toThrow(/USAGE/);
    expect(() => withOptions({}, {})).toThrow(/USAGE/);
    const misspelt = { retry: 1 } as CallOptions;
    expect(() => withOptions(open().handle, misspelt)).toThrow(/USAGE: no option "retry"/);
  });
});

describe("types", () => {
  type Handle = RemoteActor<Model>;

  test("results are promises of the methods' own, streams generators of the items", () => {
    expectTypeOf<Handle["embed"]>().returns.toEqualTypeOf<Promise<Float32Array>>();
    expectTypeOf<Handle["later"]>().returns.toEqualTypeOf<Promise<{ readonly rows: Row[] }>>();
    expectTypeOf<Handle["nothing"]>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<Handle["progress"]>().returns.toEqualTypeOf<AsyncGenerator<Row, void, void>>();
    expectTypeOf<Handle["rows"]>().returns.toEqualTypeOf<AsyncGenerator<number, void, void>>();
    expectTypeOf<Handle["arrow"]>().toEqualTypeOf<(n: number) => Promise<number>>();
    expectTypeOf<Handle["inherited"]>().returns.toEqualTypeOf<Promise<string>>();
  });

  test("arguments are the methods' own", () => {
    type Embed = [rows: readonly Row[], scale?: number | undefined];
    const same: Equal<Parameters<Handle["embed"]>, Embed> = true;
    const other: Equal<Parameters<Handle["embed"]>, [rows: Row[]]> = false;
    expect([same, other]).toEqual([true, false]);
    expectTypeOf<Parameters<Handle["progress"]>>().toEqualTypeOf<[step: number]>();
    expectTypeOf(open().handle).toEqualTypeOf<Handle>();
  });

  test("what is wrong doesn't compile", () => {
    const { handle } = open();
    const wrong = (): unknown[] => [
      // @ts-expect-error - the argument is missing.
      handle.embed(),
      // @ts-expect-error - of another type.
      handle.embed([{ id: "1" }]),
      // @ts-expect-error - one too many.
      handle.inherited(1),
      // @ts-expect-error - fields don't cross.
      handle.name,
      // @ts-expect-error - private members don't.
      handle.hidden(),
      // @ts-expect-error - no such method.
      handle.missing(),
      // @ts-expect-error - nothing is sent into a stream.
      handle.progress(1).next(1),
      // @ts-expect-error - an option of another name.
      withOptions(handle, { timeoutMs: 1 }),
      // @ts-expect-error - of another type.
      withOptions(handle, { retries: "1" }),
      // @ts-expect-error - the options don't change the methods.
      withOptions(handle, {}).missing(),
    ];
    expect(wrong).toBeTypeOf("function");
    expectTypeOf<CallOptions["signal"]>().toEqualTypeOf<AbortSignal | undefined>();
    const same = withOptions(handle, { retries: 1 });
    expectTypeOf(same).toEqualTypeOf<Handle>();
  });
});
