/** Storage on a folder: a name is made once, with all its bytes, or not at all. */
import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import { createIfAbsent, makeFolder, readIfPresent } from "../../../runtime/storage/local.ts";

vi.mock("node:fs/promises", { spy: true });
afterEach(() => void vi.resetAllMocks());

const BYTES = Buffer.from("all of it");

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "lgs-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe("a name", () => {
  test("is created once; equal bytes are the same, different ones are other's", async () => {
    const path = join(await folder(), "a", "b", "name");
    expect(await createIfAbsent(path, BYTES)).toBe("created");
    expect(await createIfAbsent(path, BYTES)).toBe("same");
    expect(await createIfAbsent(path, Buffer.from("else"))).toBe("other");
    expect(await createIfAbsent(path, BYTES.subarray(0, 3))).toBe("other");
    expect(await readIfPresent(path)).toEqual(BYTES);
    expect(await readdir(join(path, ".."))).toEqual(["name"]);
  });

  test("of no bytes is a name too, and one that isn't there is undefined", async () => {
    const path = join(await folder(), "empty");
    expect(await readIfPresent(path)).toBeUndefined();
    expect(await createIfAbsent(path, new Uint8Array())).toBe("created");
    expect(await readIfPresent(path)).toEqual(Buffer.alloc(0));
  });

  test("is one promise's of many", async () => {
    const path = join(await folder(), "name");
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => createIfAbsent(path, Buffer.from(`by ${index}`))),
    );
    expect(outcomes.filter((outcome) => outcome === "created")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "other")).toHaveLength(49);
    expect(String(await readIfPresent(path))).toBe(`by ${outcomes.indexOf("created")}`);
    expect(await readdir(join(path, ".."))).toEqual(["name"]);
  });

  test("is one process's of many, each time", async () => {
    const place = await folder();
    const outcomes = await race(place, { processes: 4, names: 40 });
    for (let name = 0; name < 40; name += 1) {
      const winners = outcomes.flatMap((lines, self) => (lines[name] === "created" ? [self] : []));
      expect(winners, `name ${name}`).toHaveLength(1);
      expect(await readFile(join(place, "deep/er", String(name)), "utf8")).toBe(`by ${winners[0]}`);
    }
    expect(await readdir(join(place, "deep/er"))).toHaveLength(40);
  });
});

/** What each process said of each name; all begin at the same time. */
async function race(
  place: string,
  { processes, names }: { readonly processes: number; readonly names: number },
): Promise<string[][]> {
  const racer = fileURLToPath(new URL("./racer.ts", import.meta.url));
  const children = Array.from({ length: processes }, (_, self) =>
    spawn(process.execPath, [racer, place, String(self), String(names)], {
      stdio: ["pipe", "pipe", "inherit"],
      timeout: 15_000,
    }),
  );
  const said = children.map(() => "");
  const ready = children.map(
    (child, self) =>
      new Promise<void>((settle) => {
        child.stdout.on("data", (text) => {
          said[self] += String(text);
          settle();
        });
      }),
  );
  const ended = children.map((child) => new Promise((settle) => child.on("close", settle)));
  await Promise.all(ready);
  for (const child of children) child.stdin.end("go");
  await Promise.all(ended);
  return said.map((text) => text.trim().split("\n").slice(1));
}

describe("a link whose reply got lost", () => {
  test("was ours when both names are one file", async () => {
    const path = join(await folder(), "name");
    const real = await vi.importActual<typeof fs>("node:fs/promises");
    vi.mocked(fs.link).mockImplementationOnce(async (from, to) => {
      await real.link(from, to);
      throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    });
    expect(await createIfAbsent(path, BYTES)).toBe("created");
    expect(await readdir(join(path, ".."))).toEqual(["name"]);
  });
});

