// Owns the checks of a manifest, field by field; see manifest.h.
#include "input/manifest.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "common/errors.h"

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

/// 2^53 - 1: the largest count that JavaScript writes exactly.
constexpr uint64_t countMax = 9007199254740991;

[[noreturn]] void fail(const std::string& field, const std::string& what) {
  throw SolverError(Exit::badData, "manifest: " + field + " " + what);
}

/// An object with exactly these keys, and perhaps some of the optional ones.
const Json& object(const Json& value, const std::string& field,
                   std::initializer_list<const char*> keys,
                   const std::set<std::string>& optional = {}) {
  if (!value.is_object()) fail(field, "isn't an object");
  for (const char* key : keys) {
    if (!value.contains(key)) fail(field + "." + key, "is missing");
  }
  const std::set<std::string> known(keys.begin(), keys.end());
  for (const auto& [key, _] : value.items()) {
    if (known.contains(key) || optional.contains(key)) continue;
    fail(field + "." + key, "isn't a known field");
  }
  return value;
}

const Json& array(const Json& value, const std::string& field) {
  if (!value.is_array()) fail(field, "isn't an array");
  return value;
}

std::string text(const Json& value, const std::string& field) {
  if (!value.is_string()) fail(field, "isn't a string");
  return value.get<std::string>();
}

int64_t count(const Json& value, const std::string& field) {
  if (!value.is_number_unsigned()) fail(field, "isn't a count");
  const auto number = value.get<uint64_t>();
  if (number > countMax) fail(field, "is too large");
  return (int64_t)number;
}

std::string hex(const Json& value, const std::string& field, size_t digits) {
  const std::string digest = text(value, field);
  const bool valid = std::all_of(digest.begin(), digest.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!valid || digest.size() != digits) {
    fail(field, "isn't " + std::to_string(digits) + " hex digits");
  }
  return digest;
}

/// A name without any folder part, so that a manifest never points outside its folder.
std::string fileName(const Json& value, const std::string& field) {
  const std::string name = text(value, field);
  const auto letter = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const bool valid = !name.empty() && name.size() <= 200 && letter(name[0]) &&
                     std::all_of(name.begin(), name.end(), [&](char c) {
                       return letter(c) || c == '.' || c == '_' || c == '-';
                     });
  if (!valid) fail(field, "isn't a plain file name");
  return name;
}

void checkReads(const Json& value, const std::string& field) {
  object(value, field, {"in", "passed", "filtered", "quarantined", "skipped"});
  int64_t out = 0;
  for (const char* key : {"passed", "filtered", "quarantined", "skipped"}) {
    out += count(value[key], field + "." + key);
  }
  if (count(value["in"], field + ".in") != out) fail(field, "don't add up");
}

Shard parseShard(const Json& value, const std::string& field) {
  object(value, field,
         {"file", "input", "rows", "firstRow", "bytes", "crc32c", "sha256", "rowGroups"});
  Shard shard;
  shard.file = fileName(value["file"], field + ".file");
  shard.input = count(value["input"], field + ".input");
  shard.rows = count(value["rows"], field + ".rows");
  shard.firstRow = count(value["firstRow"], field + ".firstRow");
  shard.bytes = count(value["bytes"], field + ".bytes");
  shard.crc32c = (uint32_t)std::stoul(hex(value["crc32c"], field + ".crc32c", 8), nullptr, 16);
  hex(value["sha256"], field + ".sha256", 64);
  int64_t inGroups = 0;
  for (const Json& rows : array(value["rowGroups"], field + ".rowGroups")) {
    shard.rowGroups.push_back(count(rows, field + ".rowGroups"));
    inGroups += shard.rowGroups.back();
  }
  if (inGroups != shard.rows) fail(field + ".rowGroups", "don't add up to rows");
  return shard;
}

