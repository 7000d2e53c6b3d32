// Owns finding a dataset; see dataset.h.
#include "input/dataset.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "common/errors.h"
#include "common/sha256.h"
#include "input/shard.h"

namespace ligase {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

std::string readText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw SolverError(Exit::ioError, "can't be read", {{"uri", path}});
  return text.str();
}

void requireIn(const fs::path& folder, const char* name, const char* what) {
  if (fs::exists(folder / name)) return;
  throw SolverError(Exit::noInput, what, {{"uri", folder.string()}});
}

Dataset sealedAt(const std::string& file, const fs::path& folder) {
  const std::string text = readText(file);
  return {parseManifest(text, file), (folder / "").string(), true, sha256Hex(text)};
}

/// What rank 0 finds. Not collective.
Dataset look(const std::string& uri) {
  const fs::path path(uri);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw SolverError(Exit::noInput, "no such file", {{"uri", uri}});
  if (fs::is_directory(status)) {
    requireIn(path, "_SUCCESS", "the folder has no _SUCCESS: it isn't sealed");
    requireIn(path, "manifest.json", "the folder has no manifest.json");
    return sealedAt((path / "manifest.json").string(), path);
  }
  if (path.extension() == ".json") {
    return sealedAt(uri, path.has_parent_path() ? path.parent_path() : fs::path("."));
  }
  return {describeFile(uri), "", false, ""};
}

/// The same text on every rank. Collective.
std::string broadcastText(MPI_Comm comm, std::string text) {
  auto length = (int64_t)text.size();
  MPI_Bcast(&length, 1, MPI_INT64_T, 0, comm);
  text.resize((size_t)length);
  MPI_Bcast(text.data(), (int)length, MPI_CHAR, 0, comm);
  return text;
}

}  // namespace

Dataset openDataset(MPI_Comm comm, const std::string& uri) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  Dataset found;
  std::string text;
  collectively(comm, [&] {
    if (rank != 0) return;
    found = look(uri);
    if (found.manifest.rows > std::numeric_limits<int32_t>::max()) {
      throw SolverError(Exit::badData, "more than 2^31 - 1 rows", {{"uri", uri}});
    }
    // Paths may hold any bytes, so that of a single file isn't sent: every rank was given it.
    if (!found.sealed) found.manifest.shards[0].file.clear();
    const Json summary = manifestSummary(found.manifest);
    text = Json{{"sealed", found.sealed}, {"manifest", summary}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
  });
  const Json shared = Json::parse(broadcastText(comm, text));
  Dataset dataset{manifestFromSummary(shared["manifest"]), broadcastText(comm, found.folder),
                  shared["sealed"].get<bool>(), broadcastText(comm, found.digest)};
  if (!dataset.sealed) dataset.manifest.shards[0].file = uri;
  return dataset;
}

std::string defaultOutput(const std::string& uri) {
  fs::path path = fs::absolute(uri).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename() == "manifest.json") path = path.parent_path();
  return (path.parent_path() / (path.stem().string() + "_sim.nc")).string();
}

std::vector<Field> firstRows(const Manifest& manifest) {
  std::vector<Field> fields;
  for (const Shard& shard : manifest.shards) {
    if (shard.rows > 0) fields.push_back({shard.input, shard.firstRow});
  }
  // Shards stand in the order of their inputs; a stable sort keeps the first one of each in front.
  std::stable_sort(fields.begin(), fields.end(),
                   [](const Field& a, const Field& b) { return a.input < b.input; });
  const auto last = std::unique(fields.begin(), fields.end(), [](const Field& a, const Field& b) {
    return a.input == b.input;
  });
  fields.erase(last, fields.end());
  return fields;
}

}  // namespace ligase
