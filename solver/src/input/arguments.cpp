// Owns flags, their bounds and the optional file of settings; see arguments.h.
#include "input/arguments.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "common/errors.h"

namespace ligase {

using Json = nlohmann::ordered_json;

const char* const helpText =
    R"(mpi_dna_seq [mpi_input] --embeddings <manifest.json | folder | file.parquet> [options]

Exact neighbours, self-tuning graph, components, heat, spectrum, diffusion coordinates, clusters and
outlier scores of a set of embeddings, as NetCDF.

  --embeddings X   the set: a manifest, its sealed folder, or one Parquet file
  --output Y.nc    the result; default <stem>_sim.nc beside X; must not exist
  --metric M       l2 or cosine; default the manifest's, else l2
  --k N            neighbours of a node, 1..1000; default 15
  --times A,B      times of the heat, ascending; default 1,10,100,1000
  --fields N       random probes of the heat beside a field for each input, 0..256; default 8
  --modes N        eigenpairs of each large component, 0..64; default 16; 0: no spectrum
  --clusters K     clusters, 1..1000; default where the largest eigengap is
  --seed N         of all random numbers; default 0
  --threads N      threads of each rank; default $SLURM_CPUS_PER_TASK, else 1
  --work FOLDER    keep a checkpoint there until the result stands
  --restart        go on from the checkpoint in that folder, if there is one
  --memory-bytes N refuse a set for which a rank needs more
  mpi_input        a JSON file with settings by these names: "metric", "k", "times",
                   "fields", "modes", "clusters", "seed"; flags win
  --help, --exit-codes, --check-manifest FILE

Progress goes to stdout, a line a second; run facts are its last line and stand in Y.nc.run.json;
a failure is one JSON line on stderr. Ranks, threads and restarts change no byte of Y.nc.
)";

namespace {

constexpr int64_t kMax = 1000;
constexpr size_t timesMax = 100;
constexpr double timeMax = 100000;
constexpr int threadsMax = 1024;
constexpr int64_t fieldsMax = 256;
constexpr int64_t modesMax = 64;
constexpr int64_t clustersMax = 1000;
/// 2^53 - 1: JSON's whole numbers.
constexpr int64_t seedMax = 9007199254740991;

[[noreturn]] void usage(const std::string& what) { throw SolverError(Exit::usage, what); }

/// The whole text as a number. Locale-free.
template <class T>
T number(const std::string& text, const std::string& flag) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) usage(flag + " isn't a number: " + text);
  return value;
}

std::vector<double> parseTimes(const std::string& text) {
  std::vector<double> times;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    times.push_back(number<double>(text.substr(at, comma - at), "--times"));
    at = comma + 1;
  }
  return times;
}

int64_t memoryBytes(const std::string& text) {
  const auto bytes = number<int64_t>(text, "--memory-bytes");
  if (bytes < 1) usage("--memory-bytes isn't at least 1");
  return bytes;
}

int64_t clusterCount(const std::string& text) {
  const auto clusters = number<int64_t>(text, "--clusters");
  if (clusters < 1) usage("clusters isn't within 1..1000");
  return clusters;
}

/// What Slurm grants each rank; 1 without Slurm, or when its word isn't a number in bounds.
int defaultThreads() {
  const char* text = std::getenv("SLURM_CPUS_PER_TASK");
  int threads = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), threads);
  return threads >= 1 && threads <= threadsMax ? threads : 1;
}

void set(Arguments& arguments, const std::string& flag, const std::string& value) {
  if (flag == "--embeddings") arguments.embeddings = value;
  else if (flag == "--output") arguments.output = value;
  else if (flag == "--metric") arguments.metric = value;
  else if (flag == "--k") arguments.k = number<int64_t>(value, flag);
  else if (flag == "--times") arguments.times = parseTimes(value);
  else if (flag == "--fields") arguments.fields = number<int64_t>(value, flag);
  else if (flag == "--modes") arguments.modes = number<int64_t>(value, flag);
  else if (flag == "--clusters") arguments.clusters = clusterCount(value);
  else if (flag == "--seed") arguments.seed = number<int64_t>(value, flag);
  else if (flag == "--threads") arguments.threads = number<int>(value, flag);
  else if (flag == "--work") arguments.work = value;
  else if (flag == "--memory-bytes") arguments.memoryBytes = memoryBytes(value);
  else if (flag == "--isa") arguments.isa = value;
  else usage("unknown option " + flag);
  if (value.empty()) usage(flag + " is empty");
}

