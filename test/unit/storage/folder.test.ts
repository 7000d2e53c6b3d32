/** The port to storage on a folder. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import { anyStorage, storageOf } from "../../../runtime/storage/open.ts";
import { storageSuite } from "../../storage-suite.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "lgs-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

storageSuite("a folder", async () => ({ storage: folderStorage, root: await folder() }), {
  largeBytes: 4 * 1024 * 1024,
});

test("temp files of writers are no names; a sweep takes them and nothing else", async () => {
  const root = await folder();
  const temp = ".name.0123456789ab.tmp";
  for (const name of [temp, "name", ".other.tmp"]) await writeFile(join(root, name), "x");
  expect(await folderStorage.list(root)).toEqual([".other.tmp", "name"]);
  await folderStorage.sweep(root);
  expect((await readdir(root)).sort()).toEqual([".other.tmp", "name"]);
});

test("a file that was only touched is another version", async () => {
  const path = join(await folder(), "touched");
  await writeFile(path, "equal bytes");
  const etag = (await folderStorage.look(path))?.etag ?? "";
  expect(etag).toMatch(/^11-\d+$/);
  await utimes(path, 1, 1);
  const read = folderStorage.readRange(path, 0, 5, etag);
  await expect(read).rejects.toMatchObject({ code: "INPUT_CHANGED" });
});

test("a folder is no file, a file is no folder", async () => {
  const root = await folder();
  expect(await folderStorage.look(root)).toBeUndefined();
  const read = folderStorage.readRange(root, 0, 5);
  await expect(read).rejects.toMatchObject({ code: "INPUT_UNREADABLE" });
  await writeFile(join(root, "file"), "x");
  await expect(folderStorage.list(join(root, "file"))).rejects.toMatchObject({
    code: "OUTPUT_UNWRITABLE",
  });
});

test("a name's scheme says where it lies", async () => {
  expect(storageOf("/some/where")).toBe(folderStorage);
  expect(storageOf("s3://bucket/key")).not.toBe(folderStorage);
  const root = await folder();
  expect(await anyStorage.createIfAbsent(join(root, "a"), Buffer.from("x"))).toBe("created");
  expect(await anyStorage.list(root)).toEqual(["a"]);
});

test("a pipe is an error and no wait for ever; what is no file has no size to list", async () => {
  const root = await folder();
  const pipe = join(root, "pipe");
  execFileSync("mkfifo", [pipe]);
  await writeFile(join(root, "file"), "four");
  const refused = { code: "STORAGE_FAILED", where: { uri: pipe } };
  await expect(folderStorage.readIfPresent(pipe)).rejects.toMatchObject(refused);
  expect(await folderStorage.listSized(root)).toEqual([{ name: "file", bytes: 4 }]);
});
