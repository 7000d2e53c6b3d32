// Owns flags, their bounds and the optional file of settings; see arguments.h.
#include "input/arguments.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "common/errors.h"

namespace ligase {

using Json = nlohmann::ordered_json;

const char* const helpText =
    R"(mpi_dna_seq [mpi_input] --embeddings <manifest.json | folder | file.parquet> [options]

Exact neighbours, self-tuning graph, components and heat of a set of embeddings, as NetCDF.

  --embeddings X   the set: a manifest, its sealed folder, or one Parquet file
  --output Y.nc    the result; default <stem>_sim.nc beside X; must not exist
  --metric M       l2 or cosine; default the manifest's, else l2
  --k N            neighbours of a node, 1..1000; default 15
  --times A,B      times of the heat, ascending; default 1,10
  mpi_input        a JSON file with any of "metric", "k", "times"; flags win
  --help, --exit-codes, --check-manifest FILE

Run facts go to stdout and Y.nc.run.json; a failure is one JSON line on stderr.
)";

namespace {

constexpr int64_t kMax = 1000;
constexpr size_t timesMax = 100;
constexpr double timeMax = 100000;

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

void set(Arguments& arguments, const std::string& flag, const std::string& value) {
  if (flag == "--embeddings") arguments.embeddings = value;
  else if (flag == "--output") arguments.output = value;
  else if (flag == "--metric") arguments.metric = value;
  else if (flag == "--k") arguments.k = number<int64_t>(value, flag);
  else if (flag == "--times") arguments.times = parseTimes(value);
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
    } else if (name != "--help" && name != "--exit-codes") {
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
  for (const auto& [flag, value] : flags) set(arguments, flag, value);
  check(arguments);
  return arguments;
}

}  // namespace ligase