void readSettings(Arguments& arguments, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw SolverError(Exit::noInput, "no such settings file", {{"uri", path}});
  try {
    const Json settings = Json::parse(file);
    if (!settings.is_object()) throw SolverError(Exit::badData, "settings aren't an object");
    for (const auto& [key, value] : settings.items()) {
      if (key == "metric") value.get_to(arguments.metric);
      else if (key == "k") value.get_to(arguments.k);
      else if (key == "times") value.get_to(arguments.times);
      else if (key == "fields") value.get_to(arguments.fields);
      else if (key == "modes") value.get_to(arguments.modes);
      else if (key == "clusters") value.get_to(arguments.clusters);
      else if (key == "seed") value.get_to(arguments.seed);
      else throw SolverError(Exit::badData, "unknown setting " + key);
    }
  } catch (const SolverError& error) {
    throw SolverError(error.exit, error.what(), {{"uri", path}});
  } catch (const Json::exception& error) {
    throw SolverError(Exit::badData, std::string("settings: ") + error.what(), {{"uri", path}});
  }
}

void check(const Arguments& arguments) {
  if (arguments.embeddings.empty()) usage("--embeddings is missing");
  if (!arguments.metric.empty() && arguments.metric != "l2" && arguments.metric != "cosine") {
    usage("metric isn't l2 or cosine: " + arguments.metric);
  }
  if (arguments.k < 1 || arguments.k > kMax) usage("k isn't within 1..1000");
  const auto within = [](int64_t value, int64_t most, const char* what) {
    if (value < 0 || value > most) usage(std::string(what) + std::to_string(most));
  };
  within(arguments.fields, fieldsMax, "fields isn't within 0..");
  within(arguments.modes, modesMax, "modes isn't within 0..");
  within(arguments.clusters, clustersMax, "clusters isn't within 1..");
  within(arguments.seed, seedMax, "seed isn't within 0..");
  if (arguments.threads < 1 || arguments.threads > threadsMax) {
    usage("threads isn't within 1..1024");
  }
  if (arguments.restart && arguments.work.empty()) usage("--restart needs --work");
  const std::vector<double>& times = arguments.times;
  if (times.empty() || times.size() > timesMax) usage("1 to 100 times are needed");
  double before = 0;
  for (const double time : times) {
    if (!(time > before && time <= timeMax)) usage("times aren't ascending within 0..100000");
    before = time;
  }
}

/// Flags and positional arguments as they stand: `--name value` or `--name=value`, each once.
std::map<std::string, std::string> split(const std::vector<std::string>& argv) {
  std::map<std::string, std::string> found;
  for (size_t i = 0; i < argv.size(); i++) {
    std::string name = argv[i];
    std::string value;
    if (name.rfind("--", 0) != 0) {
      value = name;
      name.clear();
    } else if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (name != "--help" && name != "--exit-codes" && name != "--restart") {
      if (++i == argv.size() || argv[i].rfind("--", 0) == 0) usage(name + " needs a value");
      value = argv[i];
    }
    if (!found.emplace(name, value).second) {
      usage(name.empty() ? "more than one settings file: " + value : name + " is given twice");
    }
  }
  return found;
}

}  // namespace

Arguments parseArguments(const std::vector<std::string>& argv) {
  Arguments arguments;
  std::map<std::string, std::string> flags = split(argv);
  if (flags.contains("--help")) arguments.mode = Mode::help;
  if (flags.contains("--exit-codes")) arguments.mode = Mode::exitCodes;
  if (const auto manifest = flags.find("--check-manifest"); manifest != flags.end()) {
    arguments.mode = Mode::checkManifest;
    arguments.embeddings = manifest->second;
  }
  if (arguments.mode != Mode::solve) return arguments;
  if (const auto settings = flags.find(""); settings != flags.end()) {
    readSettings(arguments, settings->second);
    flags.erase(settings);
  }
  arguments.restart = flags.erase("--restart") > 0;
  arguments.threads = defaultThreads();
  for (const auto& [flag, value] : flags) set(arguments, flag, value);
  check(arguments);
  return arguments;
}

}  // namespace ligase
