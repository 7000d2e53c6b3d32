// Owns CRC-32C (Castagnoli), the checksum of a shard's bytes in the manifest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ligase {

/// The checksum of `length` more bytes after those of `crc` (0 at the start). Not collective.
/// Source: RFC 3720, appendix B.4.
uint32_t crc32c(uint32_t crc, const void* data, size_t length);

/// What the checksum `crc` of some bytes adds to that of a whole in which `after` more bytes follow
/// them: the checksum of the whole is the XOR of what its parts add. Not collective.
uint32_t crc32cShift(uint32_t crc, uint64_t after);

}  // namespace ligase
