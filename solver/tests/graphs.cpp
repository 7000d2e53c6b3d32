// Owns the edges of the closed-form graphs; see graphs.h.
#include "graphs.h"

namespace ligase::tests {

namespace {

void join(Edges& graph, int64_t a, int64_t b) {
  graph.edges.push_back({(int32_t)a, (int32_t)b, 1.0});
}

}  // namespace

Edges cycle(int64_t count) {
  Edges graph{count, {}};
  for (int64_t i = 0; i < count; i++) join(graph, i, (i + 1) % count);
  return graph;
}

Edges path(int64_t count) {
  Edges graph{count, {}};
  for (int64_t i = 0; i + 1 < count; i++) join(graph, i, i + 1);
  return graph;
}

Edges complete(int64_t count) {
  Edges graph{count, {}};
  for (int64_t i = 0; i < count; i++) {
    for (int64_t j = 0; j < i; j++) join(graph, i, j);
  }
  return graph;
}

Edges star(int64_t count) {
  Edges graph{count, {}};
  for (int64_t i = 1; i < count; i++) join(graph, 0, i);
  return graph;
}

Edges hypercube(int bits) {
  Edges graph{int64_t{1} << bits, {}};
  for (int64_t i = 0; i < graph.count; i++) {
    for (int bit = 0; bit < bits; bit++) {
      if ((i >> bit & 1) == 0) join(graph, i, i | int64_t{1} << bit);
    }
  }
  return graph;
}

Edges torus(int64_t height, int64_t width) {
  Edges graph{height * width, {}};
  for (int64_t y = 0; y < height; y++) {
    for (int64_t x = 0; x < width; x++) {
      join(graph, y * width + x, y * width + (x + 1) % width);
      join(graph, y * width + x, (y + 1) % height * width + x);
    }
  }
  return graph;
}

Edges twoCliques(int64_t size) {
  Edges graph = complete(size);
  graph.count = 2 * size;
  for (const Edge edge : complete(size).edges) join(graph, size + edge.from, size + edge.to);
  join(graph, size - 1, size);
  return graph;
}

Edges disjoint(const Edges& one, int64_t copies) {
  Edges graph{one.count * copies, {}};
  for (int64_t c = 0; c < copies; c++) {
    for (const Edge& edge : one.edges) join(graph, edge.from * copies + c, edge.to * copies + c);
  }
  return graph;
}

std::vector<Edge> share(const Edges& edges, int rank, int ranks) {
  std::vector<Edge> mine;
  for (size_t e = (size_t)rank; e < edges.edges.size(); e += (size_t)ranks) {
    mine.push_back(edges.edges[e]);
  }
  return mine;
}

}  // namespace ligase::tests