describe("a temp file that is swept away under its writer", () => {
  const sweep = (path: string) => folderStorage.sweep(dirname(path));

  test("before its link is written again", async () => {
    const path = join(await folder(), "name");
    const real = await vi.importActual<typeof fs>("node:fs/promises");
    vi.mocked(fs.link).mockImplementationOnce(async (from, to) => {
      await sweep(path);
      return real.link(from, to);
    });
    expect(await createIfAbsent(path, BYTES)).toBe("created");
    expect(await readIfPresent(path)).toEqual(BYTES);
    expect(await readdir(dirname(path))).toEqual(["name"]);
  });

  test("behind its link was wanted no more, and another's bytes are still seen", async () => {
    const path = join(await folder(), "name");
    const real = await vi.importActual<typeof fs>("node:fs/promises");
    vi.mocked(fs.link).mockImplementation(async (from, to) => {
      try {
        await real.link(from, to);
      } finally {
        await sweep(path);
      }
    });
    expect(await createIfAbsent(path, BYTES)).toBe("created");
    expect(await createIfAbsent(path, Buffer.from("else"))).toBe("other");
    expect(await createIfAbsent(path, BYTES)).toBe("same");
  });

  test("whenever it is written ends", async () => {
    const path = join(await folder(), "name");
    vi.mocked(fs.link).mockImplementation(async (from) => {
      await sweep(path);
      throw Object.assign(new Error(`no ${String(from)}`), { code: "ENOENT" });
    });
    await expect(createIfAbsent(path, BYTES)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });
});

describe("what survives a power cut", () => {
  test("bytes are synced before their name is linked, its folder after, new ones too", async () => {
    const place = await folder();
    const path = join(place, "new", "name");
    const steps: string[] = [];
    const real = await vi.importActual<typeof fs>("node:fs/promises");
    vi.mocked(fs.open).mockImplementation(async (at, flags, mode) => {
      const handle = await real.open(at, flags, mode);
      const name = String(at)
        .replace(place, "")
        .replace(/[0-9a-f]{12}/, "*");
      const [datasync, sync] = [handle.datasync.bind(handle), handle.sync.bind(handle)];
      handle.datasync = () => (steps.push(`sync ${name}`), datasync());
      handle.sync = () => (steps.push(`sync ${name}`), sync());
      return handle;
    });
    vi.mocked(fs.link).mockImplementation((from, to) => {
      steps.push("link");
      return real.link(from, to);
    });
    await createIfAbsent(path, BYTES);
    expect(steps).toEqual(["sync ", "sync /new/.name.*.tmp", "link", "sync /new"]);
  });
});

describe("a failure", () => {
  test("of a file in the folder's way is OUTPUT_UNWRITABLE and names the folder", async () => {
    const place = join(await folder(), "taken");
    await writeFile(place, "");
    for (const path of [join(place, "name"), join(place, "deeper", "name")]) {
      await expect(createIfAbsent(path, BYTES)).rejects.toMatchObject({
        code: "OUTPUT_UNWRITABLE",
        where: { uri: dirname(path) },
      });
    }
    await expect(makeFolder(place)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
    await expect(readIfPresent(join(place, "name"))).rejects.toMatchObject({
      code: "OUTPUT_UNWRITABLE",
    });
  });

  test("of a folder that is nowhere ends", async () => {
    const place = await folder();
    await symlink(join(place, "nowhere"), join(place, "dangling"));
    const below = createIfAbsent(join(place, "dangling", "name"), BYTES);
    await expect(below).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
    const proc = createIfAbsent("/proc/no-such-process/name", BYTES);
    await expect(proc).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });

  test.each(["EIO", "ENOSPC"])(
    "of a write (%s) leaves no file behind, temp or final",
    async (code) => {
      const place = await folder();
      vi.mocked(fs.link).mockImplementationOnce(() => {
        throw Object.assign(new Error(code), { code });
      });
      await expect(createIfAbsent(join(place, "name"), BYTES)).rejects.toMatchObject({
        code: code === "EIO" ? "STORAGE_FAILED" : "OUTPUT_UNWRITABLE",
      });
      expect(await readdir(place)).toEqual([]);
    },
  );

  test("of a folder under the name is told, and no temp file stays", async () => {
    const place = await folder();
    await mkdir(join(place, "name"));
    await expect(createIfAbsent(join(place, "name"), BYTES)).rejects.toMatchObject({
      code: "STORAGE_FAILED",
    });
    expect(await readdir(place)).toEqual(["name"]);
  });
});
