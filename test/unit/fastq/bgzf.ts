/** BGZF as tests need it: blocks of any size. */
import { crc32, deflateRawSync } from "node:zlib";

const EMPTY = 0;

/** A text in blocks of `blockBytes` of it, and the end block. @param level - 0: stored. */
export function bgzfOf(text: Uint8Array, blockBytes: number, level = 6): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < text.length; at += blockBytes) {
    blocks.push(blockOf(text.subarray(at, at + blockBytes), level));
  }
  return Buffer.concat([...blocks, blockOf(new Uint8Array(EMPTY), 6)]);
}

function blockOf(text: Uint8Array, level: number): Buffer {
  const deflated = deflateRawSync(text, { level });
  const header = Buffer.from("1f8b08040000000000ff0600424302000000", "hex");
  header.writeUInt16LE(header.length + deflated.length + 8 - 1, 16);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(text), 0);
  trailer.writeUInt32LE(text.length, 4);
  return Buffer.concat([header, deflated, trailer]);
}
