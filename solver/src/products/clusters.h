// Owns the clusters of the nodes.
// Invariants: a cluster lies within one component; each component with modes has at least one;
// nodes of smaller components have none (-1); clusters are numbered by falling number of nodes,
// then by their smallest node.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "algebra/fetch.h"
#include "compute/graph.h"
#include "input/manifest.h"
#include "spectrum/spectrum.h"

namespace ligase {

struct ClusterFacts {
  /// Smallest node of its component.
  int32_t component;
  int32_t nodes;
  /// The member with the least sum of squared diffusion distances to the others.
  int32_t medoid;
};

struct Clusters {
  std::vector<ClusterFacts> list;
  /// Of the owned nodes; -1: none.
  std::vector<int32_t> ofNode;
  /// Of the owned nodes, 0 to 1: see kmeans.h; 0 where there is no cluster.
  std::vector<double> margin;
  /// The gap behind the last eigenvalue in use, and the largest other one that was looked at.
  double gap = 0;
  double otherGap = 0;

  /// Whether the number of clusters stands out: its gap is 1.5 x any other.
  bool clearGap() const { return gap > 0 && gap >= 1.5 * otherGap; }
};

/// How many clusters, and how they fall to the parts.
struct ClusterPlan {
  /// Clusters of each part, >= 1.
  std::vector<int64_t> ofPart;
  double gap = 0;
  double otherGap = 0;
};

/// All parts' eigenvalues in one row, a 0 for each part: K is where the gap behind is largest, in
/// max(2, parts) .. most, or `wanted` if that isn't 0, at least the parts. Not collective.
ClusterPlan planClusters(const std::vector<PartSpectrum>& parts, int64_t most, int64_t wanted);

/// k-means on the rows of the first eigenvectors of each part, divided by their length. Collective.
/// @param phi - walkVectors. @param wanted - clusters, 0: by the eigengap.
/// @param time - of the diffusion distances that medoids are found by.
Clusters findClusters(MPI_Comm comm, const Graph& graph, const Spectrum& spectrum,
                      const std::vector<double>& phi, int64_t wanted, double time, uint64_t seed);

struct SampleTable {
  /// Different sample names in the order of the inputs.
  std::vector<std::string> names;
  /// Rows of each sample.
  std::vector<int32_t> rows;
  /// Rows [clusters, samples], row-major; rows without a cluster aren't counted.
  std::vector<int32_t> counts;
};

/// How the samples' rows fall to the clusters. Collective. @param view - of all rows.
SampleTable tabulate(MPI_Comm comm, const Clusters& clusters, const Manifest& manifest,
                     RowView& view);

}  // namespace ligase
