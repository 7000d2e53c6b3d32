// Owns graphs whose spectrum and heat are known in closed form.
// Invariant: weights are 1 where nothing else is said; nodes and edges are a function of the sizes.
#pragma once

#include <cstdint>
#include <vector>

#include "compute/graph.h"

namespace ligase::tests {

/// Edges of a graph over 0 .. count - 1, each once.
struct Edges {
  int64_t count = 0;
  std::vector<Edge> edges;
};

Edges cycle(int64_t count);
Edges path(int64_t count);
Edges complete(int64_t count);
/// Node 0 in the middle.
Edges star(int64_t count);
/// 2^bits nodes, joined where one bit differs.
Edges hypercube(int bits);
/// Product of two cycles, row-major.
Edges torus(int64_t height, int64_t width);
/// Two complete graphs of `size` nodes, joined between nodes size - 1 and size.
Edges twoCliques(int64_t size);
/// The same graph `copies` times, copy c over nodes c, c + copies, ...: no chunk holds just one.
Edges disjoint(const Edges& one, int64_t copies);

/// The part of the edges that rank r of R puts in, which isn't that of the owner.
std::vector<Edge> share(const Edges& edges, int rank, int ranks);

}  // namespace ligase::tests
