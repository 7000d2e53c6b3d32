// Owns the heat that is known: kernels of a point in closed form, and what holds on any graph.
#include <algorithm>
#include <functional>
#include <limits>
#include <numbers>

#include "algebra/random.h"
#include "compute/heat.h"
#include "report.h"

namespace ligase::tests {

namespace {

using std::numbers::pi;

const std::vector<double> times = {0.5, 3, 40, 1000};
constexpr double tolerance = 1e-10;

/// 1 on a node, 0 elsewhere, of the owned nodes.
std::vector<double> point(const Graph& graph, int64_t node) {
  std::vector<double> start((size_t)graph.range.size(), 0.0);
  if (node >= graph.range.lo && node < graph.range.hi) start[(size_t)(node - graph.range.lo)] = 1;
  return start;
}

/// The heat of a point, at each node and time, against its closed form.
void check(Report& report, const std::string& name, const Edges& edges, int64_t source,
           const std::function<double(int64_t node, double t)>& expected) {
  const Graph graph = report.graph(edges);
  const Heat heat = diffuse(report.comm, graph, point(graph, source), 1, times);
  double error = 0;
  std::vector<double> result;
  for (size_t t = 0; t < times.size(); t++) {
    const std::vector<double> found = report.gather(heat.values[t], graph.count, 1);
    for (int64_t i = 0; i < graph.count; i++) {
      const double step = std::abs(found[(size_t)i] - expected(i, times[t]));
      if (!(step <= error)) error = step;
    }
    result.insert(result.end(), found.begin(), found.end());
  }
  report.add("heat of " + name, error, tolerance, result);
}

double onCycle(int64_t count, int64_t distance, double t) {
  double sum = 0;
  for (int64_t k = 0; k < count; k++) {
    const double angle = 2 * pi * (double)k / (double)count;
    sum += std::exp(-t * (1 - std::cos(angle))) * std::cos(angle * (double)distance);
  }
  return sum / (double)count;
}

double onPath(int64_t count, int64_t source, int64_t node, double t) {
  const auto last = (double)(count - 1);
  const double weight = source == 0 || source == count - 1 ? 1 : 2;
  double sum = 0;
  for (int64_t k = 0; k < count; k++) {
    const double angle = pi * (double)k / last;
    const double norm = k == 0 || k == count - 1 ? 2 * last : last;
    sum += std::exp(-t * (1 - std::cos(angle))) * std::cos(angle * (double)node) *
           std::cos(angle * (double)source) * weight / norm;
  }
  return sum;
}

double onHypercube(int bits, int64_t node, double t) {
  const double same = (1 + std::exp(-2 * t / bits)) / 2;
  const int flipped = __builtin_popcountll((uint64_t)node);
  return std::pow(same, bits - flipped) * std::pow(1 - same, flipped);
}

double onComplete(int64_t count, bool source, double t) {
  const auto n = (double)count;
  const double rest = std::exp(-t * n / (n - 1));
  return source ? 1 / n + (1 - 1 / n) * rest : (1 - rest) / n;
}

/// Random fields within [-1, 1] of the owned nodes.
std::vector<double> noise(const Graph& graph, int64_t fields) {
  std::vector<double> start;
  for (int64_t i = graph.range.lo * fields; i < graph.range.hi * fields; i++) {
    start.push_back(2 * randomUniform(7, Purpose::probe, 0, (uint64_t)i) - 1);
  }
  return start;
}

/// Range, mass, energy and the semigroup, on a graph with weights of many sizes.
void generalCases(Report& report) {
  Edges edges = torus(70, 80);
  for (size_t e = 0; e < edges.edges.size(); e++) {
    edges.edges[e].weight = std::pow(randomUniform(1, Purpose::probe, 1, e), 6);
  }
  const Graph graph = report.graph(edges);
  constexpr int64_t fields = 3;
  const std::vector<double> start = noise(graph, fields);
  const Heat heat = diffuse(report.comm, graph, start, fields, {2, 5, 40});
  double outside = 0;
  std::vector<double> least(fields, 1.0);
  std::vector<double> most(fields, -1.0);
  const std::vector<double> all = report.gather(start, graph.count, fields);
  for (size_t i = 0; i < all.size(); i++) {
    least[i % fields] = std::min(least[i % fields], all[i]);
    most[i % fields] = std::max(most[i % fields], all[i]);
  }
  for (const std::vector<double>& own : heat.values) {
    const std::vector<double> values = report.gather(own, graph.count, fields);
    for (size_t i = 0; i < values.size(); i++) {
      outside = std::max({outside, least[i % fields] - values[i], values[i] - most[i % fields]});
    }
  }
  report.add("heat stays within its start's range", outside, tolerance,
             report.gather(heat.values[0], graph.count, fields));
  double lost = 0;
  double gained = -std::numeric_limits<double>::infinity();
  for (size_t i = fields; i < heat.mass.size(); i++) {
    lost = std::max(lost, std::abs(heat.mass[i] - heat.mass[i - fields]));
    gained = std::max(gained, heat.energy[i] - heat.energy[i - fields]);
  }
  report.add("mass is kept", lost, 2 * tolerance, heat.mass);
  report.add("energy falls", gained, 0, heat.energy);
  const Heat more = diffuse(report.comm, graph, heat.values[0], fields, {3});
  report.add("heat of 2 and then 3 is heat of 5",
             difference(report.gather(more.values[0], graph.count, fields),
                        report.gather(heat.values[1], graph.count, fields)),
             3 * tolerance, report.gather(more.values[0], graph.count, fields));
}

/// A component's indicator stays, and nothing leaks out of it.
void nullCase(Report& report) {
  const Graph graph = report.graph(disjoint(cycle(200), 4));
  std::vector<double> start;
  for (int64_t i = graph.range.lo; i < graph.range.hi; i++) {
    start.push_back(graph.component[(size_t)i] == 2 ? 1 : 0);
  }
  const Heat heat = diffuse(report.comm, graph, start, 1, times);
  double error = 0;
  for (const std::vector<double>& own : heat.values) {
    const std::vector<double> values = report.gather(own, graph.count, 1);
    for (int64_t i = 0; i < graph.count; i++) {
      const bool inside = graph.component[(size_t)i] == 2;
      const double step = std::abs(values[(size_t)i] - (inside ? 1 : 0));
      error = std::max(error, inside || step == 0 ? step : 1);
    }
  }
  report.add("a component's null vector stays", error, tolerance,
             report.gather(heat.values[0], graph.count, 1));
}

}  // namespace

void heatCases(Report& report) {
  check(report, "a cycle", cycle(300), 3,
        [](int64_t node, double t) { return onCycle(300, node - 3, t); });
  check(report, "a path", path(200), 50,
        [](int64_t node, double t) { return onPath(200, 50, node, t); });
  check(report, "a path's end", path(200), 0,
        [](int64_t node, double t) { return onPath(200, 0, node, t); });
  check(report, "a complete graph", complete(300), 7,
        [](int64_t node, double t) { return onComplete(300, node == 7, t); });
  check(report, "a hypercube", hypercube(10), 0,
        [](int64_t node, double t) { return onHypercube(10, node, t); });
  check(report, "a hypercube of two chunks", hypercube(13), 0,
        [](int64_t node, double t) { return onHypercube(13, node, t); });
  check(report, "a star's middle", star(500), 0, [](int64_t node, double t) {
    return node == 0 ? (1 + std::exp(-2 * t)) / 2 : (1 - std::exp(-2 * t)) / 2;
  });
  check(report, "a grid", torus(20, 30), 0, [](int64_t node, double t) {
    return onCycle(20, node / 30, t / 2) * onCycle(30, node % 30, t / 2);
  });
  generalCases(report);
  nullCase(report);
}

}  // namespace ligase::tests
