/**
 * What the port `Storage` promises, as tests that run on every storage: a folder, S3, S3 behind
 * faults, the simulator's. Through the port alone, so that no storage needs a back door.
 */
import { describe, expect, test } from "vitest";
import { SystemError } from "../runtime/errors.ts";
import { S3_PART_BYTES, S3_PUT_BYTES_MAX } from "../runtime/limits.ts";
import type { Storage } from "../runtime/storage/storage.ts";
import { joinUri } from "../runtime/storage/uri.ts";

export interface StorageWorld {
  readonly storage: Storage;
  /** A folder that no other test uses; it needn't be there. */
  readonly root: string;
}

export interface SuiteOptions {
  /** Names of the test of pages; S3 lists 1,000 at once. */
  readonly manyNames?: number;
  /** Bytes of the large object; S3 makes it of several parts. */
  readonly largeBytes?: number;
  /** Bytes of each of those that race while somebody reads. */
  readonly racedBytes?: number;
}

const BYTES = Buffer.from("all of it");
const WRITERS = 64;
/** Names that somebody may take for something else. */
const ODD = [
  ...["with space", "plus+and&amp;<>'\"", "100%", "%41", "question?x=1#y", "~tilde", "-dash"],
  ...["comma,semi;colon:", "(parens) [brackets] {braces}", "back\\slash", "*star", "a=b"],
  ...[
    "ünïcödé",
    "e\u0301 combining",
    "日本語",
    "😀",
    "\u{10ffff}",
    ".hidden",
    "..dots",
    "trailing.",
  ],
];

/** Tests that a storage keeps its promises. */
export function storageSuite(
  name: string,
  make: () => Promise<StorageWorld>,
  options: SuiteOptions = {},
): void {
  describe(`storage: ${name}`, () => {
    creation(make, options);
    races(make, options);
    reading(make);
    folders(make, options);
    leftovers(make);
  });
}

function creation(make: () => Promise<StorageWorld>, options: SuiteOptions): void {
  test("a name is created once; equal bytes are the same, different ones are other's", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "deep", "er", "name");
    expect(await storage.createIfAbsent(uri, BYTES)).toBe("created");
    expect(await storage.createIfAbsent(uri, BYTES)).toBe("same");
    expect(await storage.createIfAbsent(uri, Buffer.from("all of IT"))).toBe("other");
    expect(await storage.createIfAbsent(uri, BYTES.subarray(0, 3))).toBe("other");
    expect(await storage.createIfAbsent(uri, new Uint8Array())).toBe("other");
    expect(await storage.readIfPresent(uri)).toEqual(BYTES);
  });

  test("a name of no bytes is a name", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "empty");
    expect(await storage.readIfPresent(uri)).toBeUndefined();
    expect(await storage.look(uri)).toBeUndefined();
    expect(await storage.createIfAbsent(uri, new Uint8Array())).toBe("created");
    expect(await storage.readIfPresent(uri)).toEqual(Buffer.alloc(0));
    expect(await storage.look(uri)).toMatchObject({ bytes: 0 });
    expect(await storage.readRange(uri, 0, 10)).toEqual(Buffer.alloc(0));
    expect(await storage.createIfAbsent(uri, new Uint8Array())).toBe("same");
    expect(await storage.createIfAbsent(uri, BYTES)).toBe("other");
  });

  test("large bytes are created whole, and compared whole", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "large");
    const bytes = patterned(options.largeBytes ?? S3_PUT_BYTES_MAX + 1_000_003);
    expect(await storage.createIfAbsent(uri, bytes)).toBe("created");
    expect((await storage.readIfPresent(uri))?.equals(bytes)).toBe(true);
    expect(await storage.look(uri)).toMatchObject({ bytes: bytes.length });
    expect(await storage.createIfAbsent(uri, bytes)).toBe("same");
    const last = Buffer.from(bytes);
    last[last.length - 1] = (last.at(-1) ?? 0) ^ 1;
    expect(await storage.createIfAbsent(uri, last)).toBe("other");
    const at = Math.min(S3_PART_BYTES, bytes.length >> 1) - 3;
    const part = await storage.readRange(uri, at, at + 6);
    expect(part).toEqual(bytes.subarray(at, at + 6));
  });

  test("what was removed isn't there, and may be created again", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "folder", "name");
    await storage.remove(uri);
    await storage.createIfAbsent(uri, BYTES);
    await storage.remove(uri);
    await storage.remove(uri);
    expect(await storage.readIfPresent(uri)).toBeUndefined();
    expect(await storage.list(joinUri(root, "folder"))).toEqual([]);
    expect(await storage.createIfAbsent(uri, Buffer.from("else"))).toBe("created");
    expect(await storage.readIfPresent(uri)).toEqual(Buffer.from("else"));
  });
}

