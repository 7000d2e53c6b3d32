/**
 * Stamps: a file with the hash of a step's inputs, written after the step succeeded and lying
 * inside what it vouches for, so that it goes away with it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * sha256 over parts, each with its length before it, so that no two lists share a hash by their
 * seams.
 * @param {readonly string[]} parts
 */
export function hashParts(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}

/**
 * Names and bytes of files, for a hash. A folder stands for all files under it; what is absent says
 * so.
 * @param {string} root
 * @param {readonly string[]} paths relative to root
 * @returns {string[]}
 */
export function fileParts(root, paths) {
  return paths.flatMap((path) => {
    try {
      const entries = readdirSync(join(root, path)).sort();
      return fileParts(
        root,
        entries.map((entry) => `${path}/${entry}`),
      );
    } catch {
      // Not a folder.
    }
    try {
      return [path, readFileSync(join(root, path), "latin1")];
    } catch {
      return [path, "absent"];
    }
  });
}

/**
 * @param {string} path
 * @param {string} hash
 * @returns {boolean} whether the stamp holds this hash
 */
export function hasStamp(path, hash) {
  try {
    return readFileSync(path, "utf8") === hash;
  } catch {
    return false;
  }
}

/**
 * @param {string} path
 * @param {string} hash
 */
export function writeStamp(path, hash) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, hash);
  renameSync(`${path}.tmp`, path);
}

/** @param {string} path */
export function clearStamp(path) {
  rmSync(path, { force: true });
}
