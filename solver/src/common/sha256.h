// Owns SHA-256, the identity of what a checkpoint was made from.
#pragma once

#include <string>

namespace ligase {

/// 64 hex digits of the bytes' digest. Not collective. Source: FIPS 180-4, section 6.2.
std::string sha256Hex(const std::string& bytes);

}  // namespace ligase