function races(make: () => Promise<StorageWorld>, options: SuiteOptions): void {
  test(`of ${WRITERS} writers of one name exactly one creates it`, async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "raced");
    const outcomes = await Promise.all(
      Array.from({ length: WRITERS }, (_, self) =>
        storage.createIfAbsent(uri, Buffer.from(`by ${self}`)),
      ),
    );
    const winner = outcomes.indexOf("created");
    expect(String(await storage.readIfPresent(uri))).toBe(`by ${winner}`);
    expect(outcomes.filter((outcome) => outcome === "other")).toHaveLength(WRITERS - 1);
  });

  test("of writers of equal bytes one creates them, the others find the same", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "agreed");
    const outcomes = await Promise.all(
      Array.from({ length: WRITERS }, () => storage.createIfAbsent(uri, BYTES)),
    );
    expect(outcomes.filter((outcome) => outcome === "created")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "same")).toHaveLength(WRITERS - 1);
  });

  test("who reads during a race sees nothing, or all of the winner's bytes", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "watched");
    const size = options.racedBytes ?? 1_000_003;
    const writers = [1, 2, 3].map((fill) => storage.createIfAbsent(uri, Buffer.alloc(size, fill)));
    const race = { isOver: false };
    const over = Promise.all(writers).finally(() => (race.isOver = true));
    over.catch(() => undefined);
    const seen = new Set<string>();
    while (!race.isOver) {
      const bytes = await storage.readIfPresent(uri);
      const look = await storage.look(uri);
      if (look !== undefined) expect(look.bytes).toBe(size);
      seen.add(bytes === undefined ? "nothing" : shape(bytes));
    }
    const outcomes = await over;
    const winner = `${size} of ${outcomes.indexOf("created") + 1}`;
    expect(outcomes.filter((outcome) => outcome === "created")).toHaveLength(1);
    expect([...seen].filter((shape) => shape !== "nothing" && shape !== winner)).toEqual([]);
    expect(shape((await storage.readIfPresent(uri)) ?? Buffer.alloc(0))).toBe(winner);
  });
}

function reading(make: () => Promise<StorageWorld>): void {
  test("a range is what lies in it, and fewer bytes at the end", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "ranged");
    await storage.createIfAbsent(uri, Buffer.from("0123456789"));
    const etag = (await storage.look(uri))?.etag;
    const read = async (from: number, to: number): Promise<string> =>
      String(await storage.readRange(uri, from, to, etag));
    expect(await read(0, 10)).toBe("0123456789");
    expect(await read(0, 1)).toBe("0");
    expect(await read(9, 10)).toBe("9");
    expect(await read(3, 7)).toBe("3456");
    expect(await read(8, 1_000)).toBe("89");
    expect(await read(10, 20)).toBe("");
    expect(await read(1_000, 2_000)).toBe("");
    expect(await read(4, 4)).toBe("");
    expect(String(await storage.readRange(uri, 2, 4))).toBe("23");
  });

  test("a range of another version is INPUT_CHANGED, of nothing INPUT_NOT_FOUND", async () => {
    const { storage, root } = await make();
    const uri = joinUri(root, "changed");
    await storage.createIfAbsent(uri, Buffer.from("before"));
    const etag = (await storage.look(uri))?.etag ?? "";
    expect(String(await storage.readRange(uri, 0, 6, etag))).toBe("before");
    await storage.remove(uri);
    await expectCode(storage.readRange(uri, 0, 6, etag), "INPUT_NOT_FOUND");
    await expectCode(storage.readRange(uri, 3, 3), "INPUT_NOT_FOUND");
    await storage.createIfAbsent(uri, Buffer.from("behind"));
    expect((await storage.look(uri))?.etag).not.toBe(etag);
    await expectCode(storage.readRange(uri, 0, 6, etag), "INPUT_CHANGED");
    await expectCode(storage.readRange(uri, 50, 60, etag), "INPUT_CHANGED");
    await expectCode(storage.readRange(uri, 3, 3, etag), "INPUT_CHANGED");
    expect(String(await storage.readRange(uri, 0, 6))).toBe("behind");
  });
}

