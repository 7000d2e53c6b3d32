/** Which storage a name lies in, by its scheme. S3's client is loaded by the first use of it. */
import { folderStorage } from "./folder.ts";
import { S3Storage } from "./s3/storage.ts";
import type { Storage } from "./storage.ts";
import { isS3 } from "./uri.ts";

/** One client of S3 a process: it holds the connections. */
const s3Storage = new S3Storage();

/** The storage that a name lies in. */
export function storageOf(uri: string): Storage {
  return isS3(uri) ? s3Storage : folderStorage;
}

/**
 * All storages as one: each call goes where its name lies. For who holds names of several, as a
 * head does whose state is a folder while outputs are in S3.
 */
export const anyStorage: Storage = {
  createIfAbsent: (uri, bytes) => storageOf(uri).createIfAbsent(uri, bytes),
  readIfPresent: (uri) => storageOf(uri).readIfPresent(uri),
  readRange: (uri, from, to, etag) => storageOf(uri).readRange(uri, from, to, etag),
  look: (uri) => storageOf(uri).look(uri),
  list: (folder) => storageOf(folder).list(folder),
  listSized: (folder) => storageOf(folder).listSized(folder),
  remove: (uri) => storageOf(uri).remove(uri),
  sweep: (folder) => storageOf(folder).sweep(folder),
};