/// Identity, inputs and counts: checked though the solver needs little of them.
void parseHead(const Json& json, Manifest& manifest) {
  if (count(json["schema"], "schema") != 1) fail("schema", "isn't 1");
  hex(json["jobId"], "jobId", 64);
  manifest.rows = count(json["rows"], "rows");
  manifest.dimensions = count(json["dimensions"], "dimensions");
  if (manifest.dimensions < 1) fail("dimensions", "isn't at least 1");
  manifest.metric = text(json["metric"], "metric");
  if (manifest.metric != "l2" && manifest.metric != "cosine") fail("metric", "isn't l2 or cosine");
  const Json& encoder = object(json["encoder"], "encoder", {"name", "sha256", "provider"});
  text(encoder["name"], "encoder.name");
  hex(encoder["sha256"], "encoder.sha256", 64);
  text(encoder["provider"], "encoder.provider");
  for (const Json& input : array(json["inputs"], "inputs")) {
    object(input, "inputs[]", {"uri", "sample", "reads"}, {"mate", "label", "warnings"});
    text(input["uri"], "inputs[].uri");
    manifest.samples.push_back(text(input["sample"], "inputs[].sample"));
    checkReads(input["reads"], "inputs[].reads");
  }
  checkReads(json["reads"], "reads");
  if (!json["filteredReasons"].is_object()) fail("filteredReasons", "isn't an object");
  for (const auto& [reason, number] : json["filteredReasons"].items()) {
    count(number, "filteredReasons." + reason);
  }
}

Manifest parseChecked(const std::string& source) {
  const Json json = Json::parse(source);
  object(json, "manifest",
         {"schema", "jobId", "rows", "dimensions", "metric", "encoder", "inputs", "reads",
          "filteredReasons", "shards"},
         {"quarantine", "summaries", "reports"});
  Manifest manifest;
  parseHead(json, manifest);
  int64_t row = 0;
  for (const Json& item : array(json["shards"], "shards")) {
    const std::string field = "shards[" + std::to_string(manifest.shards.size()) + "]";
    Shard shard = parseShard(item, field);
    if (shard.firstRow != row) fail(field + ".firstRow", "isn't " + std::to_string(row));
    if (shard.input >= (int64_t)manifest.samples.size()) fail(field + ".input", "has no input");
    row += shard.rows;
    manifest.shards.push_back(std::move(shard));
  }
  if (row != manifest.rows) fail("rows", "don't add up");
  return manifest;
}

}  // namespace

Manifest parseManifest(const std::string& source, const std::string& uri) {
  try {
    return parseChecked(source);
  } catch (const SolverError& error) {
    throw SolverError(error.exit, error.what(), {{"uri", uri}});
  } catch (const Json::exception& error) {
    throw SolverError(Exit::badData, std::string("manifest: ") + error.what(), {{"uri", uri}});
  }
}

Json manifestSummary(const Manifest& manifest) {
  Json shards = Json::array();
  for (const Shard& shard : manifest.shards) {
    shards.push_back({{"file", shard.file},
                      {"input", shard.input},
                      {"rows", shard.rows},
                      {"firstRow", shard.firstRow},
                      {"bytes", shard.bytes},
                      {"crc32c", shard.crc32c},
                      {"rowGroups", shard.rowGroups}});
  }
  return {{"rows", manifest.rows},
          {"dimensions", manifest.dimensions},
          {"metric", manifest.metric},
          {"samples", manifest.samples},
          {"shards", shards}};
}

Manifest manifestFromSummary(const Json& summary) {
  Manifest manifest;
  summary.at("rows").get_to(manifest.rows);
  summary.at("dimensions").get_to(manifest.dimensions);
  summary.at("metric").get_to(manifest.metric);
  summary.at("samples").get_to(manifest.samples);
  for (const Json& item : summary.at("shards")) {
    manifest.shards.push_back({item.at("file"), item.at("input"), item.at("rows"),
                               item.at("firstRow"), item.at("bytes"), item.at("crc32c"),
                               item.at("rowGroups")});
  }
  return manifest;
}

}  // namespace ligase