function folders(make: () => Promise<StorageWorld>, options: SuiteOptions): void {
  test("a list has what stands directly in a folder, sorted", async () => {
    const { storage, root } = await make();
    for (const name of ["b", "a", "c/inner", "B", "c0", "10", "9"]) {
      await storage.createIfAbsent(joinUri(root, "list", name), BYTES);
    }
    await storage.createIfAbsent(joinUri(root, "list2"), BYTES);
    expect(await storage.list(joinUri(root, "list"))).toEqual(["10", "9", "B", "a", "b", "c0"]);
    expect(await storage.list(joinUri(root, "list", "c"))).toEqual(["inner"]);
    await storage.createIfAbsent(joinUri(root, "list", "c", "empty"), new Uint8Array(0));
    expect(await storage.listSized(joinUri(root, "list", "c"))).toEqual([
      { name: "empty", bytes: 0 },
      { name: "inner", bytes: BYTES.length },
    ]);
    expect(await storage.listSized(joinUri(root, "none"))).toEqual([]);
    expect(await storage.list(joinUri(root, "none"))).toEqual([]);
  });

  test("odd names are names like others, each its own", async () => {
    const { storage, root } = await make();
    const folder = joinUri(root, "odd ünï");
    for (const name of ODD) {
      expect(await storage.createIfAbsent(joinUri(folder, name), Buffer.from(name)), name).toBe(
        "created",
      );
    }
    expect(await storage.list(folder)).toEqual([...ODD].sort());
    for (const name of ODD) {
      expect(String(await storage.readIfPresent(joinUri(folder, name))), name).toBe(name);
      expect(await storage.look(joinUri(folder, name)), name).toBeDefined();
      await storage.remove(joinUri(folder, name));
    }
    expect(await storage.list(folder)).toEqual([]);
  });

  test("a list of many names has each once", async () => {
    const { storage, root } = await make();
    const folder = joinUri(root, "many");
    const count = options.manyNames ?? 1_050;
    const names = Array.from({ length: count }, (_, index) => String(index).padStart(12, "0"));
    let next = 0;
    const create = async (): Promise<void> => {
      while (next < count)
        await storage.createIfAbsent(joinUri(folder, names[next++] ?? ""), BYTES);
    };
    await Promise.all(Array.from({ length: 16 }, create));
    expect(await storage.list(folder)).toEqual(names);
    const sized = await storage.listSized(folder);
    expect(sized).toEqual(names.map((name) => ({ name, bytes: BYTES.length })));
  });
}

function leftovers(make: () => Promise<StorageWorld>): void {
  test("a sweep leaves every name", async () => {
    const { storage, root } = await make();
    await storage.createIfAbsent(joinUri(root, "swept", "name"), BYTES);
    await storage.sweep(joinUri(root, "swept"));
    await storage.sweep(joinUri(root, "none"));
    expect(await storage.list(joinUri(root, "swept"))).toEqual(["name"]);
  });

  test("a name that leads elsewhere is refused before anything is asked", async () => {
    const { root } = await make();
    for (const name of [
      "",
      ".",
      "..",
      "a/../b",
      "a//b",
      "/a",
      "a/",
      "nul\0",
      "line\nfeed",
      "\ud800",
    ]) {
      expect(() => joinUri(root, name), JSON.stringify(name)).toThrow(SystemError);
    }
  });
}

/** Bytes of which no two places look alike. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  return bytes;
}

/** Length and fill of bytes that are all equal. */
function shape(bytes: Buffer): string {
  const fill = bytes[0] ?? 0;
  return bytes.equals(Buffer.alloc(bytes.length, fill))
    ? `${bytes.length} of ${fill}`
    : "a mixture";
}

async function expectCode(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code });
}
